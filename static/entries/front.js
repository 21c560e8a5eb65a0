// Keep the front page's live stories up to date. Their latest updates change in place;
// stories appear or disappear only while the reader is at the top of the page.
(() => {
  "use strict";

  const EVERY = 20e3; // ms
  const TOP = 100; // px from the top that still count as the top
  let etag = "";

  // `back`: the reader has just returned to the page, so it may move.
  const look = async (back) => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.pathname + location.search, { cache: "no-cache" });
      if (!answer.ok || (!back && answer.headers.get("ETag") === etag)) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (change(fresh, back)) etag = answer.headers.get("ETag");
    } catch {
      // No network; the next request follows soon.
    }
  };
  const live = (front) => [...front.querySelectorAll(".live-now .teaser")];
  const path = (teaser) => teaser.querySelector(".title a").pathname;
  // The content of the page, independent of the order of live stories: sorted by their
  // latest update, they would change places under a reader's finger.
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
