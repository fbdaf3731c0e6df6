// Similarity query: one digit, the place of the response on the screen.
Whetstone.widget("similarity_query", (question) => {
  "use strict";

  const options = Array.from(question.body.querySelectorAll(".similarity-option"));
  const chosen = () => options.find((option) => option.querySelector("input").checked);
  const words = (option) => option.querySelector("strong").textContent.trim();
  const mark = () => {
    for (const { element } of question.responses) element.removeAttribute("data-similarity");
    const value = Number(question.value("chosen"));
    const isOdd = question.settings.mode === "odd";
    for (const { id, element } of question.responses) if (id === value) element.dataset.similarity = isOdd ? "odd" : "like";
  };

  question.body.addEventListener("change", mark);

  return {
    key(event) {
      const option = /^[1-3]$/.test(event.key) && options.find((each) => each.querySelector("kbd").textContent === event.key);
      if (!option) return false;
      question.set("chosen", option.querySelector("input").value);
      question.announce(words(option));
      return true;
    },
    ready: mark,
    answered: () => Boolean(chosen()),
    summary: () => (chosen() ? words(chosen()) : ""),
  };
});
