// Importance: go through sentences with j and k (or click them, or select words) and say 1 helped, 2 hurt, 3 clear.
// The answer lives in the form fields alone: marks are lines "start-end +" of a textarea, in code points.
Whetstone.widget("importance", (question) => {
  "use strict";

  const { gettext, settings } = question;
  const LINE = /^(?:p(\d+)\s+)?(\d+)-(\d+)\s+(\+{1,3}|-{1,3}|\*{1,3})$/;
  const SIGN = { "+": 1, "-": -1, "*": 0 };
  const LETTER = { 1: "+", "-1": "-", 0: "*" };
  const KINDS = { 1: "helped", "-1": "hurt", 0: "mattered" };
  const isPaired = settings.mode === "best_worst";
  const hasWeights = settings.weights && !isPaired;
  const BEST = gettext("best");
  const HELPED = gettext("helped");
  const WORDS = { 1: isPaired ? BEST : HELPED, "-1": isPaired ? gettext("worst") : gettext("hurt"), 0: gettext("mattered") };
  const template = question.body.querySelector("template.imp-mark-template");
  const answers = Array.from(question.body.querySelectorAll("fieldset.imp"), (fieldset) => new Answer(fieldset));
  let current = 0;
  let painted = []; // [highlight name, Range] of this question, so that others keep theirs

  const here = () => answers[current];

  // A text on the page: its exact characters, where they stand, and its sentences. A page shows every line end as one "\n".
  function Place(key, text, element, ends) {
    const { fromUtf16, toUtf16 } = Whetstone.codepoints;
    const shown = text.replace(/\r\n?/g, "\n");
    const toShown = (index) => index - (text.slice(0, index).match(/\r\n/g) || []).length;
    function toSource(index) {
      let source = index;
      for (let found = text.indexOf("\r\n"); found >= 0 && toShown(found + 2) <= index; found = text.indexOf("\r\n", found + 2)) source += 1;
      return source;
    }
    function point(index) { // a text may stand in several nodes
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      let node = walker.nextNode();
      let left = index;
      while (node && left > node.data.length) {
        left -= node.data.length;
        node = walker.nextNode();
      }
      return node ? [node, left] : [element, 0];
    }
    return {
      key,
      element,
      words: (start, end) => text.slice(toUtf16(text, start), toUtf16(text, end)),
      range(start, end) {
        const range = document.createRange();
        range.setStart(...point(toShown(toUtf16(text, start))));
        range.setEnd(...point(toShown(toUtf16(text, end))));
        return range;
      },
      offset(container, at) { // code point of a place in the document; null when it lies elsewhere
        if (!element.contains(container)) return null;
        const before = document.createRange();
        before.selectNodeContents(element);
        before.setEnd(container, at);
        return fromUtf16(text, toSource(Math.min(before.toString().length, shown.length)));
      },
      sentences: ends.map((end, n) => {
        const begin = ends[n - 1] || 0;
        const words = text.slice(toUtf16(text, begin), toUtf16(text, end));
        const start = begin + Whetstone.codepoints.length(words) - Whetstone.codepoints.length(words.trimStart());
        return { key, begin, end: start + Whetstone.codepoints.length(words.trim()), until: end, start };
      }),
    };
  }

  function Answer(fieldset) {
    const target = Number(fieldset.dataset.target);
    const response = question.responses.find(({ id }) => id === target);
    const ends = JSON.parse(fieldset.dataset.ends);
    const area = fieldset.querySelector(".imp-plain textarea");
    const done = fieldset.querySelector("[data-done] input");
    const pairs = Number(fieldset.dataset.pairs);
    const places = [
      ...Array.from(fieldset.querySelectorAll(".imp-prompt"), (box) => new Place(`p${box.dataset.turn}`, JSON.parse(box.dataset.source), box, ends[`p${box.dataset.turn}`])),
      ...(ends.r ? [new Place("r", response.text, response.rawElement, ends.r)] : []),
    ];
    const sentences = places.flatMap((place) => place.sentences);
    let at = -1; // the sentence that j and k stand on

    const placeOf = (key) => places.find((place) => place.key === key);
    const lines = () => area.value.split("\n").map((line) => line.trim()).filter(Boolean);

    function marks() {
      return lines().map((line) => LINE.exec(line)).filter(Boolean).map((m) => ({
        key: m[1] === undefined ? "r" : `p${m[1]}`, start: Number(m[2]), end: Number(m[3]), sign: SIGN[m[4][0]], weight: m[4].length,
      }));
    }

    function write(found) {
      const unread = lines().filter((line) => !LINE.test(line));
      const order = (mark) => [places.findIndex((place) => place.key === mark.key), mark.start];
      const sorted = [...found].sort((a, b) => order(a)[0] - order(b)[0] || a.start - b.start);
      area.value = [...sorted.map((m) => `${m.key === "r" ? "" : `${m.key} `}${m.start}-${m.end} ${LETTER[m.sign].repeat(m.weight)}`), ...unread].join("\n");
      show();
      area.dispatchEvent(new Event("change", { bubbles: true }));
      if (isPaired && isDone()) moveOn();
    }

    const meets = (place) => (mark) => mark.key === place.key && mark.start < place.end && place.start < mark.end;

    // The same mark again: more of it. Another sign: it changes sides. sign null clears.
    function put(place, sign) {
      const met = marks().filter(meets(place));
      const left = marks().filter((mark) => !meets(place)(mark));
      const same = met.find((mark) => mark.start === place.start && mark.end === place.end && mark.sign === sign);
      let weight = 1;
      if (sign === null) {
        question.announce(gettext("cleared"));
      } else {
        if (same && hasWeights) weight = (same.weight % 3) + 1;
        if (isPaired && left.filter((mark) => mark.sign === sign).length >= pairs) {
          question.announce(gettext("There are enough of these; clear one first."));
          return true;
        }
        left.push({ key: place.key, start: place.start, end: place.end, sign, weight });
        question.announce(hasWeights ? `${WORDS[sign]} ${weight}` : WORDS[sign]);
      }
      write(left);
      return true;
    }

    // What the next key is about: selected words, else the sentence that j and k stand on.
    function selected() {
      const selection = document.getSelection();
      if (selection && !selection.isCollapsed && selection.rangeCount) {
        const range = selection.getRangeAt(0);
        for (const place of places) {
          let start = place.offset(range.startContainer, range.startOffset);
          let end = place.offset(range.endContainer, range.endOffset);
          if (start === null || end === null) continue;
          const words = place.words(start, end);
          start += Whetstone.codepoints.length(words) - Whetstone.codepoints.length(words.trimStart()); // a double click takes the space along
          end = start + Whetstone.codepoints.length(words.trim());
          if (start >= end) continue;
          if (!isPaired) return { key: place.key, start, end };
          return place.sentences.find((sentence) => sentence.begin <= start && start < sentence.until);
        }
      }
      return sentences[at] || null;
    }

    function say(sign) {
      const place = selected();
      if (!place) {
        question.announce(gettext("Go to a sentence with j first, or select words."));
        return true;
      }
      put(place, sign);
      document.getSelection()?.removeAllRanges();
      return true;
    }

    function step(by) {
      const next = at + by;
      if (next < 0 || next >= sentences.length) return false;
      at = next;
      document.getSelection()?.removeAllRanges();
      const { key, start, end } = sentences[at];
      const place = placeOf(key);
      question.announce(place.words(start, end));
      paint();
      const box = place.range(start, end).getBoundingClientRect();
      const strip = question.element.closest(".strip")?.getBoundingClientRect().top ?? window.innerHeight;
      if (key === "r" && (box.top < 0 || box.bottom > strip)) window.scrollBy({ top: box.top - strip / 3 });
      return true;
    }

    // Once it helped, twice it hurt, a third time clears it.
    function click(event) {
      if (question.element.dataset.state !== "active" || !document.getSelection()?.isCollapsed) return;
      const caret = document.caretPositionFromPoint?.(event.clientX, event.clientY);
      const range = caret ? null : document.caretRangeFromPoint?.(event.clientX, event.clientY);
      const [node, index] = caret ? [caret.offsetNode, caret.offset] : range ? [range.startContainer, range.startOffset] : [null, 0];
      for (const place of node ? places : []) {
        const offset = place.offset(node, index);
        if (offset === null) continue;
        const number = sentences.findIndex((each) => each.key === place.key && each.begin <= offset && offset < each.until);
        if (number < 0) return;
        focus(api);
        at = number;
        const sentence = sentences[number];
        const now = marks().find(meets(sentence));
        const next = settings.signed ? { undefined: 1, 1: -1, "-1": null }[now?.sign] : now ? null : 0;
        put(sentence, next);
        return;
      }
    }

    function isDone() {
      if (!pairs) return Boolean(done?.checked);
      return [1, -1].every((sign) => marks().filter((mark) => mark.sign === sign).length === pairs);
    }

    function show() {
      const list = fieldset.querySelector(".imp-marks");
      const found = marks();
      list.replaceChildren(...found.map((mark) => {
        const item = template.content.firstElementChild.cloneNode(true);
        item.querySelector(".imp-sign").textContent = WORDS[mark.sign];
        item.querySelector(".imp-sign").classList.add(`imp-${KINDS[mark.sign]}`);
        item.querySelector("q").textContent = placeOf(mark.key)?.words(mark.start, mark.end) ?? "";
        const weight = item.querySelector(".imp-weight");
        weight.hidden = !hasWeights;
        weight.querySelectorAll("[data-weight]").forEach((word) => (word.hidden = Number(word.dataset.weight) !== mark.weight));
        weight.addEventListener("click", () => put(mark, mark.sign));
        item.querySelector(".imp-remove").addEventListener("click", () => put(mark, null));
        return item;
      }));
      list.hidden = found.length === 0;
      if (pairs) {
        const n = (sign) => found.filter((mark) => mark.sign === sign).length;
        fieldset.querySelector(".imp-count").textContent = `${WORDS[1]} ${n(1)}/${pairs} · ${WORDS["-1"]} ${n(-1)}/${pairs}`;
      }
      paint();
    }

    function ranges() {
      const found = marks().filter((mark) => placeOf(mark.key)).map((mark) => [`imp-${KINDS[mark.sign]}`, placeOf(mark.key).range(mark.start, mark.end)]);
      if (here() === api && sentences[at]) found.push(["imp-current", placeOf(sentences[at].key).range(sentences[at].start, sentences[at].end)]);
      return found;
    }

    function mount() {
      for (const element of fieldset.querySelectorAll(".imp-scripted")) element.hidden = false;
      fieldset.querySelector(".imp-plain").hidden = true;
      for (const button of fieldset.querySelectorAll("[data-sign], [data-clear]")) {
        button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
        button.addEventListener("click", () => {
          focus(api);
          say(button.dataset.sign === undefined ? null : Number(button.dataset.sign));
        });
      }
      for (const place of places) place.element.addEventListener("click", click);
      done?.addEventListener("change", () => done.checked && moveOn());
    }

    const api = { fieldset, mount, say, step, isDone, show, ranges, marks, label: response.label, finish: () => (done ? (done.click(), true) : false) };
    return api;
  }

  function focus(answer) {
    current = answers.indexOf(answer);
    answers.forEach((each, i) => each.fieldset.classList.toggle("imp-focus", answers.length > 1 && i === current));
    paint();
  }

  function moveOn() {
    const open = answers.findIndex((answer, i) => i > current && !answer.isDone());
    if (open >= 0) focus(answers[open]);
  }

  // Painted over the text without touching it: nothing moves and no offset changes.
  function paint() {
    if (!window.CSS?.highlights || !window.Highlight) return;
    const fresh = question.element.isConnected ? answers.flatMap((answer) => answer.ranges()) : [];
    for (const name of ["imp-helped", "imp-hurt", "imp-mattered", "imp-current"]) {
      const mine = new Set(painted.filter(([each]) => each === name).map(([, range]) => range));
      const kept = [...(CSS.highlights.get(name) || [])].filter((range) => !mine.has(range) && range.startContainer.isConnected);
      CSS.highlights.set(name, new Highlight(...kept, ...fresh.filter(([each]) => each === name).map(([, range]) => range)));
    }
    painted = fresh;
  }

  for (const answer of answers) answer.mount();
  question.body.querySelectorAll(".imp-scripted").forEach((element) => (element.hidden = false));

  return {
    ready() {
      for (const answer of answers) answer.show();
    },

    key(event) {
      const { key } = event;
      if (key === "j" || key === "k") {
        const by = key === "j" ? 1 : -1;
        if (here().step(by)) return true;
        const next = answers[current + by];
        if (next) {
          focus(next);
          next.step(by > 0 ? 1 : 0);
        }
        return true;
      }
      if (key === "1") return here().say(settings.signed ? 1 : 0);
      if (key === "2" && settings.signed) return here().say(-1);
      if (key === "3") return here().say(null);
      if (key === "0") return here().finish();
      return false;
    },

    answered: () => answers.every((answer) => answer.isDone()),

    summary() {
      return answers.map((answer) => {
        const n = (sign) => answer.marks().filter((mark) => mark.sign === sign).length;
        const said = (settings.signed ? [1, -1] : [0]).filter((sign) => n(sign)).map((sign) => `${WORDS[sign]} ${n(sign)}`);
        const name = answers.length > 1 ? `${answer.label}: ` : "";
        return answer.isDone() || said.length ? name + (said.join(", ") || gettext("nothing marked")) : "";
      }).filter(Boolean).join(" · ");
    },

    activate() {
      const open = answers.findIndex((answer) => !answer.isDone());
      focus(answers[open >= 0 ? open : current]);
    },
  };
});
