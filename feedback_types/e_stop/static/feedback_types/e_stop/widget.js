// E-stop: one response after another appears as a stream; Esc stops it, a digit says why.
// What is stored are places in the text: how far the clock had come (stop_char) and what was on the screen (rendered_char).
// With response "live" the policy writes while the text appears, and a stop ends it; where none answers the stored one is shown.
Whetstone.widget("e_stop", (question) => {
  "use strict";

  const KEEP_EVERY_MS = 5000;
  const LONGEST_FRAME_MS = 250; // a longer gap is a tab in the background or a sleeping machine: nobody was reading
  const { gettext } = question;
  const isStepped = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const cps = question.settings.chars_per_s;
  const runs = Array.from(question.body.querySelectorAll(".e_stop"), (fieldset) => new Run(fieldset));
  let isFollowing = true; // scroll along, until the labeler scrolls back to read again

  function Run(fieldset) {
    const target = Number(fieldset.dataset.target);
    const response = question.responses.find(({ id }) => id === target);
    const known = fieldset.dataset.ends.split(",").filter(Boolean).map(Number);
    const full = Whetstone.codepoints.length(response.text);
    const find = (name) => fieldset.querySelector(`.e_stop-${name}`);
    const get = (name) => question.value(name, target);
    const put = (name, value) => { question.field(name, target).value = value; };
    const written = JSON.parse(get("live") || "null") || { text: "", generations: [] }; // by the policy, so far
    let isLive = question.settings.response === "live" && (!question.whyNot || Boolean(written.text));
    let note = question.settings.response === "live" && !isLive ? `${question.whyNot} ${gettext("The stored response is shown.")}` : "";
    let writing = null; // the stream that runs
    let isWhole = Boolean(get("outcome")); // nothing more will be written
    let rest = isLive ? written.text : response.text; // what has not come out yet
    let shown = 0; // code points on the screen
    let elapsed = 0; // ms of reading, without the pauses
    let last = 0; // when the last frame was
    let frame = 0;
    let keptAt = -KEEP_EVERY_MS; // when the draft last said how far it was
    let isSeen = false;
    let stream = null;
    let words = null;
    let caret = null;
    let hint = null;
    let observer = null;

    const length = () => (isLive ? Whetstone.codepoints.length(written.text) : full);
    // Time stands still while the policy is slower than the reader.
    const clock = (now) => {
      const ms = elapsed + (last ? Math.min(now - last, LONGEST_FRAME_MS) : 0);
      return isLive && !isWhole ? Math.min(ms, Math.max(elapsed, (1000 * length()) / cps)) : ms;
    };
    const place = (ms) => Math.min(length(), Math.floor((ms * cps) / 1000));
    const ends = () => (isLive ? [...Array.from(written.text.matchAll(/[.!?。！？]+(?=\s|$)|[。！？]/g), (m) => Whetstone.codepoints.fromUtf16(written.text, m.index + m[0].length)), ...(isWhole ? [length()] : [])] : known);
    const isHindsight = get("mode") === "hindsight" && Boolean(get("stop_after"));
    const phase = () => {
      if (isHindsight) return "done";
      if (get("outcome") === "stopped") return get("reason") ? "done" : "why";
      if (get("outcome")) return "done";
      return ["run", "broken"].includes(stream?.dataset.phase) ? stream.dataset.phase : "wait";
    };

    function mount() {
      fieldset.classList.add("e_stop-scripted");
      if (isHindsight) return;
      find("hindsight").hidden = true;
      find("live").hidden = false;
      find("start").addEventListener("click", start);
      find("stop").addEventListener("click", stop);
      find("again").addEventListener("click", start);
      find("why").addEventListener("change", settle);
    }

    // The response's own text gives way to an empty box; sentences that came out before a reload are there again.
    function veil() {
      if (phase() === "done" && !written.text) return response.element.classList.add("e_stop-shown");
      stream = document.createElement("div");
      stream.className = "response-text e_stop-stream";
      stream.dir = "auto";
      stream.dataset.phase = "wait";
      if (isStepped) stream.setAttribute("aria-live", "polite");
      words = document.createTextNode("");
      caret = document.createElement("span");
      caret.className = "e_stop-caret";
      hint = document.createElement("span");
      hint.textContent = gettext("This one comes next.");
      stream.append(hint, words, caret);
      response.element.append(stream);
      observer = new IntersectionObserver((entries) => look(entries[entries.length - 1].isIntersecting));
      reveal(Number(get("rendered_char")) || 0);
      if (phase() === "done") return void (hint.hidden = true);
      elapsed = Math.max(Number(get("t_ms")) || 0, (1000 * shown) / cps);
      if (get("outcome") === "stopped") stream.dataset.phase = "why";
    }

    function start() {
      if (!["wait", "broken"].includes(phase()) || current() !== api) return false;
      stream.dataset.phase = "run";
      if (isLive) write();
      put("mode", "stream");
      put("stream_cps", cps);
      put("stepped", isStepped ? "true" : "");
      question.announce(`${response.label}: ${gettext("the response appears. Esc stops it.")}`);
      observer.observe(caret);
      show();
      return true;
    }

    // Asks the policy; after a stream that broke off, for the rest of what had come.
    async function write() {
      const begun = written.text;
      isWhole = false;
      note = "";
      let heard = "";
      writing = question.generate({ target, prefix: begun, continues: written.generations[written.generations.length - 1] || "" }, (text) => {
        heard += text;
        written.text = begun + heard;
        rest += text;
      });
      const mine = writing;
      const told = await mine.done;
      if (writing !== mine) return;
      writing = null;
      take(told);
      if (told.state === "finished") isWhole = true;
      else if (told.state === "failed" && phase() === "run") fail(told);
    }

    function take({ generation }) {
      if (generation && !written.generations.includes(generation)) written.generations.push(generation);
      if (written.generations.length) put("live", JSON.stringify(written));
    }

    function fail({ reason }) {
      if (written.text) {
        stream.dataset.phase = "broken";
        note = `${reason} ${gettext("What came is kept.")}`;
        reveal(length());
        elapsed = (1000 * length()) / cps;
        keep();
      } else {
        isLive = false; // nothing came: as if no policy were live
        put("live", "");
        rest = response.text;
        note = `${reason} ${gettext("The stored response is shown.")}`;
      }
      question.announce(note);
      show();
    }

    function look(seen) {
      isSeen = seen;
      if (seen && get("outcome") === "left") put("outcome", ""); // sent, not taken, and back on the screen: it goes on
      listen(caret.isConnected);
      if (seen) {
        isFollowing = true;
        if (phase() === "run" && !frame) {
          last = 0;
          frame = requestAnimationFrame(step);
        }
      } else if (isFollowing && caret.isConnected) {
        caret.scrollIntoView({ block: "nearest" });
      }
      show();
    }

    // Time stands still while the end of the text is out of sight, the tab is hidden, or a window lies over the page.
    function step(now) {
      frame = 0;
      if (phase() !== "run" || !caret.isConnected) return;
      if (isSeen && !document.hidden && !document.querySelector("dialog[open]")) {
        elapsed = clock(now);
        last = now;
        reveal(place(elapsed));
        if ((!isLive || isWhole) && elapsed >= (1000 * length()) / cps + Number(fieldset.dataset.graceMs)) return finish();
      } else {
        last = 0;
      }
      frame = requestAnimationFrame(step);
    }

    function reveal(upTo) {
      const goal = isStepped && upTo < length() ? Math.max(0, ...ends().filter((end) => end <= upTo)) : upTo;
      if (goal <= shown) return;
      const cut = Whetstone.codepoints.toUtf16(rest, goal - shown);
      words.appendData(rest.slice(0, cut));
      rest = rest.slice(cut);
      const isSentence = ends().some((end) => end > shown && end <= goal);
      shown = goal;
      if (isSentence && phase() === "run" && performance.now() - keptAt > KEEP_EVERY_MS) keep();
    }

    function keep() {
      put("rendered_char", shown);
      put("t_ms", Math.round(elapsed));
      if (isLive) take(writing?.told || {});
      keptAt = performance.now();
      question.changed();
    }

    function stop() {
      if (phase() !== "run") return false;
      const now = performance.now();
      elapsed = clock(now);
      put("stop_char", Math.max(shown, place(elapsed)));
      if (writing) {
        writing.stop();
        take(writing.told);
        writing = null;
      }
      put("outcome", "stopped");
      stream.dataset.phase = "why";
      observer.disconnect();
      keep();
      if (question.element.dataset.state !== "active") question.element.click();
      show();
      question.announce(gettext("Stopped. Why?"));
      return true;
    }

    function finish() {
      put("outcome", "finished");
      keep();
      done();
    }

    function settle() {
      if (get("outcome") === "stopped" && get("reason")) done();
    }

    function done() {
      observer?.disconnect();
      if (written.generations.length) {
        stream.dataset.phase = "done"; // the stored text is another one: what was written stays in its place
      } else {
        stream?.remove();
        response.element.classList.add("e_stop-shown");
      }
      begin();
      listen(caret !== null && question.element.isConnected);
      question.changed();
    }

    function because(digit) {
      const radios = Array.from(find("why").querySelectorAll("input")).filter((input) => input.value);
      if (get("outcome") !== "stopped" || !radios[digit - 1]) return false;
      radios[digit - 1].click();
      return true;
    }

    function leave() {
      if (phase() !== "run") return;
      writing?.stop();
      if (isLive) take(writing?.told || {});
      put("outcome", "left");
      put("rendered_char", shown);
      put("t_ms", Math.round(clock(performance.now())));
    }

    function show() {
      const now = phase();
      const isCurrent = current() === api;
      const isStopped = get("outcome") === "stopped";
      fieldset.hidden = !isHindsight && !isCurrent && !(current() === undefined && isStopped);
      if (isHindsight) return;
      find("live").toggleAttribute("data-later", isStopped || now === "done");
      find("start").hidden = now !== "wait";
      find("stop").hidden = now !== "run";
      find("again").hidden = now !== "broken";
      find("why").toggleAttribute("data-later", !isStopped);
      const letter = runs.length > 1 ? `${response.label} · ` : "";
      find("status").textContent = letter + {
        wait: gettext("Press the space bar when you are ready."),
        run: isSeen ? [note, gettext("Stop it as soon as it goes wrong.")].filter(Boolean).join(" ") : gettext("It waits until you scroll to its end."),
        broken: note,
        why: "",
        done: "",
      }[now];
      if (hint) hint.hidden = now !== "wait" || isCurrent;
    }

    function summary() {
      if (isHindsight) return gettext("marked");
      if (get("outcome") === "finished") return gettext("read to the end");
      if (get("outcome") !== "stopped") return "";
      const radio = Array.from(find("why").querySelectorAll("input")).find((input) => input.checked && input.value);
      const share = Math.round((100 * Number(get("rendered_char"))) / Math.max(1, length()));
      const where = isLive ? gettext("stopped while it was written") : `${gettext("stopped at")} ${share} %`;
      return `${where}${radio ? `: ${radio.closest("label").querySelector("span").textContent}` : ""}`;
    }

    const api = { mount, veil, start, stop, because, leave, show, phase, summary, label: response.label };
    return api;
  }

  const current = () => runs.find((run) => run.phase() !== "done");

  // The next response starts by itself, or waits for its key.
  function begin() {
    const run = current();
    for (const each of runs) each.show();
    if (run && question.settings.start === "self") run.start();
  }

  // Esc stops from everywhere, also while another question has the focus or a text is being written.
  function listen(isHere) {
    if (isHere && current()) document.addEventListener("keydown", onEscape, true);
    else document.removeEventListener("keydown", onEscape, true);
  }

  function onEscape(event) {
    const run = current();
    if (event.key !== "Escape" || !run || run.phase() !== "run" || document.querySelector("dialog[open], .reasons[open]")) return;
    event.preventDefault();
    event.stopPropagation();
    run.stop();
  }

  for (const run of runs) run.mount();
  for (const run of runs) run.show();

  return {
    ready() {
      for (const run of runs) run.veil();
      begin();
      const back = (event) => { if (event.deltaY === undefined || event.deltaY < 0) isFollowing = false; };
      const reading = question.responses[0].element.closest("form");
      reading.addEventListener("wheel", back, { passive: true });
      reading.addEventListener("touchmove", back, { passive: true });
    },

    key(event) {
      const run = current();
      if (event.key === "Escape") return Boolean(run) && run.stop();
      if (event.key === " ") return Boolean(run) && !event.target.closest?.("button, input, a, summary") && run.start();
      if (!/^[1-9]$/.test(event.key)) return false;
      // While nothing is asked any more, a digit changes the last reason, but only if this question is the one in front.
      const asked = run ? [run] : question.element.dataset.state === "active" ? [...runs].reverse() : [];
      return asked.some((each) => each.because(Number(event.key)));
    },

    answered: () => !current(),

    summary() {
      return runs.map((run) => (runs.length > 1 ? `${run.label} ${run.summary()}` : run.summary())).join(" · ");
    },

    timing() {
      for (const run of runs) run.leave();
    },
  };
});
