"use strict";
// Confirmation panels: each opens in place, in view and with focus; Escape closes it and
// returns focus. And `window.keyPressed`, since every page of the newsroom loads this.
(() => {
  // The key of a shortcut: what it types, or on layouts without Latin letters (Cyrillic,
  // Greek, Arabic, …) what is at its place on a US keyboard.
  window.keyPressed = ({ key = "", code = "", shiftKey }) => {
    const typed = key
      .normalize("NFKC")
      .replace(/[ıİ]/, "i")
      .toLowerCase(); // full-width; Turkish
    if (/^[ -~]*$/.test(typed) || /\p{Script=Latin}/u.test(typed)) return typed;
    if (code === "Slash") return shiftKey ? "?" : "/";
    return /^Key[A-Z]$/.test(code) ? code[3].toLowerCase() : typed;
  };

  const FIELDS = "input:not([type=hidden]), textarea, select, button, a[href]";
  let pressed = null; // a panel takes focus only if the user just opened it

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
      if (event.target.closest(".picker, [aria-expanded=true]")) return; // closes before the panel
      event.preventDefault();
      event.stopImmediatePropagation(); // keeps a menu around it open
      panel.open = false;
      panel.querySelector("summary").focus();
    },
    true,
  );
})();
