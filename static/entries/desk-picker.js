"use strict";
// The picker below the toolbar: find stories or images, and insert a line for them.
(() => {
  if (!window.Desk) return;
  const { $, formOf, bodyOf, insertLine, insertText, words } = window.Desk;
  const PAUSE = 150; // milliseconds after the last key
  const LABELS = {
    see: words("find_see"),
    picture: words("find_picture"),
    snippet: words("find_snippet"),
  };

  let timer = 0;
  let turn = 0;
  const ask = async (picker) => {
    const mine = ++turn;
    const query = new URLSearchParams({ what: picker.dataset.what, q: $("input", picker).value });
    try {
      const answer = await fetch(
        `${picker.dataset.what === "snippet" ? picker.dataset.snippets : picker.dataset.find}?${query}`,
        {
          headers: { "HX-Request": "true" },
        },
      );
      const text = await answer.text();
      if (mine !== turn || !answer.headers.get("desk-answer")) return;
      if (answer.ok) $(".found", picker).innerHTML = text;
      else $(".found", picker).textContent = text;
    } catch {
      $(".found", picker).textContent = words("find_offline");
    }
  };
  const open = (button) => {
    const picker = $(".picker", formOf(button));
    const same = !picker.hidden && picker.dataset.what === button.dataset.find;
    if (same) return void close(picker);
    picker.dataset.what = button.dataset.find;
    picker.hidden = false;
    $("label", picker).textContent = LABELS[button.dataset.find];
    $("input", picker).value = "";
    $("input", picker).focus();
    ask(picker);
  };
  const close = (picker) => {
    picker.hidden = true;
    $(".found", picker).replaceChildren();
    bodyOf(formOf(picker)).focus();
  };
  const choose = (picker, button) => {
    const form = formOf(picker);
    const { insert, snippet } = button.dataset;
    close(picker);
    if (snippet === undefined) insertLine(bodyOf(form), insert);
    else insertText(bodyOf(form), insert);
    if (/\]\((image|media):/.test(insert)) document.dispatchEvent(new CustomEvent("desk:restored", { detail: form }));
  };

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".tools [data-find], .picker [data-insert]");
    if (!button) return;
    if (button.dataset.find) open(button);
    else choose(button.closest(".picker"), button);
  });
  document.addEventListener("input", ({ target }) => {
    const picker = target.closest(".picker");
    if (!picker) return;
    clearTimeout(timer);
    timer = setTimeout(() => ask(picker), PAUSE);
  });
  document.addEventListener(
    "keydown",
    (event) => {
      const picker = event.target.closest?.(".picker");
      if (!picker || event.isComposing || event.ctrlKey || event.metaKey) return;
      const first = $("[data-insert]", picker);
      if (event.key === "Escape") close(picker);
      else if (event.key === "Enter" && event.target.matches("input")) {
        if (first) choose(picker, first);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
})();
