"use strict";
// Keeps a page up to date. It polls for the page, naming the state that it shows; the server sends the page only if that
// state has changed. Then the script replaces the parts that differ, and the reader's scroll position stays.
(() => {
  const EVERY = 2000; // milliseconds
  const PARTS = ".live, .kind, .warnings summary, .warnings ul, .figure, #rounds tbody";
  const root = document.documentElement;
  const parts = (page) => [...page.querySelectorAll(PARTS)];
  const isSelected = (part) => !getSelection().isCollapsed && getSelection().containsNode(part, true);
  let shown = parts(document).map((part) => part.innerHTML); // as the server sent them

  function update(page) {
    const [old, now] = [parts(document), parts(page)];
    if (old.length !== now.length) { // the first round ended, or the first evaluation
      document.querySelector("main").replaceWith(page.querySelector("main"));
      document.querySelector("header").replaceWith(page.querySelector("header"));
    } else {
      if (old.some((part, place) => shown[place] !== now[place].innerHTML && isSelected(part))) return false; // later
      old.forEach((part, place) => {
        if (shown[place] !== now[place].innerHTML) part.innerHTML = now[place].innerHTML;
      });
    }
    shown = now.map((part) => part.innerHTML);
    return true;
  }

  async function ask() {
    const answer = await fetch(location.href, { headers: { "If-None-Match": root.dataset.state }, cache: "no-store" });
    document.querySelector(".lost").hidden = answer.status !== 403;
    if (answer.status !== 200) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const news = document.querySelector(".news");
    if (news) news.hidden = false; // updating a list would move it under the reader
    else if (update(page)) root.dataset.state = page.documentElement.dataset.state;
  }

  async function keepUp() {
    try {
      if (!document.hidden) await ask();
    } catch {
      document.querySelector(".lost").hidden = false;
    }
    setTimeout(keepUp, EVERY);
  }

  if (root.dataset.state) setTimeout(keepUp, EVERY);
  const filters = document.querySelector(".filters");
  filters?.addEventListener("change", (event) => event.target.tagName === "SELECT" && filters.requestSubmit());
})();
