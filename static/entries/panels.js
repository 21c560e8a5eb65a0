"use strict";
// Panels that ask before something is done: each opens in place and in view with focus
// in it, and Escape closes it and gives focus back.
(() => {
  const FIELDS = "input:not([type=hidden]), textarea, select, button, a[href]";
  let pressed = null; // only what somebody has just pressed takes focus

  const shown = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;
  document.addEventListener("click", ({ target }) => {
    const summary = target.closest("summary");
    pressed = summary?.closest("details:not(.menu)") ?? null;
  });
  document.addEventListener(
    "toggle",
    ({ target: panel }) => {
      if (panel !== pressed) return;
      pressed = null;
      if (!panel.open) return;
      const content = panel.querySelector(":scope > :not(summary)");
      const field = [...(content?.querySelectorAll(FIELDS) ?? [])].find(shown);
      field?.focus({ preventScroll: true });
      content?.scrollIntoView({ block: "nearest" });
    },
    true, // it does not bubble
  );
  document.addEventListener(
    "keydown",
    (event) => {
      const panel = event.target.closest?.("details[open]");
      if (event.key !== "Escape" || event.isComposing || !panel || panel.matches(".menu")) return;
      if (event.target.closest(".picker, [aria-expanded=true]")) return; // it closes first
      event.preventDefault();
      event.stopImmediatePropagation(); // a menu around it stays
      panel.open = false;
      panel.querySelector("summary").focus();
    },
    true,
  );
})();
