// Demonstration: the form's own text area is moved to where responses stand; beside it the text as others will read it.
Whetstone.widget("demonstration", (question) => {
  "use strict";

  const PREVIEW_MS = 700; // after the last key
  const { gettext, settings } = question;
  const fieldset = question.body.querySelector(".demo");
  const find = (selector) => fieldset.querySelector(selector);
  const plain = (text) => text.replace(/\r\n?/g, "\n"); // as a text area holds it
  const [least, most] = [Number(fieldset.dataset.min), Number(fieldset.dataset.max)];
  const [desk, preview, rendered] = [find(".demo-desk"), find(".demo-preview"), find(".demo-rendered")];
  const prefix = find(".demo-prefix")?.textContent || "";
  const [write, finish, count] = [find("[data-act-write]"), find("[data-act-done]"), find(".demo-count")];
  const editor = question.field("text");
  const given = editor.defaultValue; // the draft, where one was given
  let isOpen = false;
  let focusedAt = 0;
  let timer = 0;
  let shown = null; // the text of the preview

  const draft = () => {
    const chosen = question.responses.find(({ id }) => id === Number(question.value("source")));
    return plain(chosen ? chosen.text : given);
  };
  const length = () => Whetstone.codepoints.length(editor.value.trim());
  const fits = () => length() >= least && Whetstone.codepoints.length(editor.value) <= most;
  const isDone = () => fits() && (settings.start === "scratch" || settings.start === "prefix" || plain(editor.value) !== draft());
  const add = (name, more) => {
    const field = question.field(name);
    field.value = Math.round(Number(field.value || 0) + more);
  };

  function open() {
    if (question.element.dataset.state !== "active") question.element.click();
    isOpen = true;
    show();
    editor.focus();
    editor.setSelectionRange(editor.value.length, editor.value.length);
    return true;
  }

  function done() {
    pause();
    isOpen = false;
    show();
    render();
    question.announce(isDone() ? gettext("The text is kept; Enter sends it.") : count.textContent);
    question.element.focus({ preventScroll: true });
    question.changed();
    return true;
  }

  function pause() {
    if (focusedAt) add("writing_ms", performance.now() - focusedAt);
    focusedAt = 0;
  }

  function show() {
    write.hidden = isOpen;
    finish.hidden = !isOpen;
    editor.style.height = "auto";
    editor.style.height = `${editor.scrollHeight + 4}px`;
    const n = length();
    count.classList.toggle("demo-short", editor.value !== "" && !fits());
    if (n < least && least > 1) count.textContent = gettext("%(n)s of at least %(least)s characters").replace("%(n)s", n).replace("%(least)s", least);
    else if (!fits() && n) count.textContent = gettext("%(n)s of at most %(most)s characters").replace("%(n)s", n).replace("%(most)s", most);
    else count.textContent = n ? gettext("%(n)s characters").replace("%(n)s", n) : "";
  }

  // What others will read, rendered where responses are rendered: on the server. Without an answer the plain text.
  async function render() {
    clearTimeout(timer);
    const text = editor.value;
    if (text === shown) return;
    shown = text;
    preview.hidden = text.trim() === "";
    if (preview.hidden) return;
    const reply = await question.preview({ text });
    if (editor.value !== text) return;
    rendered.classList.toggle("demo-plain", !reply.ok);
    if (reply.ok) rendered.innerHTML = reply.data.html; // cleaned like every text that is shown
    else rendered.textContent = prefix + text;
  }

  function start(number) {
    const response = question.responses[number - 1];
    if (!response) return false;
    const isOwn = editor.value.trim() !== "" && plain(editor.value) !== draft();
    if (isOwn) {
      question.announce(gettext("You have begun to write; empty the text to start from another response."));
      return open();
    }
    question.set("source", String(response.id));
    return open();
  }

  function fromDraft() {
    const chosen = question.responses.find(({ id }) => id === Number(question.value("source")));
    if (!chosen) return;
    editor.value = chosen.text;
    show();
    render();
  }

  // Before the page measures how high its strip of questions has to be.
  find(".demo-live").hidden = false;
  question.element.closest("form").querySelector(".answers").append(desk);

  write.addEventListener("click", open);
  finish.addEventListener("click", done);
  fieldset.addEventListener("change", (event) => {
    if (event.target.type === "radio") fromDraft();
  });
  editor.addEventListener("focus", () => {
    isOpen = true;
    focusedAt = performance.now();
    show();
  });
  editor.addEventListener("blur", () => {
    pause();
    isOpen = false;
    show();
    render();
  });
  editor.addEventListener("input", () => {
    show();
    clearTimeout(timer);
    timer = setTimeout(render, PREVIEW_MS);
  });
  // How many keys and how much was pasted, never what.
  editor.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || ["Shift", "Control", "Alt", "Meta", "CapsLock", "Tab", "Escape"].includes(event.key)) return;
    add("keystrokes", 1);
  });
  editor.addEventListener("paste", (event) => {
    add("paste_events", 1);
    add("paste_chars", Whetstone.codepoints.length(event.clipboardData?.getData("text/plain") || ""));
  });

  return {
    ready() {
      for (const name of ["keystrokes", "paste_events", "paste_chars", "writing_ms"]) add(name, 0);
      show();
      render();
    },
    key(event) {
      const isTyping = document.activeElement === editor;
      if (isTyping) return (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) && done();
      if (event.key === "e") return open();
      return settings.start === "choose" && /^[1-9]$/.test(event.key) && start(Number(event.key));
    },
    answered: isDone,
    summary: () => count.textContent,
    timing() {
      pause();
      if (document.activeElement === editor) focusedAt = performance.now();
    },
  };
});
