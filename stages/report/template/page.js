"use strict";
// Replays games turn by turn. The page itself contains everything, so a reader without JavaScript sees whole games. Turns
// are the elements with data-turn, in document order.
(() => {
  const PAUSE = 1300; // milliseconds per turn while playing

  class Replay {
    constructor(root) {
      this.root = root;
      this.turns = [...root.querySelectorAll("[data-turn]")];
      this.at = 0; // turns shown
      this.timer = null;
      this.button = (name) => root.querySelector(`[data-do="${name}"]`);
      this.button("prev").addEventListener("click", () => this.go(this.at - 1));
      this.button("next").addEventListener("click", () => this.go(this.at + 1));
      this.button("play").addEventListener("click", () => (this.timer ? this.stop() : this.play()));
      root.addEventListener("pointerdown", () => { latest = this; });
      root.addEventListener("focusin", () => { latest = this; });
      root.classList.add("replayed");
      root.querySelector(".controls").hidden = false;
      this.show();
    }

    go(to) {
      this.stop();
      this.at = Math.max(0, Math.min(this.turns.length, to));
      this.show();
    }

    play() {
      if (this.at === this.turns.length) this.at = 0;
      this.at += 1;
      this.timer = this.at < this.turns.length ? setTimeout(() => this.play(), PAUSE) : null;
      this.show();
    }

    stop() {
      clearTimeout(this.timer);
      this.timer = null;
      this.show();
    }

    show() {
      this.turns.forEach((turn, place) => {
        turn.classList.toggle("shown", place < this.at);
        turn.classList.toggle("now", place === this.at - 1);
      });
      this.button("prev").disabled = this.at === 0;
      this.button("next").disabled = this.at === this.turns.length;
      this.button("play").textContent = this.timer ? "Pause" : this.at === this.turns.length ? "Replay" : "Play";
      this.root.querySelector("output").textContent = `${this.at} / ${this.turns.length}`;
    }
  }

  let latest = null;
  const games = [...document.querySelectorAll(".game")].map((root) => new Replay(root));
  document.querySelectorAll(".hint").forEach((hint) => { hint.hidden = false; });

  // The arrow keys step the game used last, or the first in view.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const elsewhere = event.target.closest(".scroll, input, select, textarea");
    if (!step || elsewhere || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const inView = games.filter(({ root }) => {
      const box = root.getBoundingClientRect();
      return box.bottom > 0 && box.top < window.innerHeight;
    });
    const game = inView.includes(latest) ? latest : inView[0];
    if (!game) return;
    event.preventDefault();
    game.go(game.at + step);
  });
})();
