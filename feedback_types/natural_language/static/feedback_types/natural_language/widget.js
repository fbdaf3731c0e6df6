// Natural language: a verdict key, then the words, Ctrl+Enter; likely aspects are confirmed by their number, a revision by a or o.
// The answer lives in the form fields alone. Which aspects are likely is asked of the server, so that there is one rule.
Whetstone.widget("natural_language", (question) => {
  "use strict";

  const ASK_AFTER_MS = 600; // of a pause in writing
  const MOST_WRITTEN = 8;
  const { gettext } = question;
  const NOT_SAID = gettext("not said");
  const SHOWN = { "": NOT_SAID, "-1": gettext("bad"), 1: gettext("good") };
  const plain = (text) => text.replace(/\r\n?/g, "\n"); // as a text area holds it
  const comments = Array.from(question.body.querySelectorAll("fieldset.nl"), (fieldset) => new Comment(fieldset));
  let current = 0;
  let isToggling = false; // a choice that settles nothing: the page must not move on because of it

  const here = () => comments[current];

  function move(to) {
    current = Math.max(0, Math.min(comments.length - 1, to));
    comments.forEach((comment, i) => comment.fieldset.classList.toggle("nl-current", comments.length > 1 && i === current));
    if (question.element.dataset.state === "active") here().fieldset.scrollIntoView({ block: "nearest" });
  }

  function nextOpen() {
    const later = comments.findIndex((comment, i) => i > current && !comment.isDone());
    return later >= 0 ? later : comments.findIndex((comment) => !comment.isDone());
  }

  function toggling(act) {
    isToggling = true;
    act();
    setTimeout(() => (isToggling = false), 0);
  }

  // [kind, text] pairs; changes with nothing but space between them are one change.
  function changes(before, after) {
    const found = [];
    let [out, put, gap] = ["", "", ""];
    const flush = () => {
      for (const part of [["del", out], ["ins", put], ["same", gap]]) if (part[1]) found.push(part);
      [out, put, gap] = ["", "", ""];
    };
    for (const [kind, text] of Whetstone.differences(before, after) || [["del", before], ["ins", after]]) {
      if (kind === "same") {
        if ((out || put) && !gap && /^[^\S\n]+$/.test(text)) gap = text;
        else flush(), found.push(["same", text]);
        continue;
      }
      if (gap) [out, put, gap] = [out + gap, put + gap, ""];
      if (kind === "del") out += text;
      else put += text;
    }
    flush();
    return found;
  }

  function draw(box, before, after) {
    box.replaceChildren(...changes(before, after).map(([kind, text]) => (kind === "same" ? document.createTextNode(text) : Object.assign(document.createElement(kind), { textContent: text }))));
  }

  function Comment(fieldset) {
    const target = Number(fieldset.dataset.target);
    const response = question.responses.find(({ id }) => id === target);
    const all = (selector) => Array.from(fieldset.querySelectorAll(selector));
    const find = (selector) => fieldset.querySelector(selector);
    const get = (name) => question.value(name, target) || "";
    const area = question.field("text", target);
    const verdicts = all(".nl-verdict");
    const aspects = all(".nl-aspect");
    const revisions = all(".nl-revision");
    const turns = all(".nl-turn input");
    const asksSpan = Boolean(find(".nl-about"));
    const ends = (fieldset.dataset.ends || "").split(",").filter(Boolean).map(Number); // of sentences, in code points
    const canRevise = () => Boolean(find(".nl-live")) && !question.whyNot;
    let sentence = -1; // the one that j and k stand on
    let asked = ""; // what the server was asked about last
    let timer = 0;
    let proposal = null; // a revision of the live policy that waits for its judgement
    let isWaiting = false;
    let diff = null;

    // --- what it is about

    function about() {
      const [start, end] = [get("start"), get("end")];
      return start === "" || end === "" ? null : { start: Number(start), end: Number(end) };
    }

    function setAbout(place) {
      question.field("start", target).value = place ? place.start : "";
      question.set("end", place ? place.end : "", target);
      showAbout();
    }

    function showAbout() {
      if (!asksSpan) return;
      const place = about();
      const at = (offset) => Whetstone.codepoints.toUtf16(response.text, offset);
      find(".nl-marked").hidden = !place;
      find(".nl-hint").hidden = Boolean(place);
      find(".nl-marked q").textContent = place ? response.text.slice(at(place.start), at(place.end)) : "";
      if (!window.CSS?.highlights || !window.Highlight) return;
      const node = response.rawElement.firstChild;
      const others = [...(CSS.highlights.get("nl-marked") || [])].filter((range) => range.startContainer.isConnected && !response.rawElement.contains(range.startContainer));
      if (place && node?.nodeType === Node.TEXT_NODE && node.data === response.text) {
        const range = document.createRange();
        range.setStart(node, at(place.start));
        range.setEnd(node, at(place.end));
        others.push(range);
      }
      CSS.highlights.set("nl-marked", new Highlight(...others));
    }

    // Offsets count in the exact text; the page may show a carriage return as a line feed.
    function sourceIndex(shown, offset) {
      const { text } = response;
      if (shown === text) return offset;
      let t = 0;
      for (let p = 0; p < offset; p += 1) {
        while (t < text.length && text[t] !== shown[p] && !(text[t] === "\r" && text[t + 1] !== "\n" && shown[p] === "\n")) t += 1;
        t += 1;
      }
      return Math.min(t, text.length);
    }

    function select() {
      const selection = document.getSelection();
      if (!asksSpan || !selection || selection.isCollapsed || !selection.rangeCount) return false;
      const range = selection.getRangeAt(0);
      if (!response.rawElement.contains(range.startContainer) || !response.rawElement.contains(range.endContainer)) return false;
      const before = document.createRange();
      before.selectNodeContents(response.rawElement);
      before.setEnd(range.startContainer, range.startOffset);
      const shown = response.rawElement.textContent;
      let start = before.toString().length;
      let end = start + range.toString().length;
      while (start < end && /\s/.test(shown[start])) start += 1; // a double click takes the space along
      while (end > start && /\s/.test(shown[end - 1])) end -= 1;
      if (start === end) return false;
      const points = (offset) => Whetstone.codepoints.fromUtf16(response.text, sourceIndex(shown, offset));
      setAbout({ start: points(start), end: points(end) });
      return true;
    }

    function step(by) {
      if (asksSpan && ends.length) {
        sentence = Math.max(0, Math.min(ends.length - 1, sentence + by));
        const at = (offset) => Whetstone.codepoints.toUtf16(response.text, offset);
        const begin = ends[sentence - 1] || 0;
        const words = response.text.slice(at(begin), at(ends[sentence]));
        const length = Whetstone.codepoints.length;
        const from = begin + length(words) - length(words.trimStart());
        setAbout({ start: from, end: from + length(words.trim()) });
        question.announce(words.trim());
        return true;
      }
      if (!turns.length) return false;
      const at = turns.findIndex((input) => input.checked);
      const next = at < 0 ? (by > 0 ? 0 : turns.length - 1) : Math.max(0, Math.min(turns.length - 1, at + by));
      toggling(() => turns[next].click());
      question.announce(turns[next].closest("label").textContent.trim());
      return true;
    }

    // --- verdict and words

    function judge(key) {
      const label = verdicts.find((each) => each.dataset.key === key);
      if (!label) return false;
      label.querySelector("input").click();
      question.announce(label.querySelector("span").textContent);
      if (!area.value.trim()) write();
      return true;
    }

    function write() {
      if (question.element.dataset.state !== "active") question.element.click();
      area.focus();
      area.setSelectionRange(area.value.length, area.value.length);
      return true;
    }

    function finish() {
      clearTimeout(timer);
      question.element.focus({ preventScroll: true });
      if (!area.value.trim()) return true;
      suggest();
      reviseOnce();
      showRevision();
      const open = nextOpen();
      if (aspects.length || isWaiting || !isDone()) return true; // something is left to look at here
      if (open >= 0) move(open);
      question.changed();
      return true;
    }

    // --- aspects

    async function suggest() {
      const text = area.value;
      const said = JSON.stringify([text, get("verdict")]);
      if (!aspects.length || !text.trim() || said === asked) return;
      asked = said;
      const reply = await question.preview({ text, verdict: get("verdict") });
      if (!reply.ok || asked !== said) return;
      question.field("suggested", target).value = reply.data.suggested.map(({ name, polarity }) => `${name}:${polarity}`).join(";");
      question.changed();
      showSuggested();
    }

    const suggested = () => new Map(get("suggested").split(";").filter(Boolean).map((part) => [part.slice(0, part.lastIndexOf(":")), part.slice(part.lastIndexOf(":") + 1)]));

    function showSuggested() {
      const likely = suggested();
      for (const aspect of aspects) {
        for (const label of aspect.querySelectorAll(".nl-polarity")) {
          label.classList.toggle("nl-likely", likely.get(aspect.dataset.aspect) === label.dataset.polarity);
        }
      }
      const hint = find(".nl-suggestion");
      if (hint) hint.hidden = likely.size === 0;
    }

    // First as suggested (or as the verdict goes), then the other way, then not said.
    function confirm(number) {
      const aspect = aspects[number - 1];
      if (!aspect) return false;
      const first = suggested().get(aspect.dataset.aspect) || (get("verdict") === "1" ? "1" : "-1");
      const order = ["", first, first === "1" ? "-1" : "1"];
      const now = aspect.querySelector("input:checked")?.value || "";
      const next = order[(order.indexOf(now) + 1) % order.length];
      toggling(() => aspect.querySelector(`[data-polarity="${next}"] input`).click());
      question.announce(`${aspect.dataset.aspect}: ${SHOWN[next]}`);
      return true;
    }

    // --- revisions: those that came with the item one after the other, then those of the live policy

    const answerOf = (revision) => revision.querySelector("input:checked")?.value || "";
    const written = () => JSON.parse(get("written") || "[]");

    function waiting() {
      if (!area.value.trim()) return null;
      if (revisions.some((revision) => answerOf(revision) === "yes")) return null;
      return revisions.find((revision) => !answerOf(revision)) || null;
    }

    async function revise() {
      const instruction = area.value.trim();
      const line = find(".nl-waiting");
      if (!canRevise() || isWaiting || proposal || !instruction) return false;
      if (written().length >= MOST_WRITTEN) return false;
      isWaiting = true;
      line.textContent = gettext("The revision is being written…");
      line.hidden = false;
      find(".nl-again").hidden = true;
      try {
        const { text, generation } = await question.revise(target, instruction);
        const known = [response.text, ...written().map((each) => each.text)];
        if (!text?.trim() || known.includes(text)) line.textContent = gettext("The revision changed nothing. Write more, or go on.");
        else proposal = { text, generation: generation || null };
        line.hidden = Boolean(proposal);
        if (proposal) question.announce(gettext("A revision is there. Is it better? a or o"));
      } catch (error) {
        // The policy is another machine and says in a sentence what went wrong; the answer is whole without it.
        line.textContent = `${error.message} ${gettext("Your comment is kept; go on.")}`;
      }
      isWaiting = false;
      showRevision();
      return true;
    }

    function reviseOnce() {
      if (canRevise() && !written().length && !proposal) revise();
    }

    function answer(choice) {
      const open = waiting();
      if (open) {
        open.querySelector(`[data-answer="${choice}"] input`).click();
      } else if (proposal) {
        const told = [...written(), { ...proposal, accepted: choice === "yes" }];
        proposal = null;
        question.set("written", JSON.stringify(told), target);
      } else {
        return false;
      }
      question.announce(choice === "yes" ? gettext("better") : gettext("not better"));
      showRevision();
      if (isDone() && nextOpen() >= 0) move(nextOpen());
      return true;
    }

    function showRevision() {
      const open = waiting();
      for (const revision of revisions) revision.hidden = revision !== open && !answerOf(revision);
      const last = [...revisions].reverse().find(answerOf);
      const item = open || last;
      const told = written();
      const shown = proposal?.text ?? (item ? question.responses.find(({ id }) => id === Number(item.dataset.revised))?.text : told[told.length - 1]?.text);
      if (find(".nl-live")) {
        find(".nl-live").hidden = !proposal;
        find(".nl-again").hidden = !canRevise() || isWaiting || Boolean(proposal) || !area.value.trim() || told.some((each) => each.accepted) || told.length >= MOST_WRITTEN;
      }
      diff?.remove();
      diff = null;
      if (!shown || !area.value.trim() || document.activeElement === area) return;
      diff = document.createElement("div");
      diff.className = "nl-revised";
      const title = Object.assign(document.createElement("p"), { className: "nl-revised-title", textContent: gettext("What the revision changes") });
      const text = Object.assign(document.createElement("div"), { className: "response-text nl-diff", dir: "auto" });
      draw(text, plain(response.text), plain(shown));
      diff.append(title, text);
      response.element.append(diff);
    }

    // --- all together

    function isDone() {
      if (verdicts.length && !get("verdict")) return false;
      if (asksSpan && !about()) return false;
      if (turns.length && !turns.some((input) => input.checked)) return false;
      return Boolean(area.value.trim()) && !waiting() && !proposal;
    }

    function summary() {
      const verdict = verdicts.find((label) => label.querySelector("input").checked)?.querySelector("span").textContent;
      const words = area.value.trim().replace(/\s+/g, " ");
      const said = [verdict, words && `“${words.length > 40 ? `${words.slice(0, 39)}…` : words}”`];
      for (const aspect of aspects) {
        const value = aspect.querySelector("input:checked")?.value;
        if (value) said.push(`${value === "1" ? "+" : "−"}${aspect.dataset.aspect}`);
      }
      return said.filter(Boolean).join(" ");
    }

    function mount() {
      for (const element of all(".nl-scripted")) element.hidden = element.classList.contains("nl-live");
      const words = find(".nl-plain");
      if (words) words.hidden = true;
      if (find(".nl-live") && question.whyNot) {
        find(".nl-waiting").textContent = question.whyNot;
        find(".nl-waiting").hidden = false;
      }
      find(".nl-unmark")?.addEventListener("click", () => setAbout(null));
      if (asksSpan) response.rawElement.addEventListener("mouseup", () => question.element.dataset.state === "active" && select());
      for (const label of verdicts) label.querySelector("input").addEventListener("change", suggest);
      for (const aspect of aspects) {
        aspect.addEventListener("change", () => { isToggling = true; setTimeout(() => (isToggling = false), 0); }, true);
      }
      for (const input of turns) input.addEventListener("change", () => { isToggling = true; setTimeout(() => (isToggling = false), 0); }, true);
      area.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(suggest, ASK_AFTER_MS);
      });
      area.addEventListener("focus", () => { move(comments.indexOf(api)); diff?.remove(); });
      area.addEventListener("blur", showRevision);
      for (const revision of revisions) revision.addEventListener("change", showRevision);
      all("[data-live]").forEach((button) => button.addEventListener("click", () => answer(button.dataset.live)));
      find(".nl-again")?.addEventListener("click", revise);
      showAbout();
      showSuggested();
    }

    const api = { fieldset, mount, judge, write, finish, step, confirm, answer, revise, select, isDone, summary, showAbout, showRevision, label: response.label };
    return api;
  }

  for (const comment of comments) comment.mount();

  return {
    ready() {
      for (const comment of comments) {
        comment.showAbout();
        comment.showRevision();
      }
    },

    key(event) {
      const { key } = event;
      isToggling = false; // a quick hand is faster than the timer
      const isTyping = event.target?.tagName === "TEXTAREA";
      if (isTyping) return key === "Escape" || key === "Enter" ? here().finish() : false;
      if (key === "Enter") { // to the next response first; when none is open the page sends
        const open = nextOpen();
        if (!here().isDone() || open < 0) return false;
        move(open);
        return true;
      }
      if (key === "a") return here().answer("yes");
      if (key === "o") return here().answer("no");
      if (key === "c") return here().write();
      if (key === "w") return here().fieldset.querySelector(".nl-again:not([hidden])") ? (here().revise(), true) : false;
      if (key === "j" || key === "k") return here().step(key === "j" ? 1 : -1);
      if (key === "ArrowUp") return comments.length > 1 && (move(current - 1), true);
      if (/^[1-8]$/.test(key)) return here().confirm(Number(key));
      if (!/^[nmy]$/.test(key)) return false;
      const open = nextOpen();
      if (here().isDone() && open >= 0) move(open);
      here().select();
      return here().judge(key);
    },

    answered: () => !isToggling && comments.every((comment) => comment.isDone()),

    summary() {
      return comments.map((comment) => (comments.length > 1 ? `${comment.label}: ${comment.summary()}` : comment.summary())).filter(Boolean).join(" · ");
    },

    activate() {
      const open = comments.findIndex((comment) => !comment.isDone());
      move(open >= 0 ? open : current);
    },
  };
});
