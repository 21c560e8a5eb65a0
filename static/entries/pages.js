"use strict";
// The newsroom's pages beside the desk: the board's filter, keyboard shortcuts, lists that
// refresh themselves, tabs, and the note to a contributor. Links and forms work without it.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add("scripted");

  // --- Filter a list while typing

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

  // --- A story's language: that of its series until another is chosen, and of its texts

  for (const list of all("select[data-language]")) {
    const { form, dataset } = list;
    const other = form.elements[`${list.name}-other`];
    const { series } = form.elements;
    const inSeries = JSON.parse(dataset.asInSeries ?? "{}");
    const optionOf = (tag) => [...list.options].find((option) => option.value === tag);
    const speak = () => {
      const tag = other.value.trim() || list.value;
      for (const field of all("[data-speaks]", form)) {
        field.lang = tag;
        field.dir = optionOf(tag)?.dir || "auto";
      }
    };
    let chosen = Boolean(list.value);
    const follow = () => {
      if (chosen || !dataset.asInSeries) return;
      const tag = inSeries[series.value] ?? inSeries[""];
      if (!optionOf(tag)) list.add(new Option(tag, tag));
      list.value = tag;
      speak();
    };
    list.addEventListener("change", () => {
      chosen = Boolean(list.value);
      other.value = "";
      follow();
      speak();
    });
    other.addEventListener("input", () => {
      chosen = true;
      speak();
    });
    series?.addEventListener("change", follow);
    follow();
  }

  // --- Keyboard shortcuts, unless the user is typing or has switched them off

  const keysAreOn = () => {
    try {
      return localStorage.getItem("desk:keys") !== "off";
    } catch {
      return true;
    }
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (target.matches("input, select, textarea, [contenteditable]") || !keysAreOn()) return;
    const own = all("[data-key]").find((one) => one.dataset.key === window.keyPressed(event));
    if (!own) return;
    event.preventDefault();
    if (own.matches("input")) own.focus();
    else own.click();
  });

  // --- Scroll to what opens in place, and focus its first field

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

  // --- Name the search fields of Django's select widgets like their labels

  const nameSearches = () => {
    for (const select of all("select.admin-autocomplete")) {
      const name = select.labels[0]?.textContent.trim().split("\n")[0];
      const shown = all("[role=combobox], [role=textbox]", select.nextElementSibling ?? select);
      for (const one of name ? shown : []) one.setAttribute("aria-label", name);
    }
  };
  // jQuery makes the widgets some time after the page has loaded, in the order of its queue.
  addEventListener("load", () => window.django?.jQuery(nameSearches));

  // --- Refresh lists, unless focus is in them

  setInterval(() => {
    const list = $("[data-look-again]");
    if (!list || document.hidden || list.contains(document.activeElement)) return;
    list.dispatchEvent(new Event("look-again"));
  }, 6000);

  // --- Tabs within a page; without scripts everything is shown

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

  // --- Mark the update that the pane beside the list shows

  document.addEventListener("click", ({ target }) => {
    const opener = target.closest("#lately [hx-target='#context']");
    if (!opener) return;
    for (const row of all("#lately .row.on")) row.classList.remove("on");
    opener.closest(".row").classList.add("on");
  });
})();
