/* The labeling screen.
 *
 * The page works without this file; with it, the next item is already here when an answer is sent, sending happens behind
 * the labeler's back, and nothing that was typed is lost: it is in the form, in this browser, and on the server.
 *
 *   Whetstone.widget("comparison", (question) => ({ key(event) {…}, answered() {…}, summary() {…} }))
 *
 * Parts, in this order: words and code points · questions · screens · the outbox · talking to the server · keys · views · start.
 */
"use strict";

(() => {
  document.documentElement.classList.add("js");

  // --- Words and code points -------------------------------------------------------------------------------------------

  let catalog = {};
  const gettext = (text) => catalog[text] || text;
  const ngettext = (one, many, n) => {
    const found = catalog[one];
    const form = Array.isArray(found) ? found[Math.min(n === 1 ? 0 : 1, found.length - 1)] : n === 1 ? one : many;
    return form.replace("%(n)s", n);
  };

  /* Python counts code points, JavaScript UTF-16 units. This is the only place where one becomes the other. */
  const isLead = (unit) => unit >= 0xd800 && unit < 0xdc00;
  const isTrail = (unit) => unit >= 0xdc00 && unit < 0xe000;
  const codepoints = {
    fromUtf16(text, index) {
      let count = 0;
      for (let i = 0; i < index && i < text.length; i++, count++) {
        if (isLead(text.charCodeAt(i)) && isTrail(text.charCodeAt(i + 1))) i++;
      }
      return count;
    },
    toUtf16(text, codepoint) {
      let i = 0;
      for (let count = 0; count < codepoint && i < text.length; count++) {
        i += isLead(text.charCodeAt(i)) && isTrail(text.charCodeAt(i + 1)) ? 2 : 1;
      }
      return i;
    },
    length: (text) => codepoints.fromUtf16(text, text.length),
  };

  const factories = new Map();
  const announce = (text) => {
    const line = document.getElementById("announcer");
    if (!line) return;
    line.textContent = "";
    requestAnimationFrame(() => (line.textContent = text));
  };

  // --- Questions: what a widget may use ----------------------------------------------------------------------------------

  const values = (control) => {
    if (!control) return "";
    if (control instanceof RadioNodeList) {
      const all = [...control];
      if (all.every((c) => c.type === "radio")) return control.value;
      if (all.every((c) => c.type === "checkbox")) return all.filter((c) => c.checked).map((c) => c.value);
      return all.map((c) => c.value);
    }
    if (control.type === "checkbox" || control.type === "radio") return control.checked ? control.value : "";
    if (control.multiple) return [...control.selectedOptions].map((o) => o.value);
    return control.value;
  };

  const fill = (control, value) => {
    const wanted = Array.isArray(value) ? value.map(String) : [value === true ? "on" : String(value ?? "")];
    const each = control instanceof RadioNodeList ? [...control] : [control];
    for (const c of each) {
      if (c.type === "radio" || c.type === "checkbox") c.checked = value === true || wanted.includes(c.value);
      else if (c.multiple) for (const o of c.options) o.selected = wanted.includes(o.value);
      else if (c.type !== "file") c.value = wanted[0];
    }
    return each[0];
  };

  class Question {
    constructor(screen, element) {
      this.screen = screen;
      this.element = element;
      this.body = element.querySelector(".question-body");
      this.key = element.dataset.question;
      this.settings = JSON.parse(element.dataset.settings || "{}");
      this.required = element.dataset.required === "true";
      this.gettext = gettext;
      this.announce = announce;
      this.summaryElement = element.querySelector(".question-summary");
      const heading = element.querySelector("h2");
      const head = document.createElement("button");
      head.type = "button";
      head.className = "question-head";
      head.append(...heading.childNodes);
      heading.append(head);
      this.head = head;
    }

    get responses() {
      return this.screen.responses;
    }

    /* The assistant's earlier turns, as Screen.turns in Python: `index` is the message's number in the prompt. */
    get turns() {
      return this.screen.messages.filter((m) => m.dataset.role === "assistant").map((element) => ({ index: Number(element.dataset.turn), element }));
    }

    name(field, target = null) {
      return `${target === null || target === undefined ? this.key : `${this.key}-${target}`}-${field}`;
    }

    field(name, target) {
      return this.screen.form.elements.namedItem(this.name(name, target));
    }

    value(name, target) {
      return values(this.field(name, target));
    }

    set(name, value, target) {
      const control = this.field(name, target);
      if (control) fill(control, value).dispatchEvent(new Event("change", { bubbles: true }));
    }

    changed() {
      this.screen.changed(this);
    }

    advance() {
      this.screen.step(this, 1);
    }

    /* What FeedbackType.preview says to these fields: {ok, data} or {ok: false, reason, data}. Nothing is stored. */
    preview(fields) {
      const reason = gettext("This is a preview; the server is not asked.");
      if (isPreview) return Promise.resolve({ ok: false, isTemporary: true, reason });
      return ask(`${this.screen.form.getAttribute("action")}preview/${this.key}/`, new URLSearchParams(fields));
    }

    /* Why no policy can be asked, in a sentence; "" when one can. */
    get whyNot() {
      if (isPreview) return gettext("This is a preview; no policy is asked.");
      const { generate, whyNot } = this.screen.form.dataset;
      return generate ? whyNot : gettext("No live policy answers in this campaign.");
    }

    /* A text of the live policy, as it is written: {done, stop()}. `onText` gets each piece, `done` always comes to
     * {state: "finished" | "stopped" | "failed", text, prefix, generation, reason, code}. What the policy is asked, the type
     * says on the server; `prefix` is what it goes on from, `note` what a labeler said, `continues` the generation before. */
    generate({ target = "", prefix = "", note = "", continues = "" }, onText = () => {}) {
      if (this.whyNot) return { stop() {}, done: Promise.resolve({ state: "failed", code: "live_off", text: "", prefix, reason: this.whyNot }) };
      const url = this.screen.form.dataset.generate.replace("QUESTION", this.key);
      return openStream(url, { target, prefix, note, continues }, onText);
    }

    /* The same for widgets that want the whole text: {text, generation}, or an error whose message is for the labeler. */
    async revise(target, note) {
      const { state, text, generation, reason } = await this.generate({ target, note }).done;
      if (state !== "finished") throw new Error(reason || gettext("The policy was stopped."));
      return { text, generation };
    }

    /* `generate` for another response in the place of one; whoever observes the page under consent hears of it. */
    regenerate(asked, onText) {
      if (!this.whyNot) this.responses.find(({ id }) => String(id) === String(asked.target))?.element.dispatchEvent(new CustomEvent("whetstone:regenerate"));
      return this.generate(asked, onText);
    }

    mount() {
      const factory = factories.get(this.element.dataset.type);
      this.widget = factory ? factory(this) : {};
    }

    answered() {
      if (this.widget.answered) return Boolean(this.widget.answered());
      const mine = [...this.screen.form.elements].filter((c) => c.name?.startsWith(`${this.key}-`) && c.type !== "hidden");
      const names = new Set(mine.map((c) => c.name));
      return names.size > 0 && [...names].some((n) => values(this.screen.form.elements.namedItem(n)).length);
    }

    summary() {
      return this.answered() ? this.widget.summary?.() || gettext("answered") : gettext("not answered yet");
    }

    show(isActive) {
      const state = isActive ? "active" : this.answered() ? "done" : "todo";
      if (this.element.dataset.state !== state) this.element.dataset.state = state;
      this.body.hidden = !isActive;
      this.summaryElement.hidden = isActive;
      if (!isActive) this.summaryElement.textContent = this.summary();
      this.head.setAttribute("aria-expanded", isActive);
    }
  }

  // --- Screens -------------------------------------------------------------------------------------------------------------

  const IDLE_MS = 30_000;
  const isText = (c) => c?.matches?.("textarea, input:not([type=radio], [type=checkbox], [type=button], [type=submit], [type=range]), [contenteditable=true]");
  const uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    const b = crypto.getRandomValues(new Uint8Array(16)); // plain http has no randomUUID
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    return [...b].map((x, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + x.toString(16).padStart(2, "0")).join("");
  };
  const NOT_ANSWERS = new Set(["csrfmiddlewaretoken", "idempotency_key", "active_ms", "revises", "protocol_version", "guidelines_version"]);

  class Screen {
    constructor(form) {
      this.form = form;
      this.assignment = form.dataset.assignment;
      this.isRevision = Boolean(form.dataset.revises);
      this.activeMs = 0;
      this.responses = [...form.querySelectorAll(".response")].map((element) => ({
        id: Number(element.dataset.response),
        label: element.dataset.label,
        position: Number(element.dataset.position),
        text: JSON.parse(element.querySelector(".response-source").textContent).text,
        element,
        rawElement: element.querySelector(".raw"),
        renderedElement: element.querySelector(".rendered"),
      }));
      this.messages = [...form.querySelectorAll(".prompt .message")];
    }

    /* Called when the form is in the document for the first time. */
    mount() {
      this.restored = this.form.dataset.restored === "true";
      const kept = store.get(`draft.${this.assignment}`);
      if (kept && !this.isRevision) this.restored = this.apply(kept.fields) || this.restored;
      this.questions = [...this.form.querySelectorAll(".question")].map((element) => new Question(this, element));
      for (const q of this.questions) q.mount();
      this.activate(this.questions.find((q) => !q.answered()) || this.questions[0], { focus: false });
      view.apply(this);
      for (const q of this.questions) q.widget.ready?.();
      this.keepHeight(); // now that each widget shows what it will
      this.shownAt = performance.now();
    }

    /* The strip is as high as its highest question (within reason), so that nothing moves when the next one opens. */
    keepHeight() {
      const strip = this.form.querySelector(".questions");
      strip.style.minHeight = "";
      if (window.innerWidth < 900) return; // on a phone the room is worth more
      let highest = 0;
      const active = this.active;
      for (const q of this.questions) {
        for (const other of this.questions) other.show(other === q);
        highest = Math.max(highest, Math.ceil(strip.getBoundingClientRect().height));
      }
      for (const q of this.questions) q.show(q === active);
      strip.style.minHeight = `${Math.min(highest, window.innerHeight * 0.3)}px`;
    }

    activate(question, { focus = true } = {}) {
      if (!question) return;
      if (this.active !== question) {
        this.active?.widget.deactivate?.();
        if (this.active) this.before = this.active;
        this.active = question;
      }
      for (const q of this.questions) q.show(q === question);
      if (focus) question.element.focus({ preventScroll: true });
      question.widget.activate?.();
    }

    step(from, by) {
      const next = this.questions[this.questions.indexOf(from) + by];
      if (next) this.activate(next);
      return Boolean(next);
    }

    changed(question, event) {
      if (!this.questions) return;
      question?.element.classList.remove("needs-answer");
      for (const q of this.questions) if (q !== this.active) q.show(false);
      this.keepDraft();
      // A choice, or a widget that says its answer is settled; never while somebody is writing.
      const isChoice = event ? event.type === "change" && !isText(event.target) : !isText(document.activeElement);
      if (isChoice && question && question === this.active && question.answered()) {
        const open = this.questions.slice(this.questions.indexOf(question) + 1).find((q) => !q.answered());
        if (open) this.activate(open);
      }
    }

    fields() {
      return [...new FormData(this.form)].filter(([name, value]) => !NOT_ANSWERS.has(name) && typeof value === "string");
    }

    /* Puts values into the form; true if any of them says something. */
    apply(fields) {
      const byName = new Map();
      for (const [name, value] of fields) byName.set(name, [...(byName.get(name) || []), value]);
      for (const c of this.form.elements) {
        if ((c.type === "radio" || c.type === "checkbox") && !byName.has(c.name)) c.checked = false;
      }
      for (const [name, all] of byName) {
        const control = this.form.elements.namedItem(name);
        if (control) fill(control, all);
      }
      return fields.some(([, value]) => value !== "");
    }

    keepDraft() {
      if (this.isRevision || isPreview) return;
      store.set(`draft.${this.assignment}`, { at: Date.now(), fields: this.fields() });
      clearTimeout(this.draftTimer);
      this.draftTimer = setTimeout(() => saveDraft(this), 800);
    }

    tick(ms) {
      if (document.visibilityState === "visible" && performance.now() - lastInput < IDLE_MS) this.activeMs += ms;
    }
  }

  // --- Kept in this browser --------------------------------------------------------------------------------------------------

  let place = "whetstone";
  const store = {
    get(key) {
      try {
        return JSON.parse(localStorage.getItem(`${place}.${key}`));
      } catch (error) {
        console.info("local storage cannot be read", error); // private mode, or another version's data
        return null;
      }
    },
    set(key, value) {
      try {
        localStorage.setItem(`${place}.${key}`, JSON.stringify(value));
      } catch (error) {
        console.info("local storage is full or switched off", error); // the form and the server still have it
      }
    },
    remove(key) {
      localStorage.removeItem(`${place}.${key}`);
    },
  };

  const forgetOldDrafts = () => {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(`${place}.draft.`)) continue;
      const kept = store.get(key.slice(place.length + 1));
      if (!kept || Date.now() - kept.at > 14 * 24 * 3600 * 1000) localStorage.removeItem(key);
    }
  };

  // --- The outbox: answers that have not been acknowledged yet -----------------------------------------------------------------

  const outbox = {
    entries: () => store.get("outbox") || [],
    waiting: () => outbox.entries().filter((e) => !e.rejected),
    add(entry) {
      store.set("outbox", [...outbox.entries(), entry]);
    },
    change(id, change) {
      store.set("outbox", outbox.entries().flatMap((e) => (e.id === id ? change(e) : [e])));
      outbox.show();
    },

    show() {
      const state = document.getElementById("outbox-state");
      if (!state) return;
      const rejected = outbox.entries().filter((e) => e.rejected).length;
      const waiting = outbox.waiting().length;
      state.replaceChildren();
      if (waiting && outbox.trouble) {
        state.append(`${ngettext("%(n)s answer waits to be sent", "%(n)s answers wait to be sent", waiting)} · ${outbox.trouble}`);
      }
      if (rejected) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "linklike";
        button.textContent = ngettext("%(n)s answer was not taken", "%(n)s answers were not taken", rejected);
        button.addEventListener("click", outbox.open);
        state.append(" ", button);
      }
    },

    open() {
      const list = document.getElementById("outbox-list");
      list.replaceChildren(
        ...outbox.entries().filter((e) => e.rejected).map((entry) => {
          const li = document.createElement("li");
          const text = document.createElement("div");
          const reason = document.createElement("p");
          reason.textContent = entry.rejected;
          const kept = document.createElement("div");
          kept.className = "kept-text";
          kept.textContent = entry.fields.filter(([n, v]) => v && !NOT_ANSWERS.has(n)).map(([n, v]) => `${n}: ${v}`).join("\n");
          text.append(reason, kept);
          const drop = document.createElement("button");
          drop.type = "button";
          drop.className = "button button-small";
          drop.textContent = gettext("Discard");
          drop.addEventListener("click", () => {
            outbox.change(entry.id, () => []);
            li.remove();
          });
          li.append(text, drop);
          return li;
        }),
      );
      document.getElementById("outbox").showModal();
    },

    async flush() {
      if (outbox.isBusy || isPreview) return;
      outbox.isBusy = true;
      clearTimeout(outbox.timer);
      const work = async () => {
        for (let entry; (entry = outbox.waiting()[0]); ) if (!(await outbox.send(entry))) return false;
        return true;
      };
      let isDone = false;
      try {
        isDone = navigator.locks ? await navigator.locks.request(`${place}.outbox`, work) : await work();
      } finally {
        outbox.isBusy = false;
      }
      if (isDone) {
        outbox.trouble = "";
        outbox.pause = 0;
        if (outbox.waiting().length) return outbox.flush(); // one came in while the last reply was being dealt with
      } else {
        outbox.timer = setTimeout(outbox.flush, outbox.wait());
      }
      outbox.show();
      settle();
    },

    wait() {
      outbox.pause = Math.min(30_000, (outbox.pause || 1_000) * 2);
      return Math.max(outbox.pause, outbox.retryAfterMs || 0);
    },

    /* True when the entry is dealt with, whichever way. */
    async send(entry) {
      const body = new URLSearchParams(entry.fields);
      if (!prepared) body.set("want_next", "1");
      for (const screen of [current, aside, prepared]) if (screen && !screen.isRevision) body.append("beyond", screen.assignment);
      const reply = await ask(entry.url, body);
      if (reply.ok) {
        outbox.change(entry.id, () => []);
        store.remove(`draft.${entry.assignment}`);
        if (reply.data.message) toast(reply.data.message, { tone: "warn" });
        take(reply.data);
        return true;
      }
      if (reply.isTemporary) {
        outbox.trouble = reply.reason;
        outbox.retryAfterMs = reply.retryAfterMs;
        outbox.show();
        return false;
      }
      outbox.change(entry.id, (e) => [{ ...e, rejected: reply.reason }]);
      const screen = sent.get(entry.id);
      toast(reply.reason, {
        tone: "bad",
        sticky: true,
        action: screen ? [gettext("Show my answer"), () => reopen(screen, entry, reply.data?.fields || {})] : [gettext("Show"), outbox.open],
      });
      if (!prepared && !current) fetchNext();
      return true;
    },
  };

  // --- Talking to the server -----------------------------------------------------------------------------------------------------

  let token = "";

  /* One request. {ok, data} or {ok: false, isTemporary, status, reason, data}; a rotated CSRF token is fetched and the request sent again. */
  async function ask(url, body, isSecondTry = false) {
    let response;
    try {
      response = await fetch(url, {
        method: body ? "POST" : "GET",
        body,
        credentials: "same-origin",
        headers: { Accept: "application/json", ...(body ? { "X-CSRFToken": token } : {}) },
      });
    } catch (error) {
      return { ok: false, isTemporary: true, status: 0, reason: gettext("no connection"), error };
    }
    const isJson = (response.headers.get("Content-Type") || "").includes("application/json");
    const data = isJson ? await response.json().catch(() => null) : null;
    if (response.ok && data) return { ok: true, data };
    const retryAfterMs = Number(response.headers.get("Retry-After") || 0) * 1000;
    if (response.status === 403 && !isJson && body && !isSecondTry) {
      const fresh = await ask(screenElement.dataset.token);
      if (!fresh.ok) return fresh;
      if (fresh.data.user !== screenElement.dataset.user) {
        signedOut(gettext("Somebody else has signed in with this browser. Your answer is kept; sign in as yourself to send it."));
        return { ok: false, isTemporary: true, status: 403, reason: gettext("somebody else is signed in") };
      }
      token = fresh.data.token;
      return ask(url, body, true);
    }
    if (response.status === 401) {
      signedOut(gettext("You have been signed out. Your answer is kept in this browser; sign in again and it will be sent."));
      return { ok: false, isTemporary: true, status: 401, reason: gettext("signed out") };
    }
    if (response.status >= 500 || response.status === 429 || response.status === 408 || (response.ok && !data)) {
      return { ok: false, isTemporary: true, status: response.status, retryAfterMs, reason: data?.message || gettext("the server is busy") };
    }
    const reason = data?.message || gettext("The server did not take this answer.");
    return { ok: false, isTemporary: false, status: response.status, data, reason };
  }

  /* Server-sent events that answer a POST. Closing the connection is what stops the policy; the stop is said besides, for
   * proxies that keep a connection open. */
  function openStream(url, fields, onText) {
    const control = new AbortController();
    const told = { state: "failed", text: "", prefix: fields.prefix, generation: "", reason: "", code: "" };
    let isStopped = false;
    const hear = {
      begin: (data) => Object.assign(told, data),
      piece: ({ text }) => {
        told.text += text;
        onText(text);
      },
      end: (data) => Object.assign(told, data),
      failed: (data) => Object.assign(told, { state: "failed", code: data.code, reason: data.message }),
    };
    const read = async (isSecondTry = false) => {
      const response = await fetch(url, {
        method: "POST",
        body: new URLSearchParams(fields),
        credentials: "same-origin",
        headers: { Accept: "application/json, text/event-stream", "X-CSRFToken": token },
        signal: control.signal,
      });
      const type = response.headers.get("Content-Type") || "";
      if (!response.ok || !type.startsWith("text/event-stream")) {
        const data = type.includes("application/json") ? await response.json() : null;
        const fresh = response.status === 403 && !data && !isSecondTry ? await ask(screenElement.dataset.token) : null;
        if (fresh?.ok && fresh.data.user === screenElement.dataset.user) {
          token = fresh.data.token;
          return read(true);
        }
        return hear.failed({ code: data?.code || "refused", message: data?.message || gettext("the server is busy") });
      }
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const events = (rest + part.value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const lines = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trimStart()]));
          if (!isStopped && lines.event) hear[lines.event]?.(JSON.parse(lines.data));
        }
      }
    };
    const done = read()
      .catch(() => isStopped || hear.failed({ code: "no_connection", message: gettext("no connection") }))
      .then(() => {
        if (isStopped) told.state = "stopped";
        else if (told.state === "failed" && !told.reason) told.reason = gettext("The stream broke off.");
        return told;
      });
    const stop = () => {
      if (isStopped || control.signal.aborted) return;
      isStopped = true;
      control.abort();
      if (told.generation) ask(url.replace(/\d+\/generate\/[^/]+\/$/, `generations/${told.generation}/stop/`), new URLSearchParams());
    };
    window.addEventListener("pagehide", stop, { once: true });
    return { done, stop, told };
  }

  let signInNotice = null;
  function signedOut(text) {
    if (signInNotice?.isConnected) return;
    signInNotice = toast(text, { tone: "warn", sticky: true, link: [gettext("Sign in"), `${screenElement.dataset.login}?next=${encodeURIComponent(location.pathname)}`] });
  }

  async function saveDraft(screen) {
    const reply = await ask(screen.form.dataset.draft, new URLSearchParams(screen.fields()));
    if (!reply.ok && !reply.isTemporary) warnOnce(screen, reply);
  }

  async function beat() {
    if (document.visibilityState !== "visible" || isPreview) return;
    if (current && !current.isRevision) {
      const screen = current;
      const reply = await ask(screen.form.dataset.heartbeat, new URLSearchParams());
      if (!reply.ok && !reply.isTemporary && screen === current) warnOnce(screen, reply);
    }
    if (prepared) fetchNext(); // keeps its lease too
  }

  function warnOnce(screen, reply) {
    if (screen.isWarned || screen !== current) return;
    screen.isWarned = true;
    const over = ["already_sent", "skipped"].includes(reply.data?.code);
    toast(reply.reason, { tone: "warn", sticky: true, action: over ? [gettext("Next item"), showNext] : null });
  }

  let isFetching = false;
  async function fetchNext() {
    if (isFetching || isPreview || isPractice) return;
    isFetching = true;
    const query = new URLSearchParams();
    for (const screen of [current, aside]) if (screen && !screen.isRevision) query.append("beyond", screen.assignment);
    if (prepared) query.set("have", prepared.assignment);
    const reply = await ask(`${screenElement.dataset.next}?${query}`);
    isFetching = false;
    if (reply.ok) take(reply.data);
    else if (reply.isTemporary && !current) {
      showWaiting(reply.reason);
      setTimeout(fetchNext, 3_000);
    }
  }

  /* What a reply says about the item after the next one. */
  function take(data) {
    if (!("next" in data)) return;
    if (data.stopped) return location.assign(screenElement.dataset.here); // which says why
    hasMore = data.next !== null;
    if (data.next?.html && data.next.assignment !== prepared?.assignment && data.next.assignment !== current?.assignment) {
      prepared = parse(data.next.html);
    }
    if (!current && (prepared || !hasMore)) settle();
  }

  function parse(html) {
    const template = document.createElement("template"); // inert: no ids, no names, no focus until it is shown
    template.innerHTML = html;
    return new Screen(template.content.querySelector("form.item"));
  }

  // --- From one item to the next ---------------------------------------------------------------------------------------------------

  let screenElement;
  let isPreview = false;
  let isPractice = false; // one item after the other, the comparison after each
  let isReview = false; // a reviewer's decision: sent as a plain form, with nothing prepared or kept here
  let current = null; // on the screen
  let prepared = null; // the next one, not in the document
  let previous = null; // the one sent before, for undo
  let aside = null; // the one that waits while an earlier answer is being changed
  let hasMore = true;
  const sent = new Map();

  function put(screen) {
    current = screen;
    if (screen.form.dataset.wasShown) {
      screenElement.replaceChildren(screen.form);
      screen.activate(screen.active || screen.questions[0], { focus: false });
      screen.shownAt = performance.now();
    } else {
      screen.form.dataset.wasShown = "1";
      screenElement.replaceChildren(document.adoptNode(screen.form));
      screen.mount();
    }
    screen.active?.element.focus({ preventScroll: true });
    if (screen.restored) {
      screen.restored = false;
      toast(gettext("Your draft is back."));
    }
  }

  function showNext() {
    if (aside) {
      const back = aside;
      aside = null;
      put(back);
    } else if (prepared) {
      const next = prepared;
      prepared = null;
      put(next);
      announce(gettext("Next item"));
      ask(next.form.dataset.heartbeat, new URLSearchParams()).then((reply) => {
        if (!reply.ok && !reply.isTemporary) warnOnce(next, reply);
      });
    } else {
      current = null;
      showWaiting();
    }
  }

  function showWaiting(reason = "") {
    if (current) return;
    const box = document.createElement("div");
    box.className = "waiting";
    const line = document.createElement("p");
    line.textContent = reason
      ? gettext("The next item comes when the connection is back. Your answers are kept here and sent then.")
      : gettext("Fetching the next item…");
    box.append(line);
    screenElement.replaceChildren(box);
  }

  /* After the outbox was worked on: is there something to show, or nothing left at all? */
  function settle() {
    if (current || isPreview) return;
    if (prepared || aside) showNext();
    else if (outbox.waiting().length) showWaiting(outbox.trouble || " ");
    else if (!hasMore) location.assign(screenElement.dataset.here);
    else fetchNext();
  }

  function send() {
    const screen = current;
    if (!screen || performance.now() - screen.shownAt < 250) return; // the second half of a double press
    if (isPreview && !isReview) return void toast(gettext("This is a preview; nothing is sent."));
    const open = screen.questions.find((q) => q.required && !q.answered());
    if (open) {
      open.element.classList.add("needs-answer");
      screen.activate(open);
      announce(gettext("This question still needs an answer."));
      return void toast(gettext("This question still needs an answer."), { tone: "warn" });
    }
    for (const q of screen.questions) q.widget.timing?.();
    if (isReview) {
      const reason = screen.form.elements.namedItem("reason");
      if (reason.value.trim()) return screen.form.submit();
      reason.focus();
      announce(gettext("Say why; a sentence is enough."));
      return void toast(gettext("Say why; a sentence is enough."), { tone: "warn" });
    }
    clearTimeout(screen.draftTimer);
    if (isPractice) {
      store.remove(`draft.${screen.assignment}`); // another attempt begins with an empty form
      current = null; // a second press sends nothing
      return screen.form.submit(); // the next page compares
    }
    leave(screen, "submit", screen.form.getAttribute("action"));
    if (!screen.isRevision) {
      count(1);
      previous = screen;
    }
    showNext();
    outbox.flush();
  }

  function skip(reason) {
    const screen = current;
    if (!screen || isPreview) return;
    clearTimeout(screen.draftTimer);
    leave(screen, "skip", screen.form.dataset.skip, [["reason", reason]]);
    toast(gettext("Skipped. Somebody else will get it."));
    showNext();
    outbox.flush();
  }

  async function flag(reason) {
    const reply = await ask(current.form.dataset.flag, new URLSearchParams({ reason }));
    toast(reply.ok ? gettext("Reported. You may still answer or skip.") : reply.reason, { tone: reply.ok ? "good" : "bad" });
  }

  /* Into the outbox: from here on the answer is safe, whatever the network does. */
  function leave(screen, kind, url, extra = []) {
    const key = uuid();
    screen.sentFields = screen.fields();
    const all = kind === "submit" ? [...new FormData(screen.form)].filter(([n, v]) => typeof v === "string" && n !== "csrfmiddlewaretoken") : [];
    const own = new Map([["idempotency_key", key], ["active_ms", String(Math.round(screen.activeMs))]]);
    const fields = all.map(([n, v]) => [n, own.get(n) ?? v]);
    sent.set(key, screen);
    if (sent.size > 8) sent.delete(sent.keys().next().value);
    outbox.add({ id: key, kind, url, assignment: screen.assignment, fields: [...fields, ...extra], at: Date.now() });
  }

  function asRevision(screen) {
    screen.isRevision = true;
    screen.activeMs = 0;
    screen.form.elements.namedItem("revises").value ||= "latest";
    if (screen.form.querySelector(".revising")) return;
    const note = document.createElement("p");
    note.className = "notice revising";
    note.append(gettext("You are changing an answer that you sent.") + " ");
    const back = document.createElement("button");
    back.type = "button";
    back.className = "linklike";
    back.dataset.act = "cancel-undo";
    back.textContent = gettext("Back without changing (Esc)");
    note.append(back);
    screen.form.querySelector(".reading").prepend(note);
    screen.form.querySelector(".side-actions")?.setAttribute("hidden", "");
  }

  async function undo() {
    if (isPreview || isPractice || aside || current?.isRevision) return;
    if (previous) {
      const screen = previous;
      previous = null;
      if (current) aside = current;
      screen.apply(screen.sentFields);
      asRevision(screen);
      put(screen);
      screen.changed();
      clearTimeout(screen.draftTimer);
      return;
    }
    const reply = await ask(screenElement.dataset.undo);
    if (!reply.ok) return void toast(reply.reason, { tone: "warn" });
    if (current) aside = current;
    const screen = parse(reply.data.html);
    screen.isRevision = true;
    put(screen);
  }

  function cancelUndo() {
    if (!current?.isRevision) return;
    if (aside) showNext();
    else location.assign(screenElement.dataset.here);
  }

  /* A refused answer comes back to the screen with what was written and why. */
  function reopen(screen, entry, errors) {
    outbox.change(entry.id, () => []);
    if (current && current !== screen) aside = current;
    screen.apply(screen.sentFields);
    put(screen);
    for (const q of screen.questions) {
      const mine = Object.entries(errors).filter(([name]) => name === q.key || name.startsWith(`${q.key}-`)).flatMap(([, all]) => all);
      q.element.classList.toggle("needs-answer", mine.length > 0);
      if (mine.length) {
        screen.activate(q);
        toast(mine.join(" "), { tone: "bad" });
      }
    }
  }

  function count(by) {
    const line = document.getElementById("today-count");
    if (line) line.textContent = Number(line.textContent.replace(/\D/g, "")) + by;
  }

  // --- Notices ------------------------------------------------------------------------------------------------------------------

  function toast(text, { tone = "info", sticky = false, action = null, link = null } = {}) {
    for (const old of document.querySelectorAll(".toast")) if (!old.dataset.sticky || old.firstChild.textContent === text) old.remove();
    const box = document.createElement("div");
    box.className = "toast";
    if (sticky) box.dataset.sticky = "1";
    box.dataset.tone = tone;
    box.setAttribute("role", tone === "bad" ? "alert" : "status");
    box.append(Object.assign(document.createElement("span"), { textContent: text }));
    const button = (label, act) => {
      const b = Object.assign(document.createElement("button"), { type: "button", className: "linklike", textContent: label });
      b.addEventListener("click", () => {
        box.remove();
        act?.();
      });
      box.append(b);
    };
    if (action) button(...action);
    if (link) box.append(Object.assign(document.createElement("a"), { textContent: link[0], href: link[1] }));
    if (sticky) button(gettext("Close"));
    else setTimeout(() => box.remove(), 4_000);
    document.getElementById("toasts").append(box);
    return box;
  }

  // --- Views: raw text, differences, scrolling apart ---------------------------------------------------------------------------------

  const MAX_DIFF_PAIRS = 9_000_000; // two bytes each
  const view = {
    isApart: false,
    raw(screen = current) {
      const box = screen.form.querySelector(".responses");
      view.setRaw(screen, box.dataset.view !== "raw");
    },
    setRaw(screen, isRaw) {
      const box = screen.form.querySelector(".responses");
      if (isRaw) box.dataset.view = "raw";
      else delete box.dataset.view;
      for (const r of screen.responses) {
        r.renderedElement.hidden = isRaw;
        r.rawElement.hidden = !isRaw;
        r.element.querySelector(".difference")?.remove();
      }
      for (const m of screen.messages) {
        m.querySelector(".rendered").hidden = isRaw;
        m.querySelector(".raw").hidden = !isRaw;
      }
      view.press(screen, "raw", isRaw);
      view.press(screen, "difference", false);
    },
    difference(screen = current) {
      const button = screen.form.querySelector('[data-act="difference"]');
      if (!button) return;
      const isOn = button.getAttribute("aria-pressed") === "true";
      view.setRaw(screen, screen.form.querySelector(".responses").dataset.view === "raw");
      if (isOn) return;
      const parts = differences(screen.responses[0].text, screen.responses[1].text);
      if (!parts) return void toast(gettext("These texts are too long to compare word by word."), { tone: "warn" });
      screen.responses.forEach((response, side) => {
        const text = document.createElement("div");
        text.className = "response-text raw difference diff";
        text.dir = "auto";
        for (const [kind, words] of parts) {
          if (kind === (side === 0 ? "ins" : "del")) continue;
          text.append(kind === "same" ? words : Object.assign(document.createElement(kind === "del" ? "del" : "ins"), { textContent: words }));
        }
        response.renderedElement.hidden = response.rawElement.hidden = true;
        response.element.append(text);
      });
      view.press(screen, "difference", true);
    },
    apart(screen = current) {
      view.isApart = !view.isApart;
      view.apply(screen);
    },
    apply(screen) {
      const box = screen.form.querySelector(".responses");
      box.toggleAttribute("data-apart", view.isApart);
      const room = screen.form.querySelector(".strip").offsetTop - screen.form.offsetTop;
      box.style.setProperty("--apart", `${Math.max(240, room - 24)}px`);
      for (const r of screen.responses) {
        if (view.isApart) r.element.tabIndex = 0;
        else r.element.removeAttribute("tabindex");
      }
      view.press(screen, "apart", view.isApart);
      if (view.isApart) box.scrollIntoView({ block: "start" });
    },
    press(screen, act, isOn) {
      screen.form.querySelector(`.tool[data-act="${act}"]`)?.setAttribute("aria-pressed", isOn);
    },
  };

  /* Longest common subsequence of words; null when the texts are too long for a table of all pairs. */
  function differences(a, b) {
    const split = (text) => text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}_'’]+|\s+|[^\p{L}\p{N}\s]/gu) || [];
    const [x, y] = [split(a), split(b)];
    if (x.length * y.length > MAX_DIFF_PAIRS || Math.max(x.length, y.length) > 60_000) return null;
    const width = y.length + 1;
    const table = new Uint16Array((x.length + 1) * width);
    for (let i = x.length - 1; i >= 0; i--) {
      for (let j = y.length - 1; j >= 0; j--) {
        table[i * width + j] = x[i] === y[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
      }
    }
    const parts = [];
    const push = (kind, word) => {
      if (parts.length && parts[parts.length - 1][0] === kind) parts[parts.length - 1][1] += word;
      else parts.push([kind, word]);
    };
    let i = 0;
    let j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) push("same", x[(j++, i++)]);
      else if (j >= y.length || (i < x.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) push("del", x[i++]);
      else push("ins", y[j++]);
    }
    return parts;
  }

  // --- Keys -------------------------------------------------------------------------------------------------------------------------

  const gettext_noop = (text) => text; // marks a text for translation; it is translated when shown
  const PAGE_KEYS = [
    ["Enter", gettext_noop("Send; if a question is still open, go to it")],
    ["Tab", gettext_noop("Next question")],
    ["u", gettext_noop("Undo: change the last answer")],
    ["s", gettext_noop("Skip this item")],
    ["x", gettext_noop("Report this item")],
    ["g", gettext_noop("Guidelines")],
    ["r", gettext_noop("Raw text and back")],
    ["d", gettext_noop("Differences between two responses")],
    ["l", gettext_noop("Scroll responses together or apart")],
    ["?", gettext_noop("These keys")],
  ];
  const ACTS = {
    send,
    undo,
    raw: () => view.raw(),
    difference: () => view.difference(),
    apart: () => view.apart(),
    guidelines: () => document.getElementById("guidelines")?.showModal(),
    keys: showKeys,
    "cancel-undo": cancelUndo,
  };
  const LETTERS = { u: "undo", r: "raw", d: "difference", g: "guidelines", "?": "keys" };

  function showKeys() {
    const section = (title, keys) => {
      const box = document.createElement("section");
      box.append(Object.assign(document.createElement("h3"), { textContent: title }));
      const list = document.createElement("ul");
      for (const [key, label] of keys) {
        const li = document.createElement("li");
        li.append(Object.assign(document.createElement("kbd"), { textContent: key }), label);
        list.append(li);
      }
      box.append(list);
      return box;
    };
    const own = (current?.questions || []).map((q) => [q.head.textContent.trim(), [...q.element.querySelectorAll(".question-keys li")].map((li) => [li.firstElementChild.textContent, li.lastChild.textContent.trim()])]);
    document.getElementById("keys-list").replaceChildren(
      ...own.filter(([, keys]) => keys.length).map(([title, keys]) => section(title, keys)),
      section(gettext("Everywhere"), PAGE_KEYS.map(([key, label]) => [key, gettext(label)])),
    );
    document.getElementById("keys").showModal();
  }

  function openReasons(kind) {
    const box = current?.form.querySelector(`.reasons[data-reasons="${kind}"]`);
    if (!box || box.closest("[hidden]")) return;
    closeReasons();
    box.open = true;
    box.querySelector(".reason").focus();
  }

  function closeReasons() {
    const open = document.querySelector(".reasons[open]");
    if (open) open.open = false;
    return open;
  }

  const done = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };

  function onKey(event) {
    lastInput = performance.now();
    if (event.isComposing || document.querySelector("dialog[open]") || !current) return;
    const target = event.target;
    if (isPreview && target !== document.body && !screenElement.contains(target)) return; // another part of the page
    const reasons = document.querySelector(".reasons[open]");
    if (reasons) {
      const button = /^[1-9]$/.test(event.key) && reasons.querySelectorAll(".reason")[Number(event.key) - 1];
      if (button) return done(event), button.click();
      if (event.key === "Escape") return done(event), closeReasons(), current.active?.element.focus({ preventScroll: true });
      if (!/^[a-zA-Z?]$/.test(event.key)) return;
    }
    const isTyping = isText(target);
    const widget = current.active?.widget;
    if (isTyping) {
      const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (event.key === "Escape" || isSend) {
        if (widget?.key?.(event)) return done(event);
        if (isSend) return done(event), send();
        done(event);
        current.active?.element.focus({ preventScroll: true });
      } else if (event.key === "Enter" && target.tagName === "INPUT") {
        done(event);
        send();
      } else if (event.key === "Tab") tab(event);
      return;
    }
    if (event.key === "Enter" && !event.altKey) {
      if (event.repeat) return done(event);
      if (target.closest?.("button:not([data-act=send], .question-head), a, summary, select")) return;
      if (!event.ctrlKey && !event.metaKey && widget?.key?.(event)) return done(event);
      return done(event), send();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab") return tab(event);
    if (LETTERS[event.key]) return done(event), ACTS[LETTERS[event.key]]();
    if (event.key === "s") return done(event), openReasons("skip");
    if (event.key === "x") return done(event), openReasons("flag");
    // The active question first; what it does not know goes to those answered before (another ← makes a comparison stronger).
    const others = [current.before, ...current.questions].filter((q) => q && q !== current.active);
    for (const q of [current.active, ...new Set(others)]) if (q?.widget.key?.(event)) return done(event);
    if (event.key === "l") return done(event), view.apart();
    if (event.key === "Escape" && current.isRevision) return done(event), cancelUndo();
  }

  function tab(event) {
    if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = document.activeElement;
    if (at !== document.body && !at.closest?.(".questions, .reading") && at !== document.getElementById("main")) return;
    if (current.step(current.active, 1)) done(event);
  }

  function onClick(event) {
    lastInput = performance.now();
    const act = event.target.closest?.("[data-act]");
    if (act && ACTS[act.dataset.act] && act.dataset.act !== "send" && !(event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      ACTS[act.dataset.act]();
      if (act.matches(".tool")) current?.active?.element.focus({ preventScroll: true }); // so that Enter sends
      return;
    }
    const open = document.querySelector(".reasons[open]");
    if (open && !open.contains(event.target)) open.open = false;
    const question = event.target.closest?.(".question");
    if (question && current?.questions) {
      const found = current.questions.find((q) => q.element === question);
      if (found && found !== current.active) current.activate(found);
    }
  }

  function onSubmit(event) {
    if (!current || event.target !== current.form) return;
    event.preventDefault();
    const reasons = event.submitter?.closest(".reasons");
    if (!reasons) return send();
    closeReasons();
    const reason = event.submitter.value;
    if (reasons.dataset.reasons === "skip") skip(reason);
    else if (!isPreview) flag(reason);
    current?.active?.element.focus({ preventScroll: true });
  }

  function onInput(event) {
    lastInput = performance.now();
    if (!current?.questions || event.target.form !== current.form) return;
    const name = event.target.name || "";
    const question = current.questions.find((q) => q.element.contains(event.target) || name.startsWith(`${q.key}-`));
    current.changed(question, event);
  }

  // --- Start ---------------------------------------------------------------------------------------------------------------------------

  let lastInput = performance.now();

  function rest() {
    const started = Number(sessionStorage.getItem("whetstone.since") || 0);
    const last = Number(sessionStorage.getItem("whetstone.last") || 0);
    const now = Date.now();
    if (!started || now - last > 5 * 60_000) sessionStorage.setItem("whetstone.since", now);
    if (performance.now() - lastInput < 60_000) sessionStorage.setItem("whetstone.last", now);
    const hint = document.getElementById("rest-hint");
    if (!hint) return;
    hint.hidden = !started || now - started < 50 * 60_000 || now - last > 5 * 60_000;
    hint.textContent = gettext("A good moment for a short rest. Everything waits for you.");
  }

  function start() {
    screenElement = document.getElementById("screen");
    if (!screenElement) return;
    const data = screenElement.dataset;
    isReview = data.mode === "review";
    isPreview = isReview || data.mode === "preview";
    isPractice = data.mode === "practice";
    place = `whetstone.${data.user}.${data.campaign}`;
    const form = screenElement.querySelector("form.item");
    if (!form) return;
    token = form.elements.namedItem("csrfmiddlewaretoken")?.value || "";
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", onClick);
    document.addEventListener("submit", onSubmit);
    document.addEventListener("input", onInput);
    document.addEventListener("change", onInput);
    for (const kind of ["pointermove", "wheel", "touchstart", "scroll"]) {
      document.addEventListener(kind, () => (lastInput = performance.now()), { passive: true, capture: true });
    }
    window.addEventListener("resize", () => current?.keepHeight());
    const first = new Screen(form);
    form.dataset.wasShown = "1";
    current = first;
    first.mount();
    if (first.restored) toast(gettext("Your draft is back."));
    const isElsewhere = isPreview && !document.body.classList.contains("labeling"); // one part of a page that begins at its top
    if (!isElsewhere && (!document.activeElement || document.activeElement === document.body)) first.active?.element.focus({ preventScroll: true });
    if (isPreview) return;
    forgetOldDrafts();
    setInterval(() => current?.tick(250), 250);
    setInterval(beat, Math.min(120, Math.max(10, Number(data.leaseS) / 3)) * 1000);
    setInterval(rest, 30_000);
    window.addEventListener("online", () => outbox.flush());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && outbox.waiting().length && outbox.flush());
    outbox.show();
    const isMineSent = outbox.waiting().some((e) => e.assignment === first.assignment && !first.isRevision);
    if (outbox.waiting().length) {
      outbox.flush().then(() => isMineSent && !outbox.waiting().length && location.reload());
    }
    if (!first.isRevision) fetchNext();
  }

  window.Whetstone = Object.freeze({
    widget: (type, factory) => factories.set(type, factory),
    words: (found) => (catalog = found),
    codepoints: Object.freeze(codepoints),
    gettext,
    differences,
  });
  document.addEventListener("DOMContentLoaded", start);
})();
