// Improvement: edit a response where it stands, look at what changed, say whether it is better.
// With "take over" the live policy goes on from the caret (Alt+Enter) until it ends or Esc stops it, as often as wanted.
// The text lives in the form's own text area, which is hidden; the editor in the page only mirrors it.
Whetstone.widget("improvement", (question) => {
  "use strict";

  const MOST_REFUSED = 5;
  const MOST_TAKEOVERS = 50;
  const { gettext } = question;
  const plain = (text) => text.replace(/\r\n?/g, "\n"); // as a text area holds it
  const edits = Array.from(question.body.querySelectorAll(".improvement"), (fieldset) => new Edit(fieldset));

  // What was taken out and put in: [kind, text] pairs. The common beginning and end are set aside first, at a word's edge.
  function changes(before, after) {
    const isEdge = (text, i) => i <= 0 || i >= text.length || /\s/.test(text[i - 1]) || /\s/.test(text[i]);
    const most = Math.min(before.length, after.length);
    let head = 0;
    while (head < most && before[head] === after[head]) head++;
    while (!(isEdge(before, head) && isEdge(after, head))) head--;
    let tail = 0;
    while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
    while (tail > 0 && !(isEdge(before, before.length - tail) && isEdge(after, after.length - tail))) tail--;
    const [old, fresh] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
    const middle = Whetstone.differences(old, fresh) || [["del", old], ["ins", fresh]];
    return [["same", before.slice(0, head)], ...middle, ["same", before.slice(before.length - tail)]].filter(([, text]) => text);
  }

  function draw(box, before, after) {
    box.replaceChildren(...changes(before, after).map(([kind, text]) => {
      if (kind === "same") return document.createTextNode(text);
      return Object.assign(document.createElement(kind), { textContent: text });
    }));
  }

  function Edit(fieldset) {
    const target = Number(fieldset.dataset.target);
    const response = question.responses.find(({ id }) => id === target);
    const original = plain(response.text);
    const find = (selector) => fieldset.querySelector(selector);
    const get = (name) => question.value(name, target);
    const text = () => plain(get("edited_text"));
    const isChanged = () => text() !== original && text() !== "";
    const verdict = () => get("better");
    let editor = null;
    let diff = null;
    let focusedAt = 0;
    let waits = 0;
    let writing = null; // the stream that goes on from the edited beginning
    const canGoOn = Boolean(find("[data-act-go-on]")) && !question.whyNot;
    const takeovers = () => JSON.parse(get("takeovers") || "[]");

    function mount() {
      fieldset.classList.add("improvement-scripted");
      find(".improvement-plain").hidden = true;
      find(".improvement-live").hidden = false;
      find("[data-act-edit]").addEventListener("click", open);
      find("[data-act-done]").addEventListener("click", done);
      find("[data-act-revert]").addEventListener("click", revert);
      find("[data-act-go-on]")?.addEventListener("click", () => goOn());
      find("[data-act-another]")?.addEventListener("click", another);
      find("[data-act-halt]")?.addEventListener("click", halt);
      if (find("[data-act-go-on]") && question.whyNot) say(`${question.whyNot} ${gettext("Edit the text by hand.")}`);
      find(".improvement-cuts")?.addEventListener("change", (event) => cut(Number(event.target.value)));
      for (const radio of fieldset.querySelectorAll(".improvement-answer input")) radio.addEventListener("change", show);
    }

    function open() {
      const other = edits.find((each) => each !== api && each.isChanged());
      if (other) {
        question.announce(`${gettext("Only one response is improved. Take this one back first:")} ${other.label}`);
        other.point();
        return true;
      }
      if (editor) return editor.focus(), true;
      if (question.element.dataset.state !== "active") question.element.click();
      remember();
      close();
      editor = document.createElement("textarea");
      editor.className = "response-text improvement-own improvement-editor";
      editor.dir = "auto";
      editor.spellcheck = false;
      editor.setAttribute("aria-label", `${gettext("Text of the response")} ${response.label}`);
      editor.value = text() || original;
      diff = box();
      editor.addEventListener("input", write);
      editor.addEventListener("keydown", count);
      editor.addEventListener("focus", () => (focusedAt = performance.now()));
      editor.addEventListener("blur", pause);
      response.element.append(editor, diff);
      response.element.classList.add("improvement-open");
      grow();
      draw(diff, original, editor.value);
      show();
      editor.focus({ preventScroll: true });
      editor.setSelectionRange(0, 0);
      return true;
    }

    // Another response from nothing, in the place of this one.
    function another() {
      if (!editor) open();
      return goOn(true);
    }

    // The policy goes on from what stands before the caret, or from nothing; what came after it is let go.
    async function goOn(isAnother = false) {
      if (!editor || writing || !canGoOn) return false;
      const before = editor.value;
      const prefix = before.slice(0, isAnother ? 0 : editor.selectionStart);
      const told = takeovers();
      if (told.length >= MOST_TAKEOVERS) return true;
      const last = told[told.length - 1];
      const served = last ? plain(last.prefix + last.text) : original; // what stood there before the labeler touched it
      let heard = "";
      say("");
      editor.readOnly = true;
      const asked = { target, prefix, continues: last?.generation || "" };
      const hear = (text) => {
        heard += text;
        put(prefix.trimEnd() + heard);
      };
      const mine = isAnother ? question.regenerate(asked, hear) : question.generate(asked, hear);
      writing = mine;
      show();
      editor.focus({ preventScroll: true });
      const { state, text: came, prefix: begun, generation, reason } = await mine.done;
      if (writing !== mine) return true;
      writing = null;
      if (generation && (came || state !== "failed")) {
        const from = plain(begun);
        const entry = { before: served, at: firstChange(served, from), prefix: from, generation, text: came, outcome: state };
        question.field("takeovers", target).value = JSON.stringify([...told, entry]);
      } else {
        put(before);
      }
      if (state === "failed") say(`${reason} ${gettext("Your text is kept; go on by hand or try again.")}`);
      question.announce(state === "failed" ? reason : gettext("The policy has ended. Edit, go on, or finish."));
      if (editor) {
        editor.readOnly = false;
        editor.focus({ preventScroll: true });
        editor.setSelectionRange(editor.value.length, editor.value.length);
      }
      show();
      question.changed();
      return true;
    }

    function halt() {
      writing?.stop();
      return true;
    }

    function put(value) {
      if (!editor) return;
      editor.value = value;
      write();
      if (writing) diff.scrollIntoView({ block: "nearest" });
    }

    function say(words) {
      const line = find(".improvement-said");
      if (!line) return;
      line.textContent = words;
      line.hidden = !words;
    }

    function firstChange(before, after) {
      const [a, b] = [Array.from(before), Array.from(after)];
      const n = a.findIndex((c, i) => i >= b.length || c !== b[i]);
      return n < 0 ? Math.min(a.length, b.length) : n;
    }

    // A draft that got a "no" is told when the labeler goes on from it: the verdict on it was given.
    function remember() {
      const told = JSON.parse(get("refused") || "null") || [];
      if (isChanged() && verdict() === "no" && told.length < MOST_REFUSED && !told.includes(text())) {
        question.field("refused", target).value = JSON.stringify([...told, text()]);
      }
      clearVerdict();
    }

    function clearVerdict() {
      for (const radio of fieldset.querySelectorAll(".improvement-answer input")) radio.checked = false;
    }

    function box() {
      const made = document.createElement("div");
      made.className = "response-text improvement-own improvement-diff";
      made.dir = "auto";
      return made;
    }

    function write() {
      question.set("edited_text", editor.value, target);
      for (const radio of fieldset.querySelectorAll(".improvement-cut input")) radio.checked = false;
      grow();
      cancelAnimationFrame(waits);
      waits = requestAnimationFrame(() => diff && draw(diff, original, text()));
    }

    function grow() {
      editor.style.height = "auto";
      editor.style.height = `${editor.scrollHeight + 4}px`;
    }

    // How many keys, never which.
    function count(event) {
      if (event.key === "Enter" && event.altKey && canGoOn) {
        event.preventDefault();
        event.stopPropagation();
        return goOn();
      }
      if (event.code === "KeyR" && event.altKey && canGoOn) {
        event.preventDefault();
        event.stopPropagation();
        return another();
      }
      if (["Shift", "Control", "Alt", "Meta", "CapsLock", "Tab", "Escape"].includes(event.key)) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return; // done, not typed
      const field = question.field("keystrokes", target);
      field.value = Number(field.value || 0) + 1;
    }

    function pause() {
      const field = question.field("edit_ms", target);
      if (focusedAt) field.value = Math.round(Number(field.value || 0) + performance.now() - focusedAt);
      focusedAt = 0;
    }

    function close() {
      writing?.stop();
      writing = null;
      if (editor) pause();
      editor?.remove();
      diff?.remove();
      editor = diff = null;
      response.element.classList.remove("improvement-open");
    }

    // The editor goes, the differences stay in the place of the text.
    function done() {
      exhibit();
      if (isChanged()) question.announce(gettext("Is your version better than the original? y or n"));
      question.changed();
      question.element.focus({ preventScroll: true });
      return true;
    }

    function exhibit() {
      close();
      if (isChanged()) {
        diff = box();
        draw(diff, original, text());
        response.element.append(diff);
        response.element.classList.add("improvement-open");
      }
      show();
    }

    function revert() {
      close();
      clearVerdict();
      question.field("refused", target).value = "";
      if (question.field("takeovers", target)) question.field("takeovers", target).value = "";
      for (const radio of fieldset.querySelectorAll(".improvement-cut input")) radio.checked = false;
      question.set("edited_text", original, target);
      show();
      question.element.focus({ preventScroll: true });
    }

    function cut(number) {
      if (edits.some((each) => each !== api && each.isChanged())) return open();
      const ends = fieldset.dataset.ends.split(",").map((end) => Whetstone.codepoints.toUtf16(response.text, Number(end)));
      remember();
      question.set("edited_text", plain(response.text.slice(0, ends[number - 1] || 0) + response.text.slice(ends[number])), target);
      done();
    }

    function judge(answer) {
      if (editor || !isChanged()) return false;
      question.set("better", answer, target);
      return true;
    }

    function show() {
      const isOther = edits.some((each) => each !== api && (each.isChanged() || each.isOpen()));
      fieldset.hidden = isOther;
      find("[data-act-edit]").hidden = editor !== null;
      find("[data-act-done]").hidden = editor === null || writing !== null;
      if (canGoOn) {
        find("[data-act-go-on]").hidden = editor === null || writing !== null;
        find("[data-act-another]").hidden = writing !== null;
        find("[data-act-halt]").hidden = writing === null;
      }
      find("[data-act-revert]").hidden = editor === null && !isChanged();
      find(".improvement-verdict").toggleAttribute("data-later", editor !== null || !isChanged());
      for (const each of edits) if (each !== api) each.hide(isChanged() || editor !== null);
    }

    const api = {
      mount, open, done, halt, judge, show, isChanged, verdict,
      label: response.label,
      isOpen: () => editor !== null,
      isWriting: () => writing !== null,
      isDone: () => !editor && isChanged() && Boolean(verdict()),
      hide: (isHidden) => (fieldset.hidden = isHidden),
      point: () => fieldset.scrollIntoView({ block: "nearest" }),
      pause: () => editor && (pause(), (focusedAt = performance.now())),
      exhibit,
      summary() {
        if (!isChanged()) return "";
        const words = { yes: gettext("better"), no: gettext("not better") }[verdict()] || gettext("is it better?");
        return edits.length > 1 ? `${response.label}: ${gettext("edited")}, ${words}` : `${gettext("edited")}, ${words}`;
      },
    };
    return api;
  }

  for (const edit of edits) edit.mount();
  for (const edit of edits) edit.show();
  const inHand = () => edits.find((edit) => edit.isOpen()) || edits.find((edit) => edit.isChanged());

  return {
    ready() {
      for (const edit of edits) edit.exhibit();
    },

    key(event) {
      const edit = inHand();
      if (edit?.isOpen()) {
        if (edit.isWriting()) return event.key === "Escape" && edit.halt();
        if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) return edit.done();
        return false;
      }
      if (event.key === "e") return (edit || edits[0]).open();
      if (event.key === "y") return Boolean(edit) && edit.judge("yes");
      if (event.key === "n") return Boolean(edit) && edit.judge("no");
      if (!edit && edits.length > 1 && /^[1-9]$/.test(event.key)) return Boolean(edits[Number(event.key) - 1]?.open());
      return false;
    },

    answered: () => edits.some((edit) => edit.isDone()),

    summary: () => edits.map((edit) => edit.summary()).find(Boolean) || "",

    timing() {
      for (const edit of edits) edit.pause();
    },
  };
});
