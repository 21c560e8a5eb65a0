// Keeps the front page's live stories and their newest lines as they are now, in place:
// a line changes where it stands, and what comes or goes waits until nobody reads below.
(() => {
  "use strict";

  const EVERY = 20e3; // ms
  const TOP = 100; // px from the top that still count as the top
  let etag = "";

  // `back`: somebody comes back to the page, who has no place in it yet.
  const look = async (back) => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.pathname + location.search, { cache: "no-cache" });
      if (!answer.ok || (!back && answer.headers.get("ETag") === etag)) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (change(fresh, back)) etag = answer.headers.get("ETag");
    } catch {
      // No network: the next look comes soon.
    }
  };
  const live = (front) => [...front.querySelectorAll(".live-now .teaser")];
  const path = (teaser) => teaser.querySelector(".title a").pathname;
  // What the page says, whatever the order of the stories that run: they stand by their
  // newest update, and would change places under a reader's finger.
  const gist = (front) =>
    [...live(front), ...front.querySelectorAll(":scope > :not(.live-now)")]
      .map((el) => el.outerHTML.replace(/ (sizes|loading|fetchpriority)="[^"]*"/g, ""))
      .sort()
      .join();
  const change = (fresh, back) => {
    const [now, then] = [document, fresh].map((root) => root.querySelector(".front"));
    if (!now || !then) return false;
    const lines = new Map(live(then).map((el) => [path(el), el.querySelector(".newest")]));
    for (const el of live(now)) {
      const old = el.querySelector(".newest");
      const line = lines.get(path(el));
      if (old && line && !old.isEqualNode(line)) old.replaceChildren(...line.cloneNode(true).childNodes);
    }
    if (now.isEqualNode(then) || (!back && gist(now) === gist(then))) return true;
    if (scrollY > TOP || now.contains(document.activeElement)) return false;
    now.replaceWith(document.adoptNode(then));
    return true;
  };
  setInterval(look, EVERY, false);
  document.addEventListener("visibilitychange", () => look(true));
})();
