"use strict";
// Searches the timeline while one types: its rows stay where they are, and those that do
// not match are hidden. Found rows of older pages are added until the search is cleared.
(() => {
  if (!window.Desk) return;
  const { $, byId, desk, search } = window.Desk;
  const form = byId("find-updates");
  const pane = byId("timeline-pane");
  const scroller = $("#timeline-pane > .scroll");
  const bar = byId("found-bar");
  if (!form?.hasAttribute("hx-get") || !scroller || !bar) return;

  const fields = () => [...form.elements].filter(({ name }) => ["q", "author", "state", "at"].includes(name));
  const blank = () => fields().every(({ value }) => !value.trim());
  const rows = () => pane.querySelectorAll(".row[data-key]");

  // --- Where the search began, to go back there

  let place = null; // what had focus, the first row in view and where it was
  const remember = (focused) => {
    const edge = scroller.getBoundingClientRect().top;
    const first = [...rows()].find((row) => row.checkVisibility() && row.getBoundingClientRect().bottom > edge);
    place = { focused, top: scroller.scrollTop, first: first?.id, at: first?.getBoundingClientRect().top };
  };
  const goBack = () => {
    const { focused, top, first, at } = place;
    place = null;
    scroller.scrollTop = top;
    const row = first && byId(first);
    if (top && row?.checkVisibility()) scroller.scrollTop += row.getBoundingClientRect().top - at;
    if (focused?.isConnected && focused.checkVisibility()) focused.focus({ preventScroll: true });
    else form.elements.q.focus({ preventScroll: true });
  };
  let before = null; // what had focus before the search field
  form.addEventListener("focusin", ({ target, relatedTarget }) => {
    if (target.name === "q" && !search.on) before = relatedTarget;
  });

  // --- Asking

  let polls = 0; // polls that brought something, which a search may have missed
  let asked = 0; // the number of them when the search was sent
  document.addEventListener(
    "htmx:config:request",
    (event) => {
      const { target } = event;
      if (target === form) {
        if (pressed) return void postpone(event);
        if (blank()) {
          event.preventDefault();
          return void (search.on && clear(false));
        }
        if (!search.on) begin();
      }
      if (target === form || target.closest?.("#found-more")) asked = polls;
    },
    true,
  );
  document.addEventListener("htmx:after:swap", ({ target, detail }) => {
    if (target.id === "poll" && detail?.ctx?.response?.status === 200) polls += 1;
  });
  const ask = () => htmx.trigger(form, "ask");
  bar.addEventListener("change", ask);
  const begin = () => {
    remember(before);
    search.on = true;
  };

  // --- Nothing moves between the press and the release of a pointer, or its click is lost

  let pressed = false;
  let postponed = false;
  const postpone = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    postponed = true;
  };
  const release = () => {
    pressed = false;
    if (postponed) ask();
    postponed = false;
  };
  pane.addEventListener("pointerdown", ({ button }) => {
    pressed = button === 0; // a menu of the browser may swallow the end of others
  });
  for (const end of ["pointerup", "pointercancel"]) {
    window.addEventListener(end, () => pressed && setTimeout(release), true);
  }

  // --- Showing what was found

  document.addEventListener(
    "htmx:before:swap",
    (event) => {
      if (event.target !== form) return;
      if (pressed) return void postpone(event);
      if (!search.on || pane.hasAttribute("data-searching")) return;
      pane.toggleAttribute("data-searching", true);
      scroller.scrollTop = 0;
    },
    true,
  );
  document.addEventListener("desk:found", ({ detail }) => {
    if (!search.on || (postponed && !detail.more)) return;
    if (polls !== asked && !detail.more) return void ask(); // again: rows may be older
    if (!detail.more) for (const row of rows()) delete row.dataset.match;
    for (const id of detail.rows) {
      const row = byId(id);
      if (row) row.dataset.match = "";
    }
    for (const details of pane.querySelectorAll(".fold > details")) {
      if (details.open || !$("[data-match]", details)) continue;
      details.open = true;
      details.dataset.opened = "";
    }
    document.dispatchEvent(new Event("desk:listed"));
  });

  // --- Clearing

  const clear = (whole = true) => {
    if (whole) for (const field of fields()) field.value = "";
    if (!search.on) return;
    search.on = false;
    htmx.trigger(form, "htmx:abort");
    pane.removeAttribute("data-searching");
    for (const row of rows()) {
      delete row.dataset.match;
      if ("extra" in row.dataset && !$(".slot", row)?.childElementCount) row.remove();
    }
    for (const details of pane.querySelectorAll("[data-opened]")) {
      details.open = false;
      delete details.dataset.opened;
    }
    for (const id of ["found-number", "found-filters", "found-more"]) byId(id).replaceChildren();
    search.refold();
    document.dispatchEvent(new Event("desk:listed"));
    if (whole) goBack();
    else {
      const { q } = form.elements;
      place.focused = q;
      goBack();
    }
  };
  search.clear = clear;
  search.start = (field) => {
    $(".pane-tabs a[href='#timeline-pane']")?.click(); // where one pane is shown at a time
    field.focus();
  };
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-clear-search]")) clear();
    else if (search.on && target.closest("#timeline-pane .tabs [data-tab], #timeline-new")) clear();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
    const { target } = event;
    const within = target.form === form || target.closest?.("#found-bar, #timeline-pane .row, #found-more");
    if (!within || target.closest(".slot, details.menu[open], details.confirm[open]")) return;
    if (!search.on && target.form !== form) return;
    event.preventDefault();
    if (search.on) clear();
    else {
      form.elements.q.value = "";
      if (before?.isConnected) before.focus({ preventScroll: true });
    }
  });
  // Down from the field to what was found; the rows' own arrow keys go on from there.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || event.isComposing || event.target.name !== "q") return;
    const row = [...rows()].find((one) => one.checkVisibility());
    if (!row) return;
    event.preventDefault();
    row.focus();
  });
  desk.toggleAttribute("data-searches", true);
})();
