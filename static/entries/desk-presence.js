"use strict";
// Report with the poll what the editor is doing, and show what colleagues are doing. While
// the page has a stream, the server knows that it is open.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, empty, pollIsDue, words } = window.Desk;
  const EVERY = 4500; // milliseconds between two reports; presence expires after 15 s
  const IDLE = 60000; // milliseconds after the last key until nobody counts as writing
  const AWAY = 240000; // milliseconds; then browsers slow down the timers of hidden pages

  let typed = 0;
  let reported = "";
  let beat = 0;
  let hidden = 0;
  document.addEventListener("input", ({ target }) => {
    if (formOf(target)) typed = Date.now();
  });
  document.addEventListener("visibilitychange", () => {
    hidden = document.hidden ? Date.now() : 0;
  });

  const doing = () => {
    const own = formOf(document.activeElement)?.dataset.form ?? "";
    if (own.startsWith("edit-")) return own;
    const open = $("#timeline-pane form[data-form^=edit-]");
    if (open) return open.dataset.form;
    const filled = [byId("composer"), byId("original-form")].some((form) => form && !empty(form));
    return filled && Date.now() - typed < IDLE ? "new" : "";
  };
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (event.target.id !== "poll") return;
    const now = Date.now();
    const present = hidden && now - hidden > AWAY ? "gone" : doing();
    if (!pollIsDue(event.target, present !== reported)) {
      event.preventDefault();
      return;
    }
    if (present === reported && (present === "gone" || now - beat < EVERY)) return;
    reported = present;
    beat = now;
    ctx.request.body.set("beat", "1");
    ctx.request.body.set("doing", present);
  });
  window.addEventListener("pagehide", () => {
    const poll = byId("poll");
    if (!poll) return;
    const { me } = JSON.parse(poll.getAttribute("hx-vals") || "{}");
    const query = new URLSearchParams({ me, beat: "1", doing: "gone" });
    fetch(`${poll.getAttribute("hx-get")}&${query}`, { keepalive: true }).catch(() => {});
    reported = "gone"; // reported again if the page returns from the back-forward cache
  });

  // Rows show who is editing their entry.
  const rows = () => {
    for (const old of document.querySelectorAll(".row .at-it")) old.remove();
    for (const one of document.querySelectorAll("#presence [data-entry]")) {
      const line = $(`#row-${one.dataset.entry} .row-line`);
      if (!line) continue;
      const note = document.createElement("span");
      note.className = "at-it";
      note.textContent = words("is_editing", one.dataset);
      line.append(note);
    }
  };
  document.addEventListener("htmx:after:swap", rows);
  rows();
})();
