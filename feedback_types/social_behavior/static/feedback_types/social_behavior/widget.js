// Social behaviour: reactions stand under each response, and what happens while it is read is summed up here.
// Nothing leaves the page before the answer is sent, and then only sums: no keys, no text, no paths of the mouse.
Whetstone.widget("social_behavior", (() => {
  "use strict";

  const TICK_MS = 250;
  const LONGEST_TICK_MS = 500; // a longer gap is a sleeping machine: nobody was reading
  const AWAY_MS = 60_000; // without a sign of life for so long, nobody is there
  const SEEN_MS = 500; // a sentence was seen from then on, and was away or is back after as long
  const MOST = 10_000;
  const SIGNS = { up: "+", heart: "*", laugh: ":", confused: "!", down: "-" };
  const LETTER = /[\p{L}\p{N}]/u;

  // One person, one browser: paused, dismissed and withdrawn hold for every item.
  let isWithdrawn = false;
  let isAsking = false;
  let askedAt = 0;
  let lastSign = performance.now();
  for (const kind of ["pointermove", "pointerdown", "wheel", "touchstart", "keydown", "scroll"]) {
    document.addEventListener(kind, () => (lastSign = performance.now()), { passive: true, capture: true });
  }
  const place = (name) => `whetstone.${document.getElementById("screen")?.dataset.user}.social_behavior.${name}`;
  const kept = {
    get: (name) => localStorage.getItem(place(name)) === "1",
    set: (name, isOn) => (isOn ? localStorage.setItem(place(name), "1") : localStorage.removeItem(place(name))),
  };

  /* Where the sentences of a text stand on the page: a Range for each, found by their letters, which markdown leaves in place. */
  function rangesOf(root, text, ends) {
    let stream = "";
    const places = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      let at = 0;
      for (const character of node.data) {
        if (LETTER.test(character)) {
          stream += character;
          for (let unit = 0; unit < character.length; unit++) places.push([node, at, at + character.length]);
        }
        at += character.length;
      }
    }
    const ranges = [];
    let rest = text;
    let from = 0;
    let start = 0;
    for (const end of ends) {
      const cut = Whetstone.codepoints.toUtf16(rest, end - start);
      const letters = [...rest.slice(0, cut)].filter((c) => LETTER.test(c)).join("");
      rest = rest.slice(cut);
      start = end;
      let at = letters ? stream.indexOf(letters.slice(0, 24), from) : -1;
      if (at > from + 2000) at = -1; // the same words far below are another sentence
      if (at < 0) {
        ranges.push(null);
        continue;
      }
      from = Math.min(stream.length, at + letters.length);
      const range = document.createRange();
      range.setStart(places[at][0], places[at][1]);
      range.setEnd(places[from - 1][0], places[from - 1][2]);
      ranges.push(range);
    }
    // A sentence without letters of its own on the page (a fence, a rule) is where the one before it is.
    for (let n = 1; n < ranges.length; n++) ranges[n] ||= ranges[n - 1];
    for (let n = ranges.length - 2; n >= 0; n--) ranges[n] ||= ranges[n + 1];
    return ranges;
  }

  return (question) => {
    const { gettext, settings } = question;
    const form = question.element.closest("form");
    const isPreview = document.getElementById("screen")?.dataset.mode === "preview";
    const find = (name) => question.body.querySelector(`.social-${name}`);
    const [bar, showButton] = [find("recorder"), find("show")];
    const [state, pauseButton] = [find("state"), find("pause")];
    const readers = Array.from(question.body.querySelectorAll(".social-row"), (row) => new Reader(row));
    // Sent once already (an answer that is being changed): what was measured then stays as it is.
    let isFrozen = readers.some((reader) => reader.get("recorder") !== "plain");
    let wasPaused = false;
    let isReady = false;
    let last = 0;
    let timer = 0;
    let lastConnected = performance.now();
    let current = readers[0];

    const isPaused = () => kept.get("paused");
    const isOn = () => isReady && !isFrozen && !isWithdrawn && !isPreview && !isPaused();
    const isReading = () =>
      isOn() && !isAsking && !document.hidden && question.element.isConnected && !document.querySelector("dialog[open]") && performance.now() - lastSign < AWAY_MS;

    function Reader(row) {
      const target = Number(row.dataset.target);
      const response = question.responses.find(({ id }) => id === target);
      const ends = row.dataset.ends.split(",").filter(Boolean).map(Number);
      const sentences = ends.map(() => ({ ms: 0, revisits: 0, stay: 0, away: 0, isIn: false, isBack: false }));
      const counters = {};
      let exposed = 0;
      let reactedAt = null;
      let isNear = false;
      let root = null;
      let ranges = [];

      const get = (name) => question.value(name, target);
      const put = (name, value) => { question.field(name, target).value = value; };
      if (response) response.element.append(row);
      row.querySelector(".social-dismiss").addEventListener("click", () => dismiss(true));
      let chosen = get("reaction");
      row.addEventListener("click", (event) => {
        const radio = event.target;
        if (radio.type !== "radio") return;
        if (radio.value && radio.value === chosen) react(""); // the same once more takes it back
        else settle(radio.value);
      });

      function settle(reaction) {
        chosen = reaction;
        reactedAt = reaction && isOn() ? Math.round(exposed) : null;
        current = api;
        mark();
      }
      function react(reaction) {
        question.set("reaction", reaction, target);
        settle(reaction);
        const label = reaction ? row.querySelector(`input[value="${reaction}"]`).closest("label").title : gettext("No reaction");
        question.announce(`${response?.label || ""} ${label}`.trim());
      }

      function observe() {
        if (!response) return;
        new IntersectionObserver((entries) => (isNear = entries[entries.length - 1].isIntersecting)).observe(response.element);
        response.element.addEventListener("whetstone:regenerate", () => api.count("regenerate"));
      }

      function look(ms) {
        if (!isNear || !settings.signals.includes("visible_time")) return;
        const shown = [response.renderedElement, response.rawElement].find((element) => !element.hidden);
        if (!shown) return; // the differences: another text
        if (shown !== root || (ranges[0] && !ranges[0].startContainer.isConnected)) {
          root = shown;
          ranges = rangesOf(root, response.text, ends);
        }
        const [frame, own] = [form.querySelector(".reading").getBoundingClientRect(), response.element.getBoundingClientRect()];
        const top = Math.max(0, frame.top, own.top);
        const bottom = Math.min(window.innerHeight, frame.bottom, own.bottom);
        let isAny = false;
        for (const [n, sentence] of sentences.entries()) {
          const box = ranges[n]?.getBoundingClientRect();
          const inside = box && box.height > 0 ? Math.min(box.bottom, bottom) - Math.max(box.top, top) : -1;
          const isIn = inside > 0 && inside >= Math.min(box.height, bottom - top) / 2;
          isAny ||= isIn;
          if (isIn) {
            if (!sentence.isIn) [sentence.isBack, sentence.stay] = [sentence.ms >= SEEN_MS && sentence.away >= SEEN_MS, 0];
            sentence.ms += ms;
            sentence.stay += ms;
            if (sentence.isBack && sentence.stay >= SEEN_MS) [sentence.isBack, sentence.revisits] = [false, Math.min(MOST, sentence.revisits + 1)];
          } else {
            sentence.away = sentence.isIn ? ms : sentence.away + ms;
          }
          sentence.isIn = isIn;
        }
        if (isAny) exposed += ms;
      }

      const api = {
        row, get, look, observe, react, response,
        get reaction() { return get("reaction"); },
        has: (node) => Boolean(node && response?.element.contains(node) && !row.contains(node)),
        count(name) {
          if (!isReading() || !settings.signals.includes(name)) return;
          counters[name] ||= { count: 0, at: Math.round(exposed) };
          counters[name].count = Math.min(MOST, counters[name].count + 1);
        },
        write() {
          const isTimed = settings.signals.includes("visible_time");
          put("recorder", wasPaused ? "paused" : "page");
          put("reaction_ms", get("reaction") && reactedAt !== null ? reactedAt : "");
          put("exposed_ms", isTimed ? Math.round(exposed) : "");
          put("visible_ms", isTimed ? sentences.map(({ ms }) => Math.round(ms)).join(",") : "");
          put("revisits", isTimed ? sentences.map(({ revisits }) => revisits).join(",") : "");
          put("events", Object.entries(counters).map(([name, { count, at }]) => `${name}:${count}:${at}`).join(","));
        },
        forget() {
          for (const name of ["reaction_ms", "exposed_ms", "visible_ms", "revisits", "events"]) put(name, "");
          put("recorder", "plain");
          question.set("reaction", "", target);
        },
      };
      return api;
    }

    function tick() {
      const now = performance.now();
      const ms = last ? Math.min(now - last, LONGEST_TICK_MS) : 0;
      last = 0;
      if (question.element.isConnected) lastConnected = now;
      else if (now - lastConnected > 600_000) return finish(); // skipped long ago
      if (isOn() && isPaused()) wasPaused = true;
      if (!isReading()) return;
      last = now;
      for (const reader of readers) reader.look(ms);
    }

    function finish() {
      clearInterval(timer);
      document.removeEventListener("copy", onCopy);
      document.removeEventListener("selectionchange", onSelect);
      document.removeEventListener("visibilitychange", onReturn);
      window.removeEventListener("focus", onReturn);
      window.removeEventListener("storage", show);
    }

    const selected = () => {
      const selection = document.getSelection();
      return selection && !selection.isCollapsed ? readers.find((reader) => reader.has(selection.anchorNode) || reader.has(selection.focusNode)) : undefined;
    };
    const onCopy = () => selected()?.count("copy");
    let selecting = 0;
    const onSelect = () => {
      clearTimeout(selecting);
      selecting = setTimeout(() => selected()?.count("select"), 400);
    };

    /* Back on this page: the person may have withdrawn meanwhile. The server knows; until it has said so, nothing is measured. */
    async function onReturn() {
      if (document.hidden || isFrozen || isWithdrawn || !question.element.isConnected || performance.now() - askedAt < 1000) return;
      askedAt = performance.now();
      isAsking = true;
      const reply = await question.preview({});
      isAsking = false;
      if (reply.ok || reply.isTemporary) return;
      isWithdrawn = true;
      for (const reader of readers) reader.forget();
      show();
    }

    /* Back to the question that is being answered, so that Enter sends. */
    const refocus = () => form.querySelector('.question[data-state="active"]')?.focus({ preventScroll: true });

    function dismiss(isGone) {
      kept.set("dismissed", isGone);
      show();
      refocus();
    }

    function mark() {
      const several = readers.length > 1;
      for (const reader of readers) reader.row.toggleAttribute("data-current", several && reader === current);
    }

    function show() {
      const isStill = isWithdrawn || isPaused();
      if (isReady && !isFrozen && isPaused()) wasPaused = true;
      bar.hidden = isFrozen;
      bar.dataset.state = isWithdrawn ? "withdrawn" : isStill ? "paused" : "on";
      state.textContent = isPreview
        ? gettext("This is a preview; nothing is recorded.")
        : isWithdrawn
          ? gettext("Recording has stopped: you have withdrawn your consent.")
          : isStill
            ? gettext("Recording is paused")
            : gettext("Recording how you read");
      pauseButton.textContent = isPaused() ? gettext("Go on") : gettext("Pause");
      pauseButton.hidden = isWithdrawn || isPreview;
      const isGone = kept.get("dismissed") || isWithdrawn;
      for (const { row } of readers) row.hidden = isGone;
      showButton.hidden = !isGone || isWithdrawn;
      mark();
    }

    pauseButton.addEventListener("click", () => {
      kept.set("paused", !isPaused());
      show();
      question.announce(state.textContent);
      refocus();
    });
    showButton.addEventListener("click", () => dismiss(false));
    form.querySelector(".answers").prepend(bar);
    show();

    return {
      key(event) {
        if (event.key === "." && readers.length > 1 && !readers[0].row.hidden) {
          current = readers[(readers.indexOf(current) + 1) % readers.length];
          mark();
          question.announce(`${gettext("Reactions are now for:")} ${current.response?.label}`);
          return true;
        }
        const name = settings.reactions.find((reaction) => SIGNS[reaction] === event.key);
        if (!name || !current || current.row.hidden) return false;
        current.react(current.reaction === name ? "" : name);
        return true;
      },
      answered: () => true,
      summary() {
        const chosen = readers.filter(({ reaction }) => reaction);
        const signs = chosen.map(({ row, response }) => `${readers.length > 1 ? `${response?.label} ` : ""}${row.querySelector("input:checked + .social-sign [aria-hidden]")?.textContent || ""}`);
        return signs.join(" · ") || gettext("nothing has to be answered here");
      },
      ready() {
        isReady = true;
        if (isFrozen || isPreview) return;
        for (const reader of readers) reader.observe();
        document.addEventListener("copy", onCopy);
        document.addEventListener("selectionchange", onSelect);
        document.addEventListener("visibilitychange", onReturn);
        window.addEventListener("focus", onReturn);
        window.addEventListener("storage", show);
        timer = setInterval(tick, TICK_MS);
        show();
      },
      timing() {
        if (isFrozen) return;
        if (isWithdrawn) for (const reader of readers) reader.forget();
        else if (isReady && !isPreview) for (const reader of readers) reader.write();
        isFrozen = true;
        finish();
      },
    };
  };
})());
