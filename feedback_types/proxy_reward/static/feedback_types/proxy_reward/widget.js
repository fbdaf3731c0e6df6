// Proxy reward: sliders, a rubric or a program, and at once the order that it makes of the responses.
// Sliders and rubrics are summed here, in whole numbers that the server computed; a program is asked from the server.
// Every setting whose order was on the screen is kept in `tried`, with its time.
Whetstone.widget("proxy_reward", (question) => {
  "use strict";

  const MOST_TRIED = 200;
  const PAUSE_MS = 700; // after the last letter of a program
  const { mode } = question.settings;
  const fieldset = question.body.querySelector(".proxy");
  const list = fieldset.querySelector(".proxy-order");
  const rows = Array.from(fieldset.querySelectorAll("[data-row]"));
  const ids = question.responses.map(({ id }) => id);
  const values = mode === "sliders" ? JSON.parse(fieldset.dataset.values) : {};
  const area = fieldset.querySelector("textarea");
  let row = 0;
  let column = 0; // of a rubric
  let startedAt = performance.now();
  let ranking = []; // of a program: what the server said last
  let problem = ""; // what is wrong with it, or why it could not be asked
  let isWrong = false;
  let shown = ""; // the program that this is about
  let asked = 0;
  let timer;

  const signed = (n) => (n > 0 ? `+${n}` : n < 0 ? `−${-n}` : "0");
  const slider = (i) => question.field(`w_${i}`);
  const weights = () => rows.map((_row, i) => (slider(i) ? Number(slider(i).value) : 1));
  const nameOf = (i) => rows[i].querySelector(".proxy-name").textContent.trim();
  const labelOf = (id) => question.responses.find((r) => r.id === id).label;
  const level = (i, id) => question.value(`j_${i}_${id}`);
  const isJudged = () => mode !== "rubric" || rows.every((_row, i) => ids.every((id) => level(i, id)));
  const source = () => area.value.replace(/\r\n?/g, "\n").split("\n").join(" ").trim();

  // --- What was seen -----------------------------------------------------------------------------------------------
  const tried = () => JSON.parse(question.value("tried") || "[]");

  function keep(stated) {
    const seen = tried();
    const last = seen[seen.length - 1];
    if (last && JSON.stringify(last[1]) === JSON.stringify(stated)) return;
    const entry = [Math.round(performance.now() - startedAt), stated];
    question.field("tried").value = JSON.stringify([...seen.slice(0, MOST_TRIED - 1), entry]);
  }

  // --- The order ---------------------------------------------------------------------------------------------------
  function scored() {
    if (mode === "program") return ranking.map(({ id, score }) => ({ id, score }));
    const now = weights();
    return ids.map((id) => {
      const parts = mode === "sliders" ? values[id] : rows.map((_row, i) => Number(level(i, id) || 0));
      return { id, score: now.reduce((sum, weight, i) => sum + weight * parts[i], 0) };
    });
  }

  function placed() {
    const found = scored();
    const best = [...new Set(found.map(({ score }) => score))].sort((a, b) => b - a);
    return found.map((each) => ({ ...each, place: best.indexOf(each.score) + 1 })).sort((a, b) => a.place - b.place);
  }

  const isSaid = () => (mode === "program" ? ranking.length > 0 : weights().some((weight) => weight !== 0));

  function show() {
    const order = placed();
    const widest = Math.max(...order.map(({ score }) => Math.abs(score)), 1e-9);
    const isTold = isSaid() && order.length > 0;
    for (const { id, score, place } of order) {
      const item = list.querySelector(`[data-response="${id}"]`);
      item.dataset.place = isTold ? place : "";
      item.querySelector(".proxy-place").textContent = isTold ? place : "–";
      const number = mode === "sliders" ? score / 1000 : score;
      item.querySelector(".proxy-score").textContent = isTold ? number.toFixed(mode === "rubric" ? 0 : 1).replace("-", "−") : "";
      const bar = item.querySelector(".proxy-bar > span");
      bar.style.setProperty("inline-size", `${isTold ? (50 * Math.abs(score)) / widest : 0}%`);
      bar.dataset.side = score < 0 ? "below" : "above";
      list.append(item);
      const head = question.responses.find((r) => r.id === id).element.querySelector(".response-label");
      if (isTold) head.dataset.proxyPlace = place;
      else delete head.dataset.proxyPlace;
    }
    rows.forEach((each, i) => {
      const output = each.querySelector("output");
      if (output) output.textContent = signed(Number(slider(i).value));
    });
  }

  const words = () => {
    const groups = new Map();
    for (const { id, place } of placed()) groups.set(place, [...(groups.get(place) || []), labelOf(id)]);
    return [...groups.keys()].sort((a, b) => a - b).map((place) => groups.get(place).sort().join(" = ")).join(" > ");
  };

  // --- Sliders and weights -----------------------------------------------------------------------------------------
  function light() {
    rows.forEach((each, i) => each.classList.toggle("proxy-current", i === row));
    fieldset.querySelectorAll(".proxy-cell").forEach((cell) => cell.classList.remove("proxy-here"));
    const here = rows[row]?.querySelector(`.proxy-cell[data-response="${ids[column]}"]`);
    if (here) here.classList.add("proxy-here");
    rows[row]?.scrollIntoView({ block: "nearest" });
  }

  function turn(by) {
    const input = slider(row);
    if (!input) return false;
    input.value = Number(input.value) + by; // the browser keeps it in its range
    input.dispatchEvent(new Event("input", { bubbles: true })); // not a change: the labeler is not done yet
    return true;
  }

  function weighed() {
    keep(weights());
    show();
    question.announce(`${nameOf(row)} ${signed(Number(slider(row).value))}: ${words()}`);
  }

  function step(by) {
    row = Math.min(rows.length - 1, Math.max(0, row + by));
    if (document.activeElement.type === "range") slider(row)?.focus();
    light();
    question.announce(mode === "sliders" ? `${nameOf(row)} ${signed(Number(slider(row).value))}` : nameOf(row));
    return true;
  }

  fieldset.addEventListener("input", (event) => {
    if (event.target.type !== "range") return;
    row = rows.indexOf(event.target.closest("[data-row]"));
    light();
    weighed();
  });
  // A slider that was let go is no finished answer: the page would move on to the next question.
  fieldset.addEventListener("change", (event) => {
    if (event.target.type === "range") event.stopPropagation();
    else if (event.target.type === "radio") judged(event.target);
  });
  fieldset.addEventListener("focusin", (event) => {
    const at = rows.indexOf(event.target.closest("[data-row]"));
    if (at < 0) return;
    row = at;
    const cell = event.target.closest(".proxy-cell");
    if (cell) column = ids.indexOf(Number(cell.dataset.response));
    light();
  });

  // --- A rubric ----------------------------------------------------------------------------------------------------
  function judged(input) {
    const cell = input.closest(".proxy-cell");
    row = rows.indexOf(cell.closest("[data-row]"));
    column = ids.indexOf(Number(cell.dataset.response));
    light();
    show();
  }

  function judge(value) {
    const name = `j_${row}_${ids[column]}`;
    const said = Array.from(question.field(name)).find((input) => input.value === value);
    if (!said) return false;
    const [r, c] = [row, column];
    question.announce(`${nameOf(r)}, ${labelOf(ids[c])}: ${said.closest("label").textContent.trim()}`);
    question.set(name, value);
    if (r < rows.length - 1) row = r + 1;
    else if (c < ids.length - 1) [row, column] = [0, c + 1];
    light();
    return true;
  }

  function across(by) {
    column = Math.min(ids.length - 1, Math.max(0, column + by));
    light();
    return true;
  }

  // --- A program ---------------------------------------------------------------------------------------------------
  async function ask() {
    clearTimeout(timer);
    const program = source();
    const number = (asked += 1);
    if (!program) {
      [ranking, problem, isWrong] = [[], "", false];
      return told();
    }
    const reply = await question.preview({ program });
    if (number !== asked) return undefined; // something newer was asked meanwhile
    ranking = reply.ok ? reply.data.ranking : [];
    problem = reply.ok ? reply.data.problem : reply.reason;
    isWrong = reply.ok && problem !== "";
    if (ranking.length) keep(program);
    shown = program;
    told();
    if (ranking.length) question.announce(words());
    return undefined;
  }

  function told() {
    fieldset.querySelector(".proxy-problem").textContent = problem;
    area.setAttribute("aria-invalid", String(isWrong));
    show();
  }

  if (area) {
    area.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE_MS);
    });
    fieldset.querySelector(".proxy-show").addEventListener("click", ask);
  }

  // --- What the page asks ------------------------------------------------------------------------------------------
  /* "This ranking looks right": on to the next open question; when there is none, the page sends. */
  function confirm() {
    if (!answered()) return false;
    question.changed();
    return question.element.dataset.state !== "active";
  }

  function answered() {
    if (mode === "program") return Boolean(source()) && !isWrong;
    return isSaid() && isJudged();
  }

  return {
    key(event) {
      const { key } = event;
      if (mode === "program") {
        if (key === "Enter" && (event.ctrlKey || event.metaKey)) {
          if (ranking.length && shown === source()) return false; // a second time sends
          ask();
          return true;
        }
        if (key !== "e") return key === "Enter" && confirm();
        area.focus();
        return true;
      }
      if (key === "Enter") return confirm();
      if (key === "ArrowUp") return step(-1);
      if (key === "ArrowDown") return step(1);
      if (mode === "sliders") return (key === "ArrowLeft" && turn(-1)) || (key === "ArrowRight" && turn(1));
      if (key === "ArrowLeft") return across(-1);
      if (key === "ArrowRight") return across(1);
      if (key === "+" || key === "=") return turn(1);
      if (key === "-") return turn(-1);
      if (question.settings.levels === 2) return (key === "y" && judge("1")) || (key === "n" && judge("0"));
      return /^[0-9]$/.test(key) && judge(key);
    },

    answered,

    summary() {
      if (mode === "program") return ranking.length ? words() : source();
      const said = weights().flatMap((weight, i) => (slider(i) && weight ? [`${nameOf(i)} ${signed(weight)}`] : []));
      return [said.join(", "), words()].filter(Boolean).join(": ");
    },

    ready() {
      const seen = tried();
      startedAt = performance.now() - (seen.length ? seen[seen.length - 1][0] || 0 : 0);
      if (mode !== "program") keep(weights());
      else if (source()) ask();
      light();
      show();
    },
  };
});
