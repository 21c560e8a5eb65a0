"use strict";
// The newsroom's pages beside the desk: the board's filter, keys, lists that renew
// themselves, tabs, and the note to a contributor. Links and forms do without it.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add("scripted");

  // --- The filter of a list narrows it while one types

  for (const field of all("[data-filter]")) {
    const narrow = () => {
      const words = field.value.toLocaleLowerCase().trim();
      for (const item of all(field.dataset.filter)) {
        item.hidden = !$("h3", item).textContent.toLocaleLowerCase().includes(words);
      }
    };
    field.addEventListener("input", narrow);
  }
  for (const field of all("[data-submit]")) field.addEventListener("change", () => field.form.requestSubmit());

  // --- Keys of links and fields, unless somebody writes or has switched keys off

  const keysAreOn = () => {
    try {
      return localStorage.getItem("desk:keys") !== "off";
    } catch {
      return true;
    }
  };
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (target.matches("input, select, textarea, [contenteditable]") || !keysAreOn()) return;
    const own = all("[data-key]").find((one) => one.dataset.key === key.toLowerCase());
    if (!own) return;
    event.preventDefault();
    if (own.matches("input")) own.focus();
    else own.click();
  });

  // --- What opens in place comes into view, with the focus in its first field

  document.addEventListener(
    "toggle",
    ({ target }) => {
      if (!target.open || !target.matches("details.confirm")) return;
      target.scrollIntoView({ block: "nearest" });
      $("form :is(input:not([type=hidden]), textarea, button)", target)?.focus();
    },
    true,
  );
  document.addEventListener("click", ({ target }) => {
    const details = target.closest("[data-shut-details]")?.closest("details");
    if (!details) return;
    details.open = false;
    $("summary", details).focus();
  });
  document.addEventListener("keydown", (event) => {
    const details = event.target.closest?.("details.confirm[open]");
    if (event.key !== "Escape" || !details || event.isComposing) return;
    details.open = false;
    $("summary", details).focus();
  });

  // --- Django's search fields for a choice are named like their labels

  addEventListener("load", () => {
    for (const select of all("select.admin-autocomplete")) {
      const name = select.labels[0]?.textContent.trim().split("\n")[0];
      const shown = $("[role=combobox]", select.nextElementSibling ?? select);
      if (name) shown?.setAttribute("aria-label", name);
    }
  });

  // --- Lists that renew themselves, while nobody is in them

  setInterval(() => {
    const list = $("[data-look-again]");
    if (!list || document.hidden || list.contains(document.activeElement)) return;
    list.dispatchEvent(new Event("look-again"));
  }, 6000);

  // --- Tabs within a page: without scripts all of it is shown

  const stream = $(".stream[data-tabs]");
  if (stream) {
    const tabs = all(".tabs a[href^='#']");
    const show = (name) => {
      stream.dataset.tab = name;
      for (const tab of tabs) {
        if (tab.hash === `#${name}`) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
      stream.scrollTop = 0;
    };
    const fromHash = () => {
      const tab = tabs.find((one) => one.hash === location.hash);
      show((tab ?? tabs[0]).hash.slice(1));
    };
    addEventListener("hashchange", fromHash);
    fromHash();
  }

  // --- The update that the pane beside the list is about

  document.addEventListener("click", ({ target }) => {
    const opener = target.closest("#lately [hx-target='#context']");
    if (!opener) return;
    for (const row of all("#lately .row.on")) row.classList.remove("on");
    opener.closest(".row").classList.add("on");
  });
})();
