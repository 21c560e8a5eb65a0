// Extras for readers: local times, links to share, and a line where they stopped reading
// when they return later. Data is stored only in this browser.
(() => {
  "use strict";

  const AWAY = 10 * 60e3; // ms after which a visit counts as a new one
  const ARRIVING = 60e3; // ms in which a page catches up
  const KEEP = 10e3; // ms between two saves of the reading position
  const $ = (id) => document.getElementById(id);
  if (!window.Words) return; // rescue.js loads lost scripts again
  const { say, stamp, locale } = window.Words;
  const { compare } = new Intl.Collator(undefined, { numeric: true }); // slow to create

  const time = { hour: "numeric", minute: "2-digit" };
  const clock = new Intl.DateTimeFormat(locale, time); // slow to create
  const dayAndClock = new Intl.DateTimeFormat(locale, { weekday: "short", ...time });
  const localTimes = (root) => {
    for (const el of root.querySelectorAll(".local[data-local]")) {
      const at = new Date(el.dataset.local);
      if (at.getTimezoneOffset() === 0) continue;
      const { format } = at.getDate() === at.getUTCDate() ? clock : dayAndClock;
      el.textContent = say("your_time", { time: format(at) });
    }
  };

  // ---- share ------------------------------------------------------------------

  const shareButtons = (root) => {
    for (const header of root.querySelectorAll("article.entry > header")) {
      if (!header.querySelector(".stamp a") || header.querySelector(".share")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "share";
      button.textContent = say("share");
      button.setAttribute("aria-describedby", header.querySelector(".stamp").id);
      header.append(button);
    }
  };
  const share = async (event) => {
    const button = event.target.closest?.(".share");
    if (!button) return;
    const { href } = button.closest("header").querySelector(".stamp a");
    try {
      if (navigator.share)
        return await navigator.share({ title: $("story-head")?.dataset.title || document.title, url: href });
      await navigator.clipboard.writeText(href);
      button.textContent = say("link_copied");
      const announcer = $("announcer");
      if (announcer) announcer.textContent = say("link_copied");
      setTimeout(() => (button.textContent = say("share")), 3e3);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(href);
    }
  };

  // ---- since you were here ------------------------------------------------------

  const place = `seen ${location.pathname}`;
  const entries = () => [...$("pinned").children, ...$("updates").children];
  // Of those that were shown: the others wait behind the button.
  const newest = () =>
    entries()
      .filter(({ hidden }) => !hidden)
      .map(({ dataset }) => dataset.key)
      .reduce((best, key) => (compare(key, best) > 0 ? key : best), "");
  let last = null; // {key, at}: the newest entry of the previous visit, and when it ended
  try {
    last = JSON.parse(localStorage.getItem(place));
  } catch {
    // Storage is forbidden, or the value is damaged.
  }
  let present = last; // the same for this visit, so far
  const note = () => {
    const key = $("live")?.dataset.page === "front" && newest();
    if (!key || document.hidden) return;
    if (present && Date.now() - present.at >= AWAY) {
      last = present; // the reader is back
      since();
    }
    present = { key, at: Date.now() };
    try {
      localStorage.setItem(place, JSON.stringify(present));
    } catch {
      // Storage is forbidden.
    }
  };
  // Change the page without moving the text; live.js knows how.
  const still = (change) => {
    const event = new CustomEvent("entries:move", { detail: change, cancelable: true });
    if (document.dispatchEvent(event)) change();
  };
  let back = -Infinity; // when the reader came back to this page
  const since = () => {
    back = Date.now();
    announce();
  };
  // What was missed may still arrive, so it is counted again then.
  const announce = () => {
    const line = $("since");
    if (!line || !last?.key || Date.now() - back > ARRIVING) return;
    const n = entries().filter((el) => compare(el.dataset.key, last.key) > 0).length;
    if (!n) return;
    const at = new Date(last.at).toISOString();
    const time = stamp(at, new Date().toISOString().slice(0, 10));
    const id = last.key.split("-")[1];
    const found = $(`entry-${id}`);
    const words = `${say(found ? "since" : "since_more", { time, number: n })} `;
    if (!line.hidden && line.firstChild.data === words) return;
    still(() => {
      const link = line.querySelector("a");
      link.href = found ? `#entry-${id}` : `?at=${id}#entry-${id}`;
      link.dataset.jump = `entry-${id}`;
      line.replaceChildren(words, link);
      line.hidden = false;
      // Mark the entry that was the newest then; the line appears above it.
      for (const el of document.querySelectorAll(".stopped")) el.classList.remove("stopped");
      found?.classList.add("stopped");
    });
  };

  // Only pages with a video or post of another site need its script.
  const media = document.querySelector("meta[name=media-script]")?.content;
  const cards = (root) => {
    if (media && !loading && root.querySelector("media-frame")) load();
  };
  let loading = false;
  // Browsers remember that a module could not be fetched, but not under another URL.
  const load = (tries = 0) => {
    loading = true;
    import(tries ? `${media}?again=${tries}` : media).catch(() =>
      setTimeout(load, 1000 * 2 ** Math.min(tries, 5), tries + 1),
    );
  };

  const dress = (root) => {
    localTimes(root);
    shareButtons(root);
    cards(root);
  };
  document.addEventListener("click", share);
  document.addEventListener("entries:come", (event) => dress(event.detail));
  document.addEventListener("htmx:finally:swap", announce);
  document.addEventListener("visibilitychange", note);
  addEventListener("pageshow", note);
  dress(document);
  note();
  setInterval(note, KEEP);
})();
