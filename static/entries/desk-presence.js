"use strict";
// Tells with the poll what is being done on this page, and shows what colleagues do.
// While the page has a stream, the server knows that it is there.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, empty, pollIsDue } = window.Desk;
  const EVERY = 4500; // milliseconds; whoever is silent for 15 s fades
  const IDLE = 60000; // a text that nobody has typed in since is not being written
  const AWAY = 240000; // browsers slow the timers of a hidden page down after this

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
    reported = "gone"; // and here again, should the page come back
  });

  // Who edits an entry is said in its row too.
  const rows = () => {
    for (const old of document.querySelectorAll(".row .at-it")) old.remove();
    for (const one of document.querySelectorAll("#presence [data-entry]")) {
      const line = $(`#row-${one.dataset.entry} .row-line`);
      if (!line) continue;
      const note = document.createElement("span");
      note.className = "at-it";
      note.textContent = `${one.dataset.name} is editing`;
      line.append(note);
    }
  };
  document.addEventListener("htmx:after:swap", rows);
  rows();
})();
