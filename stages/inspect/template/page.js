"use strict";
// Filters the pairs, toggles their outlines, and flickers between a pair's pictures. The page itself contains everything,
// so a reader without JavaScript sees all pairs with their outlines.
(() => {
  const PAUSE = 700; // milliseconds per picture; slow enough to be harmless
  const form = document.querySelector(".filters");
  const none = document.querySelector(".none");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  class Pair {
    constructor(root) {
      this.root = root;
      this.values = { ...root.dataset, attribute: JSON.parse(root.dataset.attribute) };
      const words = [root.querySelector("h3"), root.querySelector(".log")];
      this.text = fold(words.map((part) => part?.textContent ?? "").join(" "));
      this.pictures = root.querySelector(".pictures");
      this.button = root.querySelector('[data-do="flicker"]');
      this.timer = null;
      for (const sign of ["pointerdown", "focusin"]) root.addEventListener(sign, () => { latest = this; });
      this.button?.addEventListener("click", () => this.flicker());
      if (this.button) this.button.hidden = false;
    }

    has(name, wanted) {
      const value = this.values[name];
      return Array.isArray(value) ? value.includes(wanted) : value === wanted;
    }

    swap(to) {
      this.pictures.classList.toggle("swapped", to);
    }

    // Repeatedly, or once per press if the reader prefers reduced motion.
    flicker() {
      if (!this.button) return;
      if (still.matches) {
        this.swap();
      } else if (this.timer) {
        this.stop();
      } else {
        pairs.forEach((other) => other.stop());
        this.swap();
        this.timer = setInterval(() => this.swap(), PAUSE);
      }
      this.show();
    }

    stop() {
      clearInterval(this.timer);
      this.timer = null;
      this.swap(false);
      this.show();
    }

    show() {
      if (!this.button) return;
      const swapped = this.pictures.classList.contains("swapped");
      this.button.textContent = still.matches ? "Swap" : this.timer ? "Stop" : "Flicker";
      this.button.setAttribute("aria-pressed", String(still.matches ? swapped : this.timer !== null));
    }

    get inView() {
      const box = this.root.getBoundingClientRect();
      return !this.root.hidden && box.bottom > 0 && box.top < window.innerHeight;
    }
  }

  function fold(text) {
    return text.replace(/\s+/g, " ").trim().toLowerCase();
  }

  // A pair must match every word of the search, and every choice except "all". The values of choices begin with "=".
  function filter() {
    const given = new FormData(form);
    const words = fold(given.get("text")).split(" ");
    given.delete("text");
    const choices = [...given].filter(([, value]) => value).map(([name, value]) => [name, value.slice(1)]);
    let count = 0;
    for (const pair of pairs) {
      const fits = choices.every(([name, value]) => pair.has(name, value))
        && words.every((word) => pair.text.includes(word));
      if (!fits) pair.stop();
      pair.root.hidden = !fits;
      count += Number(fits);
    }
    none.hidden = count > 0;
    form.querySelector("output").textContent = `${count} of ${pairs.length} shown`;
  }

  function toggleOutlines() {
    const plain = document.body.classList.toggle("plain");
    form.querySelector('[data-do="outlines"]').setAttribute("aria-pressed", String(!plain));
  }

  let latest = null;
  const pairs = [...document.querySelectorAll(".pair")].map((root) => new Pair(root));
  const showAll = () => pairs.forEach((pair) => { pair.swap(false); pair.stop(); });
  still.addEventListener("change", showAll);
  showAll();
  form.hidden = false;
  document.querySelector(".hint").hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  form.querySelector('[data-do="outlines"]').addEventListener("click", toggleOutlines);
  none.querySelector("button").addEventListener("click", () => {
    form.reset();
    form.elements.text.focus();
  });
  filter();

  // "o" toggles outlines; "f" flickers the pair used last, or the first in view; Escape stops it.
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, select, textarea");
    if (elsewhere || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "o") toggleOutlines();
    if (event.key === "f") (latest?.inView ? latest : pairs.find((pair) => pair.inView && pair.button))?.flicker();
    if (event.key === "Escape") showAll();
  });
})();
