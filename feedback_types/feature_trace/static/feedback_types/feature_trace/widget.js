// Feature trace: digits or dragging put the responses in order; a rewrite is written under the response it changes.
Whetstone.widget("feature_trace", (question) => {
  "use strict";

  const { gettext, settings } = question;
  const fieldset = question.body.querySelector(".trace");
  const find = (selector) => fieldset.querySelector(selector);
  const plain = (text) => text.replace(/\r\n?/g, "\n"); // as a text area holds it
  const part = settings.mode === "order" ? order() : rewrite();
  const ends = settings.levels ? levels() : { key: () => false, answered: () => true, summary: () => "" };

  // --- Order: the form's radio buttons hold it, the cards show it ---------------------------------------------------------

  function order() {
    const ids = question.responses.map(({ id }) => id);
    const [line, tray] = [find(".trace-line"), find(".trace-tray")];
    const cards = Array.from(tray.children);
    find(".trace-plain").hidden = true;
    find(".trace-live").hidden = false;
    let dragged = null;

    const placeOf = (id) => Number(question.value(`rank_${id}`)) || 0;
    const placed = () => ids.filter(placeOf).sort((a, b) => placeOf(a) - placeOf(b));
    const letter = (id) => question.responses[ids.indexOf(id)].label;
    const radios = (id) => Array.from(fieldset.querySelectorAll(`input[name="${question.name(`rank_${id}`)}"]`));

    function show() {
      const now = placed();
      line.replaceChildren(...now.map((id) => cards[ids.indexOf(id)]));
      tray.replaceChildren(...cards.filter((_card, i) => !placeOf(ids[i])));
      tray.hidden = now.length === ids.length;
      line.toggleAttribute("data-empty", now.length === 0);
    }

    // The order from the most on; the page goes on by itself when all have their place.
    function put(next) {
      for (const id of ids) for (const radio of radios(id)) radio.checked = Number(radio.value) === next.indexOf(id) + 1;
      show();
      question.changed();
    }

    function append(id) {
      if (!placeOf(id)) {
        const next = [...placed(), id];
        put(next);
        question.announce(`${letter(id)}: ${next.length}`);
      }
      return true;
    }

    function takeBack(id) {
      if (id === undefined) return false;
      put(placed().filter((each) => each !== id));
      return true;
    }

    // Dragging by pointer events: mouse, pen and finger alike.
    function drag(event) {
      const card = event.target.closest(".trace-card");
      if (!card || event.button) return;
      dragged = { card, id: ids[cards.indexOf(card)], x: event.clientX, y: event.clientY, isMoving: false };
    }

    function move(event) {
      if (!dragged) return;
      const { card } = dragged;
      if (!dragged.isMoving && Math.hypot(event.clientX - dragged.x, event.clientY - dragged.y) < 6) return;
      if (!dragged.isMoving) card.setPointerCapture?.(event.pointerId);
      dragged.isMoving = true;
      card.classList.add("trace-dragged");
      card.style.setProperty("--x", `${event.clientX - dragged.x}px`);
      card.style.setProperty("--y", `${event.clientY - dragged.y}px`);
      event.preventDefault();
    }

    function drop(event) {
      if (!dragged) return;
      const { card, id, isMoving } = dragged;
      dragged = null;
      card.classList.remove("trace-dragged");
      card.style.removeProperty("--x");
      card.style.removeProperty("--y");
      if (!isMoving) return;
      card.dataset.justDragged = "1"; // the click that follows is none
      setTimeout(() => delete card.dataset.justDragged);
      const others = placed().filter((each) => each !== id);
      const box = line.getBoundingClientRect();
      const isInside = event.clientY > box.top - 24 && event.clientY < box.bottom + 24;
      if (!isInside) return void (placeOf(id) && takeBack(id));
      const isColumn = getComputedStyle(line).flexDirection === "column";
      const before = others.filter((each) => {
        const { left, width, top, height } = cards[ids.indexOf(each)].getBoundingClientRect();
        return isColumn ? top + height / 2 < event.clientY : left + width / 2 < event.clientX;
      }).length;
      put([...others.slice(0, before), id, ...others.slice(before)]);
    }

    fieldset.addEventListener("pointerdown", drag);
    fieldset.addEventListener("pointermove", move);
    fieldset.addEventListener("pointerup", drop);
    fieldset.addEventListener("pointercancel", drop);
    cards.forEach((card, i) => card.addEventListener("click", () => {
      if (card.dataset.justDragged) return;
      if (placeOf(ids[i])) takeBack(ids[i]);
      else append(ids[i]);
      question.element.focus({ preventScroll: true });
    }));

    return {
      ready: show,
      key(event) {
        if (/^[1-9]$/.test(event.key) && Number(event.key) <= ids.length) return append(ids[Number(event.key) - 1]);
        return event.key === "Backspace" && takeBack(placed().pop());
      },
      answered: () => ids.every(placeOf),
      summary: () => placed().map(letter).join(" > "),
    };
  }

  // --- Rewrite: the form's own text area stands under the response -----------------------------------------------------------

  function rewrite() {
    const [response] = question.responses;
    const [box, editor] = [find(".trace-editor"), question.field("text")];
    const [edit, finish] = [find("[data-act-edit]"), find("[data-act-done]")];
    find(".trace-buttons").hidden = false;
    response.element.append(box); // before the page measures how high its strip of questions has to be
    let focusedAt = 0;
    let isOpen = false;

    const isChanged = () => plain(editor.value) !== plain(response.text) && editor.value.trim() !== "";
    const add = (name, more) => {
      const field = question.field(name);
      field.value = Math.round(Number(field.value || 0) + more);
    };

    function open() {
      isOpen = true;
      show();
      editor.focus();
      return true;
    }

    function done() {
      pause();
      isOpen = false;
      show();
      if (isChanged()) question.announce(gettext("Has your version more or less of it? m or l"));
      question.element.focus({ preventScroll: true });
      question.changed();
      return true;
    }

    function pause() {
      if (focusedAt) add("edit_ms", performance.now() - focusedAt);
      focusedAt = 0;
    }

    function show() {
      box.hidden = !isOpen && !isChanged();
      editor.readOnly = !isOpen;
      edit.hidden = isOpen;
      finish.hidden = !isOpen;
      find(".trace-verdict").toggleAttribute("data-later", isOpen || !isChanged());
      editor.style.height = "auto";
      editor.style.height = `${editor.scrollHeight + 4}px`;
    }

    function judge(value) {
      if (isOpen || !isChanged()) return false;
      question.set("has", value);
      return true;
    }

    editor.addEventListener("focus", () => (focusedAt = performance.now()));
    editor.addEventListener("blur", pause);
    editor.addEventListener("input", () => {
      for (const radio of fieldset.querySelectorAll(".trace-verdict input")) radio.checked = false;
      show();
    });
    // How many keys, never which.
    editor.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || ["Shift", "Control", "Alt", "Meta", "CapsLock", "Tab", "Escape"].includes(event.key)) return;
      add("keystrokes", 1);
    });
    edit.addEventListener("click", open);
    finish.addEventListener("click", done);

    return {
      ready: show,
      key(event) {
        if (isOpen) return (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) && done();
        if (event.key === "e") return open();
        return { m: () => judge("more"), l: () => judge("less") }[event.key]?.() || false;
      },
      answered: () => !isOpen && isChanged() && Boolean(question.value("has")),
      summary: () => find(".trace-verdict input:checked")?.closest("label").querySelector("span").textContent || "",
      timing: pause,
    };
  }

  // --- Levels at both ends ------------------------------------------------------------------------------------------------------

  function levels() {
    const KEYS = { ArrowUp: ["end_level", 1], ArrowDown: ["end_level", -1], ArrowRight: ["start_level", 1], ArrowLeft: ["start_level", -1] };
    const of = (name) => Math.round(Number(question.value(name)) * 10);
    const box = question.field("levels_said");

    function show() {
      for (const name of ["start_level", "end_level"]) {
        question.field(name).parentElement.querySelector("output").textContent = `${of(name) * 10} %`;
      }
    }

    function step([name, by]) {
      const next = Math.min(10, Math.max(0, of(name) + by));
      if (name === "end_level" ? next <= of("start_level") : next >= of("end_level")) return true;
      question.field(name).value = String(next / 10);
      box.checked = true;
      show();
      question.announce(`${next * 10} %`);
      question.changed();
      return true;
    }

    fieldset.addEventListener("input", (event) => {
      if (event.target.type !== "range") return;
      box.checked = of("start_level") < of("end_level");
      show();
    });

    return {
      ready: show,
      key(event) {
        if (KEYS[event.key] && part.answered()) return step(KEYS[event.key]);
        return event.key === "=" && (question.set("levels_said", true), true);
      },
      answered: () => box.checked && of("start_level") < of("end_level"),
      summary: () => ` (${of("start_level") * 10}–${of("end_level") * 10} %)`,
    };
  }

  return {
    ready() {
      part.ready();
      ends.ready?.();
    },
    key: (event) => part.key(event) || ends.key(event),
    answered: () => part.answered() && ends.answered(),
    summary: () => part.summary() + (part.answered() ? ends.summary() : ""),
    timing: () => part.timing?.(),
  };
});
