// A part of a page that asks for itself again keeps what was unfolded in it: details with the same data-keep stay as they were.
(() => {
  let states = new Map();
  document.addEventListener("htmx:beforeSwap", (event) => {
    states = new Map([...event.detail.target.querySelectorAll("details[data-keep]")].map((d) => [d.dataset.keep, d.open]));
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const details of document.querySelectorAll("details[data-keep]")) {
      if (states.has(details.dataset.keep)) details.open = states.get(details.dataset.keep);
    }
  });
})();
