// Critique: a digit grades the current scale and moves to the next one; letters give verdict, tags and marks.
// The answer lives in the form fields alone: marks are lines "start-end severity category" of a textarea, in code points.
Whetstone.widget("critique", (question) => {
  "use strict";

  const fieldsets = Array.from(question.body.querySelectorAll("fieldset.critique"));
  const rows = fieldsets.flatMap((fieldset) => Array.from(fieldset.querySelectorAll("[data-row]"), (row) => ({ fieldset, row })));
  const responses = fieldsets.map((fieldset) => question.responses.find((response) => String(response.id) === fieldset.dataset.target));
  const template = question.body.querySelector("template.critique-mark-template");
  const LINE = /^(\d+)-(\d+)\s+([123])\s+(.+)$/;
  let current = 0; // index in rows

  const checked = (row) => row.querySelector("input:checked");
  const isDone = (entry) => Boolean(checked(entry.row));
  const fieldsetNow = () => (rows.length ? rows[current].fieldset : fieldsets[activeMarking]);
  let activeMarking = 0; // which response, when there are no scales

  function show() {
    rows.forEach((entry, i) => entry.row.classList.toggle("critique-current", i === current));
    const isActive = question.element.dataset.state === "active";
    if (rows.length > 2 && isActive) rows[current].row.scrollIntoView({ block: "nearest" }); // a long form scrolls inside the strip
  }

  function move(to) {
    current = Math.max(0, Math.min(rows.length - 1, to));
    show();
    return true;
  }

  function next() {
    if (isDone(rows[current])) {
      const open = rows.findIndex((entry, i) => i > current && !isDone(entry));
      const earlier = rows.findIndex((entry) => !isDone(entry));
      if (open >= 0 || earlier >= 0) current = open >= 0 ? open : earlier;
    }
    show();
  }

  function announce(entry) {
    const input = checked(entry.row);
    if (input) question.announce(`${entry.row.getAttribute("aria-label")} ${input.closest("label").querySelector("span").textContent.trim()}`);
  }

  // The row that a digit or a verdict letter is for: the current one if it fits, else the nearest of the same response.
  function rowFor(selector) {
    const fits = (entry) => entry.row.querySelector(selector);
    if (!rows.length) return -1;
    if (fits(rows[current])) return current;
    const same = rows.map((entry, i) => i).filter((i) => rows[i].fieldset === rows[current].fieldset && fits(rows[i]));
    const open = same.find((i) => !isDone(rows[i]));
    return open === undefined ? (same.length ? same[0] : -1) : open;
  }

  function give(selector) {
    const at = rowFor(selector);
    if (at < 0) return false;
    current = at;
    const entry = rows[at];
    const input = entry.row.querySelector(selector);
    if (input.checked) next();
    else input.click(); // fires change: the page saves it, and the next row becomes current
    announce(entry);
    return true;
  }

  function toggle(label) {
    const input = label.querySelector("input");
    input.click();
    question.announce(`${label.querySelector("span").textContent.trim()}: ${input.checked ? question.gettext("yes") : question.gettext("no")}`);
    return true;
  }

  // --- marks ----------------------------------------------------------------------------------------------------
  const area = (i) => fieldsets[i].querySelector(".critique-plain textarea");

  // Offsets count in the exact text; the page may show a carriage return as a line feed.
  function sourceIndex(shown, text, offset) {
    if (shown === text) return offset;
    let t = 0;
    for (let p = 0; p < offset; p += 1) {
      while (t < text.length && text[t] !== shown[p] && !(text[t] === "\r" && text[t + 1] !== "\n" && shown[p] === "\n")) t += 1;
      t += 1;
    }
    return Math.min(t, text.length);
  }

  function readMarks(i) {
    return area(i).value.split("\n").map((line) => LINE.exec(line.trim())).filter(Boolean)
      .map((m) => ({ start: Number(m[1]), end: Number(m[2]), severity: Number(m[3]), category: m[4] }));
  }

  function writeMarks(i, marks) {
    const unread = area(i).value.split("\n").filter((line) => line.trim() && !LINE.test(line.trim()));
    area(i).value = [...marks.map((m) => `${m.start}-${m.end} ${m.severity} ${m.category}`), ...unread].join("\n");
    area(i).dispatchEvent(new Event("change", { bubbles: true }));
    render(i);
  }

  function selected() {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
    const range = selection.getRangeAt(0);
    const i = responses.findIndex((response) => response && response.rawElement.contains(range.startContainer) && response.rawElement.contains(range.endContainer));
    if (i < 0) return null;
    const { rawElement, text } = responses[i];
    const before = document.createRange();
    before.selectNodeContents(rawElement);
    before.setEnd(range.startContainer, range.startOffset);
    const shown = rawElement.textContent;
    let start = before.toString().length;
    let end = start + range.toString().length;
    while (start < end && /\s/.test(shown[start])) start += 1; // a double click takes the space along
    while (end > start && /\s/.test(shown[end - 1])) end -= 1;
    if (start === end) return null;
    const points = (offset) => Whetstone.codepoints.fromUtf16(text, sourceIndex(shown, text, offset));
    return { i, start: points(start), end: points(end) };
  }

  function mark(category) {
    const found = selected();
    if (!found) {
      question.announce(question.gettext("Select words in the response first."));
      return true;
    }
    const marks = readMarks(found.i);
    const same = marks.find((m) => m.category === category && m.start === found.start && m.end === found.end);
    let left = marks;
    let severity = 1;
    if (same) {
      severity = (same.severity % 3) + 1;
      same.severity = severity;
    } else {
      const meets = (m) => m.category === category && m.start < found.end && found.start < m.end;
      const met = marks.filter(meets);
      left = marks.filter((m) => !meets(m));
      left.push({
        start: Math.min(found.start, ...met.map((m) => m.start)),
        end: Math.max(found.end, ...met.map((m) => m.end)),
        severity: Math.max(1, ...met.map((m) => m.severity)),
        category,
      });
    }
    activeMarking = found.i;
    writeMarks(found.i, left);
    question.announce(`${category} ${severity}`);
    return true;
  }

  function render(i) {
    const list = fieldsets[i].querySelector(".critique-marks");
    const { text } = responses[i];
    const at = (offset) => Whetstone.codepoints.toUtf16(text, offset);
    const marks = readMarks(i);
    list.replaceChildren(...marks.map((m, index) => {
      const item = template.content.firstElementChild.cloneNode(true);
      item.querySelector("q").textContent = text.slice(at(m.start), at(m.end));
      item.querySelector(".critique-mark-category").textContent = m.category;
      const severity = item.querySelector(".critique-severity");
      severity.querySelectorAll("[data-severity]").forEach((word) => { word.hidden = Number(word.dataset.severity) !== m.severity; });
      severity.addEventListener("click", () => {
        marks[index].severity = (m.severity % 3) + 1;
        writeMarks(i, marks);
      });
      item.querySelector(".critique-remove").addEventListener("click", () => writeMarks(i, marks.filter((_, j) => j !== index)));
      return item;
    }));
    list.hidden = marks.length === 0;
    highlight();
  }

  // Highlights are painted over the text without touching it: nothing moves and no offset changes.
  function highlight() {
    if (!window.CSS || !CSS.highlights || !window.Highlight) return;
    const categories = Array.from(fieldsets[0].querySelectorAll("[data-category]"), (button) => button.dataset.category);
    categories.forEach((category, n) => {
      const ranges = [];
      fieldsets.forEach((_, i) => {
        const response = responses[i];
        if (!response || !response.rawElement.firstChild) return;
        const node = response.rawElement.firstChild;
        if (node.nodeType !== Node.TEXT_NODE || node.data !== response.text) return;
        readMarks(i).filter((m) => m.category === category).forEach((m) => {
          const range = document.createRange();
          range.setStart(node, Whetstone.codepoints.toUtf16(response.text, m.start));
          range.setEnd(node, Whetstone.codepoints.toUtf16(response.text, m.end));
          ranges.push(range);
        });
      });
      const name = `critique-${n + 1}`;
      const mine = new Set(ranges);
      const kept = CSS.highlights.has(name)
        ? [...CSS.highlights.get(name)].filter((range) => !responses.some((r) => r && r.rawElement.contains(range.startContainer)))
        : [];
      CSS.highlights.set(name, new Highlight(...kept, ...mine));
    });
  }

  question.body.querySelectorAll(".critique-scripted").forEach((element) => { element.hidden = false; });
  fieldsets.forEach((fieldset, i) => {
    if (!area(i)) return;
    fieldset.querySelector(".critique-plain").hidden = true;
    fieldset.querySelectorAll(".critique-category").forEach((element) => { element.hidden = false; });
    fieldset.querySelectorAll("[data-category]").forEach((button) => {
      button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
      button.addEventListener("click", () => mark(button.dataset.category));
    });
    render(i);
  });
  rows.forEach((entry, i) => entry.row.addEventListener("change", () => { current = i; next(); }));
  show();

  return {
    key(event) {
      const { key } = event;
      if (/^\d$/.test(key)) {
        const done = key === "0" && fieldsets[activeMarking].querySelector("[data-done]");
        if (done) {
          toggle(done);
          if (done.querySelector("input").checked) activeMarking = Math.min(fieldsets.length - 1, activeMarking + 1);
          return true;
        }
        return give(`[data-key="${key}"] input`);
      }
      if (key === "ArrowUp") return rows.length > 1 && move(current - 1);
      if (!/^[a-z]$/.test(key)) return false;
      const now = fieldsetNow();
      const category = now.querySelector(`[data-category-key="${key}"]`);
      if (category) return mark(category.dataset.category);
      const tag = now.querySelector(`[data-tag-key="${key}"]`);
      if (tag) return toggle(tag);
      const verdict = Array.from(now.querySelectorAll(".critique-verdict kbd")).findIndex((kbd) => kbd.textContent === key);
      if (verdict < 0) return false;
      return give(`.critique-verdict:nth-of-type(${verdict + 1}) input`);
    },

    answered() {
      const boxes = Array.from(question.body.querySelectorAll("[data-done] input"));
      return rows.every(isDone) && boxes.every((box) => box.checked);
    },

    summary() {
      return fieldsets.map((fieldset, i) => {
        const said = Array.from(fieldset.querySelectorAll("[data-row]"), (row) => checked(row)).filter(Boolean)
          .map((input) => input.closest("label").querySelector("span").textContent.trim());
        Array.from(fieldset.querySelectorAll("[data-tag-key] input:checked")).forEach((input) => said.push(input.closest("label").querySelector("span").textContent.trim()));
        if (area(i)) said.push(`${readMarks(i).length} ✎`);
        const name = fieldsets.length > 1 && responses[i] ? `${responses[i].label} ` : "";
        return said.length ? name + said.join(", ") : "";
      }).filter(Boolean).join(" · ");
    },

    activate() {
      const open = rows.findIndex((entry) => !isDone(entry));
      if (open >= 0) move(open);
      if (fieldsets.some((_, i) => area(i))) highlight();
    },
  };
});
