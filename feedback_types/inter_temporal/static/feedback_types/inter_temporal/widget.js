// Inter-temporal: segments of a response are labelled or compared one after the other, or a curve is drawn along it.
// The answer lives in the form fields alone; the text is painted by the browser's highlights and never touched.
Whetstone.widget("inter_temporal", (question) => {
  "use strict";

  const { gettext, settings } = question;
  const { codepoints } = Whetstone;
  const canPaint = Boolean(window.CSS && CSS.highlights && window.Highlight);
  const isTurn = settings.unit === "turn";
  const isLive = settings.reading === "curve" && settings.draw === "live" && canPaint;
  const parts = Array.from(question.body.querySelectorAll("fieldset.inter_temporal"), (element) => new Part(element));
  const find = (name, within = question.body) => within.querySelector(`.inter_temporal-${name}`);
  const isActive = () => question.element.dataset.state === "active";
  const form = question.body.closest("form");

  // One response: where its segments are on the screen.
  function Part(element) {
    const target = Number(element.dataset.target);
    const response = question.responses.find(({ id }) => id === target);
    const segments = element.dataset.segments.split(",").filter(Boolean).map(Number);
    const nothing = element.querySelector(".inter_temporal-nothing input");
    let spans = null;

    // UTF-16 places in the text as it is shown: a page shows a carriage return as a line feed.
    const shown = (text) => text.replace(/\r\n?/g, "\n");
    function places() {
      if (spans) return spans;
      let [done, at, from] = [0, 0, 0];
      spans = segments.map((end) => {
        const rest = response.text.slice(at);
        const cut = codepoints.toUtf16(rest, end - done);
        const start = from;
        [done, at, from] = [end, at + cut, from + shown(rest.slice(0, cut)).length];
        return [start, from];
      });
      return spans;
    }

    const node = () => response.rawElement.firstChild;
    const range = (start, end) => {
      const found = document.createRange();
      found.setStart(node(), Math.min(start, node().length));
      found.setEnd(node(), Math.min(end, node().length));
      return found;
    };
    // A mark ends with the words, not with the line break after them.
    const rangeOf = (n) => {
      const [start, end] = places()[n];
      const text = node().data.slice(start, end);
      return range(start + (text.length - text.trimStart().length), start + text.trimEnd().length);
    };
    const elementOf = (n) => form.querySelector(`.prompt [data-turn="${segments[n]}"]`) || response.element;
    return { element, target, response, segments, nothing, places, node, range, rangeOf, elementOf };
  }

  function reveal(part, n) {
    const reading = form.querySelector(".reading");
    if (isTurn) {
      const turn = part.elementOf(n);
      const folded = turn.closest("details");
      if (folded) folded.open = true;
      turn.scrollIntoView({ block: "nearest" });
      return;
    }
    if (!part.node()) return;
    const box = part.rangeOf(n).getBoundingClientRect();
    const view = reading.getBoundingClientRect();
    if (box.height && (box.top < view.top + 8 || box.bottom > view.bottom - 8)) reading.scrollBy(0, box.top - view.top - view.height / 3);
  }

  const NAMES = ["current", "bad", "okay", "good", "after", "first", "second"];

  // marks: [part, segment, name of NAMES] in any order.
  function paintMarks(marks) {
    if (isTurn) {
      form.querySelectorAll("[data-inter_temporal]").forEach((turn) => delete turn.dataset.inter_temporal);
      for (const [part, n, name] of marks) part.elementOf(n).dataset.inter_temporal = `${part.elementOf(n).dataset.inter_temporal || ""} ${name}`.trim();
    } else if (canPaint) {
      for (const name of NAMES) {
        const ranges = marks.filter((mark) => mark[2] === name && mark[0].node()).map(([part, n]) => part.rangeOf(n));
        CSS.highlights.set(`inter_temporal-${name}`, new Highlight(...ranges));
      }
    }
  }

  function segmentAt(part, event) {
    const place = document.caretPositionFromPoint?.(event.clientX, event.clientY);
    const range = place ? null : document.caretRangeFromPoint?.(event.clientX, event.clientY);
    const [node, offset] = place ? [place.offsetNode, place.offset] : range ? [range.startContainer, range.startOffset] : [null, 0];
    if (!node || node !== part.node()) return -1;
    const found = part.places().findIndex(([, end]) => offset < end);
    return found < 0 ? part.segments.length - 1 : found;
  }

  // Pressing a segment in the text makes it the current one.
  function listenToText(choose) {
    for (const part of parts) {
      if (isTurn) {
        part.segments.forEach((_, n) => part.elementOf(n).addEventListener("click", () => isActive() && choose(part, n)));
      } else {
        part.response.rawElement.addEventListener("click", (event) => {
          const n = isActive() && document.getSelection().isCollapsed ? segmentAt(part, event) : -1;
          if (n >= 0) choose(part, n);
        });
      }
    }
  }

  const nothingLeft = () => parts.every((part) => !part.nothing || part.nothing.checked);
  const tickNothing = () => {
    const open = parts.find((part) => part.nothing && !part.nothing.checked);
    if (open) open.nothing.click();
    return Boolean(open);
  };

  return settings.reading === "curve" ? curves() : rows();

  // --- Labels, and the order of moments -------------------------------------------------------------------------------

  function rows() {
    const isOrder = settings.reading === "order";
    const isStopping = !isOrder && settings.stop_at_error;
    const all = parts.flatMap((part) => Array.from(part.element.querySelectorAll("[data-row]"), (element, n) => ({
      part,
      element,
      about: element.dataset.pair ? element.dataset.pair.split(",").map(Number) : [n],
    })));
    const tools = question.body.querySelector(":scope > .inter_temporal-tools");
    const buttons = all.map((row, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = row.about.map((n) => n + 1).join("·");
      button.addEventListener("click", () => go(i));
      return button;
    });
    let current = 0;

    const valueOf = (row) => row.element.querySelector("input:checked")?.value || "";
    const wordOf = (row) => {
      const input = row.element.querySelector("input:checked");
      return input?.value ? input.closest("label").querySelector("span").textContent.trim() : "";
    };
    const errorOf = (part) => all.find((row) => isStopping && row.part === part && valueOf(row) === "-1");
    const isAfter = (row) => {
      const error = errorOf(row.part);
      return Boolean(error) && all.indexOf(row) > all.indexOf(error);
    };
    const isDone = (row) => valueOf(row) !== "" || isAfter(row);

    function go(to) {
      current = Math.max(0, Math.min(all.length - 1, to));
      show();
      return true;
    }

    function next() {
      const open = all.findIndex((row, i) => i > current && !isDone(row));
      const earlier = all.findIndex((row) => !isDone(row));
      go(open >= 0 ? open : earlier >= 0 ? earlier : current);
    }

    function show() {
      all.forEach((row, i) => row.element.classList.toggle("inter_temporal-current", i === current));
      for (const part of parts) part.element.hidden = all.length > 0 && all[current].part !== part && !(part.nothing && !part.nothing.checked);
      all.forEach((row, i) => {
        const state = isAfter(row) ? "after" : { "-1": "bad", 0: "okay", 1: "good", first: "done", equal: "done", second: "done", unsure: "done" }[valueOf(row)] || "open";
        buttons[i].dataset.state = state;
        buttons[i].hidden = row.part !== all[current].part;
        buttons[i].setAttribute("aria-current", i === current ? "step" : "false");
        buttons[i].setAttribute("aria-label", `${row.element.getAttribute("aria-label")}: ${wordOf(row) || gettext("not answered yet")}`);
      });
      buttons[current]?.scrollIntoView({ block: "nearest", inline: "nearest" });
      if (isActive()) paint();
    }

    function paint() {
      if (!all.length) return;
      const marks = [];
      if (isOrder) {
        marks.push(...all[current].about.map((n, i) => [all[current].part, n, i ? "second" : "first"]));
      } else {
        for (const row of all) {
          const name = isAfter(row) ? "after" : { "-1": "bad", 0: "okay", 1: "good" }[valueOf(row)];
          if (name) marks.push([row.part, row.about[0], name]);
        }
        marks.push([all[current].part, all[current].about[0], "current"]);
      }
      paintMarks(marks);
      reveal(all[current].part, all[current].about[0]);
    }

    const setRow = (row, value) => row.element.querySelectorAll("input").forEach((input) => { input.checked = value !== "" && input.value === value; });

    // What follows the first error is missing.
    function settle(row) {
      const error = errorOf(row.part);
      if (error) all.filter(isAfter).filter((other) => other.part === row.part).forEach((other) => setRow(other, ""));
      current = all.indexOf(row);
      next();
    }

    function choose(input) {
      if (!input) return false;
      const row = all[current];
      if (input.checked) next();
      else input.click(); // fires change: the row settles, then the page saves it
      question.announce(`${row.element.getAttribute("aria-label")}: ${wordOf(row)}`);
      return true;
    }

    function back() {
      if (!all.length) return false;
      if (!valueOf(all[current]) && current > 0) current -= 1;
      const isAnswered = valueOf(all[current]) !== "";
      setRow(all[current], "");
      show();
      if (isAnswered) question.changed();
      return true;
    }

    // No more errors: what is open in this response is right.
    function rest() {
      const open = all.filter((row) => row.part === all[current].part && !isDone(row));
      open.forEach((row) => setRow(row, "1"));
      next();
      question.changed();
      return true;
    }

    function stop() {
      const row = all[current];
      const before = all.slice(0, current).filter((other) => other.part === row.part && !isDone(other));
      if (!settings.neutral) before.forEach((other) => setRow(other, "1")); // the first error: none before it
      return choose(row.element.querySelector('[data-value="-1"] input'));
    }

    for (const row of all) row.element.addEventListener("change", () => settle(row));
    for (const part of parts) {
      part.element.classList.add("inter_temporal-scripted");
      part.nothing?.addEventListener("change", show);
    }
    if (all.length) {
      tools.hidden = false;
      find("map").append(...buttons);
      find("back").addEventListener("click", back);
      find("rest")?.addEventListener("click", rest);
      show();
    }

    return {
      key(event) {
        const { key } = event;
        if (key === "0" && tickNothing()) return true;
        if (!all.length) return false;
        if (key === "j") return go(current + 1);
        if (key === "k") return go(current - 1);
        if (key === "Backspace") return back();
        const inputs = all[current].element;
        if (isOrder) {
          const side = { ArrowLeft: "first", ArrowDown: "equal", ArrowRight: "second" }[key];
          return Boolean(side) && choose(inputs.querySelector(`.inter_temporal-moment-${side} input`));
        }
        if (key === "ArrowDown" || key === "ArrowRight") return go(current + 1);
        if (key === "ArrowUp" || key === "ArrowLeft") return go(current - 1);
        if (key === "e" && isStopping) return stop();
        if (key === "0" && !settings.neutral) return rest();
        return /^[1-4]$/.test(key) && choose(inputs.querySelector(`[data-key="${key}"] input`));
      },

      answered: () => all.every(isDone) && nothingLeft(),

      summary() {
        return parts.map((part) => {
          const said = all.filter((row) => row.part === part).map(wordOf).filter(Boolean);
          const counts = new Map();
          for (const word of said) counts.set(word, (counts.get(word) || 0) + 1);
          const words = Array.from(counts, ([word, n]) => (counts.size === 1 && n === 1 ? word : `${n} ${word}`)).join(", ");
          return parts.length > 1 && words ? `${part.response.label} ${words}` : words;
        }).filter(Boolean).join(" · ");
      },

      ready() {
        const open = all.findIndex((row) => !isDone(row)); // a draft came back
        if (open > 0) current = open;
        if (all.length) listenToText((part, n) => {
          const at = all.findIndex((row) => row.part === part && row.about.includes(n));
          if (at >= 0) go(at);
        });
        if (isActive()) show();
      },
      activate: show,
      deactivate: () => paintMarks([]),
    };
  }

  // --- Curves -----------------------------------------------------------------------------------------------------------

  function curves() {
    const pads = parts.filter((part) => !part.nothing).map((part) => new Pad(part));
    const current = () => pads.find((pad) => !pad.isDone()) || pads[pads.length - 1];

    function show() {
      for (const part of parts) {
        const pad = pads.find((each) => each.part === part);
        part.element.hidden = pad ? pad !== current() : part.nothing.checked && pads.length > 0;
      }
      for (const pad of pads) pad.show();
      for (const part of parts) part.response.element.classList.toggle("inter_temporal-shown", !isLive || !pads.some((pad) => pad.part === part && !pad.isDone()));
    }

    // The text keeps its place; what has not come out yet is transparent.
    function veil() {
      if (!isLive) return;
      const ranges = pads.filter((pad) => !pad.isDone() && pad.part.node()).map((pad) => pad.part.range(pad.shownUnits(), pad.part.node().length));
      CSS.highlights.set("inter_temporal-unread", new Highlight(...ranges));
    }

    function Pad(part) {
      const { element, target, segments } = part;
      const SVG = "http://www.w3.org/2000/svg";
      const [WIDTH, HEIGHT, GRID] = [1000, 100, 200];
      const [RISE_PER_MS, STEP, KEEP_EVERY_MS, TAIL_MS, LONGEST_FRAME_MS] = [0.0006, 0.05, 80, 1000, 250];
      const lagMs = Number(element.dataset.lagMs);
      const length = segments[segments.length - 1];
      const cps = settings.chars_per_s;
      const starts = [0, ...segments.slice(0, -1)];
      const isStepped = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      const box = find("pad", element);
      const hint = element.querySelector(".inter_temporal-tools .inter_temporal-hint");
      const edges = [...new Set([...starts, ...Array.from({ length: GRID }, (_, k) => Math.floor((k * length) / GRID))])].sort((a, b) => a - b);
      const keepEvery = Math.max(KEEP_EVERY_MS, (1000 * length) / cps / 4000);
      let drawn = edges.map(() => null); // after: [ms, value] from each edge on
      let points = []; // live: [offset, ms, value]
      let phase = "wait";
      let value = 0.5;
      let at = 0; // after: the current segment; live: the segment that is coming out
      let [held, last, elapsed, offset] = [0, 0, 0, 0];
      let began = 0;
      let stroke = null; // the bin where the pointer was

      const get = () => question.value("curve", target);
      const parse = () => get().split(";").map((point) => point.split(",").map(Number));
      const line = document.createElementNS(SVG, "path");
      const here = document.createElementNS(SVG, "rect");

      function mount() {
        element.classList.add("inter_temporal-scripted");
        find("typed", element).hidden = true;
        box.hidden = false;
        find("tools", element).hidden = false;
        const svg = document.createElementNS(SVG, "svg");
        svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
        svg.setAttribute("preserveAspectRatio", "none");
        svg.setAttribute("aria-hidden", "true");
        const rules = document.createElementNS(SVG, "path");
        rules.setAttribute("class", "inter_temporal-rules");
        rules.setAttribute("d", `M0 50H${WIDTH}${segments.slice(0, -1).map((end) => `M${x(end)} 0V${HEIGHT}`).join("")}`);
        here.setAttribute("class", "inter_temporal-here");
        here.setAttribute("y", "0");
        here.setAttribute("height", HEIGHT);
        line.setAttribute("class", "inter_temporal-line");
        svg.append(here, rules, line);
        box.prepend(svg);
        if (get()) restore();
        box.addEventListener("pointerdown", onPointer);
        box.addEventListener("pointermove", (event) => event.buttons && onPointer(event));
        box.addEventListener("pointerup", () => { stroke = null; });
        find("again", element).addEventListener("click", again);
        const start = find("start", element);
        if (start) start.addEventListener("click", begin);
      }

      const x = (place) => (WIDTH * place) / Math.max(1, length);
      const y = (height) => HEIGHT * (1 - height);

      function restore() {
        points = parse();
        phase = "done";
        if (isLive) return;
        let k = 0;
        drawn = edges.map((edge) => {
          while (k + 1 < points.length - 1 && points[k + 1][0] <= edge) k += 1;
          return [points[k][1], points[k][2]];
        });
        value = drawn[drawn.length - 1][1];
      }

      function show() {
        let path = "";
        if (isLive) {
          points.forEach(([place, , height], i) => { path += i ? `H${x(place)}V${y(height)}` : `M${x(place)} ${y(height)}`; });
          if (phase === "run") path += `H${x(offset)}V${y(value)}`;
        } else {
          drawn.forEach((bin, k) => {
            if (!bin) return;
            path += `${k && drawn[k - 1] ? `V${y(bin[1])}` : `M${x(edges[k])} ${y(bin[1])}`}H${x(k + 1 < edges.length ? edges[k + 1] : length)}`;
          });
        }
        line.setAttribute("d", path);
        here.setAttribute("x", x(starts[at]));
        here.setAttribute("width", Math.max(1, x(segments[at]) - x(starts[at])));
        box.dataset.phase = phase;
        box.setAttribute("aria-valuenow", Math.round(100 * value));
        const start = find("start", element);
        if (start) start.hidden = !isLive || phase !== "wait";
        find("again", element).toggleAttribute("data-idle", phase === "wait" && !drawn.some(Boolean));
        hint.textContent = isLive
          ? { wait: gettext("The response appears when you start; hold ↑ or ↓, or draw with the pointer."), run: gettext("Hold ↑ or ↓ while you read, or draw."), done: "" }[phase]
          : phase === "done" ? "" : gettext("Draw along the text, or press ↑ or ↓ for each segment and → for the next one.");
        if (isActive() && this_is_current()) paintMarks(isLive ? [] : [[part, at, "current"]]);
      }

      const this_is_current = () => current() === api;

      // Live

      function begin() {
        if (!isLive || phase !== "wait" || !this_is_current()) return false;
        [phase, points, value, elapsed, offset, last, at] = ["run", [[0, 0, 0.5]], 0.5, 0, 0, 0, 0];
        question.announce(gettext("The response appears."));
        requestAnimationFrame(step);
        document.addEventListener("keyup", release);
        window.addEventListener("blur", release);
        box.focus({ preventScroll: true });
        show();
        return true;
      }

      function release(event) {
        if (event.type === "blur" || event.key === "ArrowUp" || event.key === "ArrowDown") held = 0;
      }

      function step(now) {
        if (phase !== "run" || !box.isConnected) return;
        const isReading = !document.hidden && !document.querySelector("dialog[open]");
        const ms = isReading && last ? Math.min(now - last, LONGEST_FRAME_MS) : 0;
        last = isReading ? now : 0;
        elapsed += ms;
        if (held) value = Math.max(0, Math.min(1, value + held * RISE_PER_MS * ms));
        const before = offset;
        offset = Math.min(length, Math.floor((elapsed * cps) / 1000));
        const crossed = segments.some((end) => before < end && end <= offset);
        const [, keptMs, kept] = points[points.length - 1];
        if (crossed || (Math.abs(value - kept) >= 0.005 && elapsed - keptMs >= keepEvery)) keep();
        if (crossed && offset < length) {
          at = segments.findIndex((end) => offset < end);
          reveal(part, at);
        }
        veil();
        show();
        if (elapsed >= (1000 * length) / cps + lagMs + TAIL_MS) return finish();
        requestAnimationFrame(step);
      }

      const keep = () => points.push([offset, Math.round(elapsed), Number(value.toFixed(3))]);

      function finish() {
        keep();
        phase = "done";
        held = 0;
        document.removeEventListener("keyup", release);
        window.removeEventListener("blur", release);
        store("live", points);
        veil();
      }

      function store(how, found) {
        question.field("drawn", target).value = how;
        question.field("curve", target).value = found.map(([place, ms, height]) => `${place},${ms},${height}`).join(";");
        phase = "done";
        shows();
        question.changed();
      }

      // After

      function touch(from, to, heights) {
        began = began || performance.now();
        const ms = Math.round(performance.now() - began);
        for (let k = from; k <= to; k += 1) drawn[k] = [ms, Number(heights(k).toFixed(3))];
        value = drawn[to][1];
        if (drawn.every(Boolean)) {
          const found = drawn.flatMap(([when, height], k) => (k && drawn[k - 1][1] === height ? [] : [[edges[k], when, height]]));
          store("after", [...found, [length, drawn[drawn.length - 1][0], drawn[drawn.length - 1][1]]]);
        } else show();
      }

      const binAt = (place) => Math.max(0, edges.findLastIndex((edge) => edge <= place));
      const binsOf = (n) => [binAt(starts[n]), n + 1 < starts.length ? binAt(starts[n + 1]) - 1 : edges.length - 1];

      function walk(by) {
        const to = Math.max(0, Math.min(segments.length - 1, at + by));
        if (by > 0 && !drawn[binsOf(at)[0]]) lift(0);
        at = to;
        if (by > 0 && !drawn[binsOf(at)[0]]) return lift(0);
        value = drawn[binsOf(at)[0]]?.[1] ?? value;
        show();
        reveal(part, at);
        return true;
      }

      function lift(by) {
        const [from, to] = binsOf(at);
        const height = Math.max(0, Math.min(1, (drawn[to]?.[1] ?? value) + by));
        touch(from, to, () => height);
        reveal(part, at);
        return true;
      }

      function onPointer(event) {
        if (event.type === "pointerdown") {
          box.setPointerCapture(event.pointerId);
          event.preventDefault();
          if (!isActive()) question.element.click();
          box.focus({ preventScroll: true });
        }
        const frame = box.getBoundingClientRect();
        const height = Math.max(0, Math.min(1, 1 - (event.clientY - frame.top) / frame.height));
        if (isLive) {
          if (phase === "run") value = height;
          return;
        }
        const place = Math.max(0, Math.min(length - 1, Math.floor(((event.clientX - frame.left) / frame.width) * length)));
        const bin = binAt(place);
        const [from, level] = event.type === "pointerdown" || stroke === null ? [bin, height] : stroke;
        at = segments.findIndex((end) => place < end);
        stroke = [bin, height];
        const part_of = (k) => (bin === from ? height : level + ((height - level) * (k - from)) / (bin - from));
        touch(Math.min(from, bin), Math.max(from, bin), part_of);
      }

      function again() {
        if (phase === "wait" && !drawn.some(Boolean)) return false;
        const wasDone = Boolean(get());
        [phase, points, drawn, value, at, held, began, offset] = ["wait", [], edges.map(() => null), 0.5, 0, 0, 0, 0];
        question.field("curve", target).value = "";
        question.field("drawn", target).value = "";
        veil();
        shows();
        if (wasDone) question.changed();
        return true;
      }

      function key(event) {
        if (event.key === "Backspace") return again();
        if (event.key === " ") return begin();
        const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
        if (isLive) {
          if (by && phase === "run") held = by;
          return Boolean(by) && phase === "run";
        }
        if (by) return lift(by * STEP);
        if (event.key === "j" || event.key === "ArrowRight") return walk(1);
        if (event.key === "k" || event.key === "ArrowLeft") return walk(-1);
        return false;
      }

      function shownUnits() {
        if (phase === "done") return part.node().length;
        const whole = isStepped ? Math.max(0, ...segments.filter((end) => end <= offset)) : offset;
        if (whole >= length) return part.node().length;
        return part.response.text.slice(0, codepoints.toUtf16(part.response.text, whole)).replace(/\r\n?/g, "\n").length;
      }

      const api = { part, mount, show, key, shownUnits, isDone: () => Boolean(get()) };
      return api;
    }

    const shows = () => show();
    for (const pad of pads) pad.mount();
    for (const part of parts) part.nothing?.addEventListener("change", shows);
    show();

    return {
      key(event) {
        if (event.key === "0" && tickNothing()) return true;
        return pads.length > 0 && current().key(event);
      },
      answered: () => pads.every((pad) => pad.isDone()) && nothingLeft(),
      summary() {
        return pads.filter((pad) => pad.isDone()).map((pad) => (parts.length > 1 ? `${pad.part.response.label} ${gettext("drawn")}` : gettext("drawn"))).join(" · ");
      },
      ready() {
        veil();
        for (const part of parts) part.response.element.classList.add("inter_temporal-seen");
        shows();
      },
      activate: shows,
      deactivate: () => paintMarks([]),
    };
  }
});
