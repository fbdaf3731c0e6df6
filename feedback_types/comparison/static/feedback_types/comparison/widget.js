// Comparison: arrows for a pair (again, or held, for more), digits for the best of several and for a ranking.
// The page gives a second arrow to this question even when the next one is already active.
Whetstone.widget("comparison", (question) => {
  "use strict";

  const HOLD_MS = 400; // how long an arrow is held for each further degree
  const fieldset = question.body.querySelector(".comparison");
  const { kind } = fieldset.dataset;
  const ids = question.responses.map((response) => response.id);
  let pressedAt = 0;
  let tieNext = false; // in a ranking: the next number ties with the last

  const choices = () => Array.from(fieldset.querySelectorAll('input[type="radio"]'));
  const find = (value) => choices().find((input) => input.value === String(value));
  const words = (input) => input.closest("label").querySelector(".comparison-words").textContent.trim();
  const noneBox = () => fieldset.querySelector('input[type="checkbox"]');

  // --- a pair, or the best of several -----------------------------------------------------------------------------
  function pick(value) {
    const input = find(value);
    if (!input) return false;
    question.set("choice", String(value));
    question.announce(words(input));
    return true;
  }

  function arrow(side, isHeld) {
    if (isHeld && Date.now() - pressedAt < HOLD_MS) return true;
    pressedAt = Date.now();
    const now = Number.parseInt(question.value("choice"), 10); // NaN for nothing and for "none"
    const degree = Math.sign(now) === side ? Math.abs(now) + 1 : 1;
    return pick(side * degree) || pick(now);
  }

  // --- a ranking ------------------------------------------------------------------------------------------------
  const placeOf = (id) => Number(question.value(`rank_${id}`)) || 0;
  const last = () => Math.max(0, ...ids.map(placeOf));

  function clear(id) {
    const field = question.field(`rank_${id}`);
    (field instanceof RadioNodeList ? Array.from(field) : [field]).forEach((input) => { input.checked = false; });
  }

  function place(id) {
    if (placeOf(id)) return true; // already placed; ⌫ takes it back
    const rank = tieNext && last() ? last() : last() + 1;
    tieNext = false;
    if (noneBox()) noneBox().checked = false;
    question.set(`rank_${id}`, String(rank));
    question.announce(`${question.responses[ids.indexOf(id)].label}: ${rank}`);
    return true;
  }

  function takeBack() {
    const id = ids.filter((each) => placeOf(each) && placeOf(each) === last()).pop();
    if (id === undefined) return false;
    tieNext = false;
    clear(id);
    question.changed();
    return true;
  }

  function none() {
    if (kind !== "ranking") return pick("none");
    const box = noneBox();
    if (!box) return false;
    box.click();
    question.announce(box.checked ? words(box) : "");
    return true;
  }

  fieldset.addEventListener("change", (event) => {
    if (kind !== "ranking") return;
    if (event.target === noneBox() && event.target.checked) ids.forEach(clear);
    else if (event.target.type === "radio" && noneBox()) noneBox().checked = false;
  });

  return {
    key(event) {
      const { key } = event;
      if (key === "b") return none();
      if (kind === "pair") {
        if (key === "ArrowLeft") return arrow(1, event.repeat);
        if (key === "ArrowRight") return arrow(-1, event.repeat);
        return key === "ArrowDown" && pick(0);
      }
      if (/^[1-9]$/.test(key) && Number(key) <= ids.length) {
        const id = ids[Number(key) - 1];
        return kind === "best" ? pick(id) : place(id);
      }
      if (kind !== "ranking") return false;
      if (key === "=" && question.settings.ties && last()) {
        tieNext = true;
        return true;
      }
      return key === "Backspace" && takeBack();
    },

    answered() {
      if (kind !== "ranking") return Boolean(question.value("choice"));
      return Boolean(noneBox() && noneBox().checked) || ids.every(placeOf);
    },

    summary() {
      if (kind !== "ranking") {
        const chosen = choices().find((input) => input.checked);
        return chosen ? words(chosen) : "";
      }
      if (noneBox() && noneBox().checked) return words(noneBox());
      const groups = new Map();
      question.responses.forEach(({ id, label }) => groups.set(placeOf(id), [...(groups.get(placeOf(id)) || []), label]));
      return [...groups.keys()].sort((a, b) => a - b).map((rank) => groups.get(rank).join(" = ")).join(" > ");
    },
  };
});
