// Keeps the front page's live stories and their newest lines as they are now, in place:
// a line changes where it stands, and what comes or goes waits until nobody reads below.
(() => {
  "use strict";

  const EVERY = 20e3; // ms
  const TOP = 100; // px from the top that still count as the top
  let etag = "";

  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.pathname, { cache: "no-cache" });
      if (!answer.ok || answer.headers.get("ETag") === etag) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (change(fresh)) etag = answer.headers.get("ETag");
    } catch {
      // No network: the next look comes soon.
    }
  };
  const names = (root) => [...root.querySelectorAll(".live-now .title a")].map((a) => a.pathname).join();
  const words = (root) => root.querySelector(".front").textContent;
  const change = (fresh) => {
    const [now, then] = [document, fresh].map((root) => root.querySelector(".live-now"));
    if (!now || !then) return false;
    if (names(document) === names(fresh)) {
      const lines = then.querySelectorAll(".newest");
      const old = now.querySelectorAll(".newest");
      if (lines.length === old.length) {
        old.forEach((line, n) => line.innerHTML !== lines[n].innerHTML && line.replaceChildren(...lines[n].cloneNode(true).childNodes));
        if (words(document) === words(fresh)) return true;
      }
    }
    if (scrollY > TOP || now.contains(document.activeElement)) return false;
    document.querySelector(".front").replaceWith(fresh.querySelector(".front"));
    return true;
  };
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
})();
