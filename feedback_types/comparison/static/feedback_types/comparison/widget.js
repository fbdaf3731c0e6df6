// Comparison: arrows for a pair (again for more), digits for the best of several and for a ranking.
Whetstone.widget("comparison", (question) => {
  "use strict";

  const SETTLE_MS = 700; // how long a second press of the same arrow still means "by more"
  const fieldset = question.body.querySelector(".comparison");
  const kind = fieldset.dataset.kind;
  const ids = question.responses.map((response) => response.id);
  const HOLD_MS = 400; // how long an arrow is held for each further degree
  let pressedAt = 0;
  let settling = 0; // timer id while a pair may still get stronger
  let tieNext = false; // in a ranking: the next number ties with the last

  const choices = () => Array.from(fieldset.querySelectorAll('input[type="radio"]'));
  const offers = (value) => choices().some((input) => input.value === String(value));
  const noneBox = () => fieldset.querySelector('input[type="checkbox"]');
  const words = (input) => input.closest("label").querySelector(".comparison-words").textContent.trim();

  function settle() {
    if (!settling) return false;
    window.clearTimeout(settling);
    settling = 0;
    return true;
  }

  // --- a pair ---------------------------------------------------------------------------------------------------
  function pick(value) {
    if (!offers(value)) return false;
    question.set("choice", String(value));
    const label = choices().find((input) => input.value === String(value));
    question.announce(words(label));
    return true;
  }

  function arrow(side, held) {
    if (held && Date.now() - pressedAt < HOLD_MS) return true;
    pressedAt = Date.now();
    const now = Number.parseInt(question.value("choice"), 10); // NaN for nothing and for "none"
    const degree = Math.sign(now) === side ? Math.abs(now) + 1 : 1;
    settle();
    if (offers(side * (degree + 1))) {
      settling = window.setTimeout(() => {
        settling = 0;
        question.changed();
      }, SETTLE_MS);
    }
    if (offers(side * degree)) pick(side * degree);
    else question.changed();
    return true;
  }

  // Any other key says that this answer is meant: let the next question have the key.
  function passOn(event) {
    if (!settle()) return false;
    question.changed();
    question.advance();
    if (event.key.length === 1) {
      event.preventDefault();
      (document.activeElement || document.body).dispatchEvent(
        new KeyboardEvent("keydown", { key: event.key, code: event.code, bubbles: true, cancelable: true }),
      );
      return true;
    }
    return false;
  }

  // --- a ranking ------------------------------------------------------------------------------------------------
  const placeOf = (id) => Number(question.value(`rank_${id}`)) || 0;
  const places = () => ids.map(placeOf);

  function place(id) {
    const taken = places();
    const last = Math.max(0, ...taken);
    if (placeOf(id)) return true; // already placed; ⌫ takes it back
    const box = noneBox();
    if (box && box.checked) question.set("none", false);
    const rank = tieNext && last ? last : last + 1;
    tieNext = false;
    question.set(`rank_${id}`, String(rank));
    question.announce(`${question.responses[ids.indexOf(id)].label}: ${rank}`);
    return true;
  }

  function takeBack() {
    const last = Math.max(0, ...places());
    const id = ids.filter((each) => placeOf(each) === last && last > 0).pop();
    tieNext = false;
    if (id === undefined) return false;
    fieldset.querySelectorAll(`input[name$="rank_${id}"]`).forEach((input) => { input.checked = false; });
    question.changed();
    return true;
  }

  function none() {
    if (kind !== "ranking") return pick("none");
    const box = noneBox();
    if (!box) return false;
    if (!box.checked) ids.forEach((id) => fieldset.querySelectorAll(`input[name$="rank_${id}"]`).forEach((input) => { input.checked = false; }));
    question.set("none", !box.checked);
    return true;
  }

  return {
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const key = event.key;
      if (kind === "pair") {
        if (key === "ArrowLeft") return arrow(1, event.repeat);
        if (key === "ArrowRight") return arrow(-1, event.repeat);
        if (key === "ArrowDown" && offers(0)) { settle(); return pick(0); }
        if (key === "b" && offers("none")) { settle(); return pick("none"); }
        return passOn(event);
      }
      if (key === "b") return none();
      if (/^[1-9]$/.test(key) && Number(key) <= ids.length) {
        const id = ids[Number(key) - 1];
        return kind === "best" ? pick(id) : place(id);
      }
      if (kind === "ranking" && key === "=" && question.settings.ties && Math.max(0, ...places())) { tieNext = true; return true; }
      if (kind === "ranking" && key === "Backspace") return takeBack();
      return false;
    },

    answered() {
      if (settling) return false;
      if (kind !== "ranking") return Boolean(question.value("choice"));
      const box = noneBox();
      return Boolean(box && box.checked) || places().every((rank) => rank > 0);
    },

    summary() {
      if (kind !== "ranking") {
        const chosen = choices().find((input) => input.checked);
        return chosen ? words(chosen) : "";
      }
      const box = noneBox();
      if (box && box.checked) return words(box);
      const groups = new Map();
      question.responses.forEach((response) => {
        const rank = placeOf(response.id);
        if (rank) groups.set(rank, [...(groups.get(rank) || []), response.label]);
      });
      return [...groups.keys()].sort((a, b) => a - b).map((rank) => groups.get(rank).join(" = ")).join(" > ");
    },

    deactivate() {
      if (settle()) question.changed();
    },
  };
});
