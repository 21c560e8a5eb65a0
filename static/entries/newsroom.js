"use strict";
// Shared by the newsroom's pages: the clock, menus, tabs, and the single pane of narrow
// screens. Links and <details> work without it.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- The clock shows the server's time, not this machine's

  const clock = $("[data-clock]");
  if (clock) {
    const ahead = Date.parse(clock.dataset.clock) - performance.timeOrigin - performance.now();
    const tick = () => {
      const now = new Date(performance.timeOrigin + performance.now() + ahead);
      const hhmm = now.toISOString().slice(11, 16).replace(":", "");
      if (clock.firstChild.data.trim() !== hhmm) clock.firstChild.data = hhmm;
      setTimeout(tick, 1000 - now.getUTCMilliseconds());
    };
    tick();
  }

  // --- Menus: only one is open, inside the window; Escape or a click elsewhere closes it

  const openMenus = () => all("details.menu[open]");
  const shut = (menu, back = false) => {
    menu.open = false;
    if (back) $("summary", menu).focus();
  };
  document.addEventListener(
    "toggle",
    ({ target }) => {
      if (!target.open || !target.matches("details.menu")) return;
      for (const menu of openMenus()) if (menu !== target && !menu.contains(target)) shut(menu);
      target.classList.remove("up");
      const { bottom, height } = $(".sheet-menu", target).getBoundingClientRect();
      const { top } = target.getBoundingClientRect();
      target.classList.toggle("up", bottom > innerHeight && top > height);
    },
    true,
  );
  document.addEventListener("click", ({ target }) => {
    for (const menu of openMenus()) if (!menu.contains(target)) shut(menu);
    const chosen = target.closest(".acts .sheet-menu :is(a, button)");
    if (chosen) shut(chosen.closest("details.menu"), true); // focus would be lost in it
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (!menu || event.isComposing) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      shut(menu, true);
    } else if (/^Arrow(Up|Down)$/.test(event.key) && !event.target.matches("input, select, textarea")) {
      const items = all(".sheet-menu :is(a, button, summary, input)", menu).filter((item) => item.offsetParent);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = items[(items.indexOf(event.target) + step + items.length) % items.length];
      next?.focus();
      event.preventDefault();
    }
  });

  // --- Copying a link; without a secure context only execCommand is available

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (!button) return;
    await copy(button.dataset.copy);
    const word = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => {
      button.textContent = word;
    }, 2000);
    button.focus();
  });

  // --- New updates in other live stories since they were last open in this browser

  const desk = $(".desk-page .desk");
  const seen = (pk, seq) => {
    const key = `desk:seen:${pk}`;
    try {
      if (seq) localStorage.setItem(key, seq);
      return Number(localStorage.getItem(key));
    } catch {
      return 0;
    }
  };
  const elsewhere = () => {
    if (desk) seen(desk.dataset.story, desk.dataset.seq);
    for (const link of all(".switch [data-seq]")) {
      const known = seen(link.dataset.story);
      const changes = known && !link.hasAttribute("aria-current") ? link.dataset.seq - known : 0;
      const count = $(".count", link);
      count.hidden = changes <= 0;
      count.textContent = Math.min(changes, 99);
    }
  };
  elsewhere();
  if (!desk) return;

  // --- One pane at a time on narrow screens

  const panes = $(".pane-tabs");
  const showPane = (name) => {
    desk.dataset.pane = name;
    for (const tab of all("a", panes)) {
      const own = (tab.hash === "#timeline-pane") === (name === "timeline");
      if (own) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
  };
  panes?.addEventListener("click", (event) => {
    const tab = event.target.closest("a");
    if (!tab) return;
    event.preventDefault();
    showPane(tab.hash === "#timeline-pane" ? "timeline" : "write");
  });
  if (location.hash.startsWith("#row-")) showPane("timeline");
  const latest = $(".latest");
  latest?.addEventListener("click", (event) => {
    event.preventDefault();
    document.activeElement.blur(); // closes a phone's keyboard
    showPane("timeline");
  });

  // --- Tabs of the timeline

  const pane = $("#timeline-pane");
  const tabs = all(".tabs [data-tab]", pane);
  const showTab = (name) => {
    if (!tabs.length) return;
    pane.dataset.tab = name;
    for (const tab of tabs) {
      if (tab.dataset.tab === name) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
  };
  const tabOf = (row) => {
    if (row.dataset.place !== "waiting") return "live";
    return row.dataset.state === "submitted" ? "review" : "waiting";
  };
  pane.addEventListener("click", (event) => {
    const tab = event.target.closest(".tabs [data-tab]");
    if (!tab) return;
    event.preventDefault();
    showTab(tab.dataset.tab);
  });
  // Open the tab of the row that the URL names.
  const showRow = () => {
    const row = /^#row-\d+$/.test(location.hash) && $(location.hash);
    if (!row) return;
    showTab(tabOf(row));
    row.scrollIntoView({ block: "nearest" });
  };
  addEventListener("hashchange", showRow);
  const arrange = () => {
    for (const [name, rows] of Object.entries({
      waiting: all("#waiting > .row:not([data-state=submitted])"),
      review: all("#waiting > [data-state=submitted]"),
    })) {
      const count = $(`[data-count=${name}]`, pane);
      if (!count) continue;
      count.textContent = rows.length || "";
      count.hidden = !rows.length;
    }
    // Remove messages about an entry that has changed since.
    for (const said of all(".status [data-of]")) {
      const row = document.getElementById(said.dataset.of);
      if (row && row.dataset.state !== said.dataset.state) said.closest(".status").replaceChildren();
    }
    const newest = $("#timeline > .row");
    if (latest && newest) {
      $("b", latest).textContent = $(".stamp", newest).firstChild.data.trim();
      $("span", latest).textContent = $(".row-words", newest).textContent.trim();
    }
    let day = "";
    const listed = pane.hasAttribute("data-searching") ? "#timeline > [data-match]" : "#timeline > .row";
    for (const row of all(listed)) {
      row.toggleAttribute("data-day-begins", row.dataset.day !== day);
      day = row.dataset.day;
    }
  };
  showTab("live");
  arrange();
  showRow();
  document.addEventListener("htmx:after:swap", arrange);
  document.addEventListener("desk:listed", arrange);

  // --- The publish button's label

  const publish = $("#composer [data-publish]");
  const at = $("#composer-at");
  document.addEventListener("htmx:after:swap", () => {
    const later = at?.value && $("#composer-at-echo [data-later]");
    if (!publish) return;
    const word = later ? `${publish.dataset.schedule} ${later.dataset.later}` : publish.dataset.publish;
    publish.classList.toggle("later", Boolean(later));
    publish.classList.toggle("main", !later);
    if (!publish.dataset.word && publish.textContent.trim() !== word) publish.textContent = word;
  });
})();
