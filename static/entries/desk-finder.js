"use strict";
// The panel under the toolbar: part of a title or of a picture's words finds a line
// for the text.
(() => {
  if (!window.Desk) return;
  const { $, formOf, bodyOf, insertLine } = window.Desk;
  const PAUSE = 150; // milliseconds without a key
  const LABELS = {
    see: "See: part of the story’s title",
    picture: "Picture: part of its name or words",
  };

  let timer = 0;
  let turn = 0;
  const ask = async (finder) => {
    const mine = ++turn;
    const query = new URLSearchParams({ what: finder.dataset.what, q: $("input", finder).value });
    try {
      const answer = await fetch(`${finder.dataset.find}?${query}`, {
        headers: { "HX-Request": "true" },
      });
      const text = await answer.text();
      if (mine !== turn || !answer.headers.get("desk-answer")) return;
      if (answer.ok) $(".found", finder).innerHTML = text;
      else $(".found", finder).textContent = text;
    } catch {
      $(".found", finder).textContent = "No connection. Type again.";
    }
  };
  const open = (button) => {
    const finder = $(".finder", formOf(button));
    const same = !finder.hidden && finder.dataset.what === button.dataset.find;
    if (same) return void close(finder);
    finder.dataset.what = button.dataset.find;
    finder.hidden = false;
    $("label", finder).textContent = LABELS[button.dataset.find];
    $("input", finder).value = "";
    $("input", finder).focus();
    ask(finder);
  };
  const close = (finder) => {
    finder.hidden = true;
    $(".found", finder).replaceChildren();
    bodyOf(formOf(finder)).focus();
  };
  const choose = (finder, button) => {
    const form = formOf(finder);
    const { insert, picture } = button.dataset;
    close(finder);
    insertLine(bodyOf(form), insert);
    if (picture) document.dispatchEvent(new CustomEvent("desk:restored", { detail: form }));
  };

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".tools [data-find], .finder [data-insert]");
    if (!button) return;
    if (button.dataset.find) open(button);
    else choose(button.closest(".finder"), button);
  });
  document.addEventListener("input", ({ target }) => {
    const finder = target.closest(".finder");
    if (!finder) return;
    clearTimeout(timer);
    timer = setTimeout(() => ask(finder), PAUSE);
  });
  document.addEventListener(
    "keydown",
    (event) => {
      const finder = event.target.closest?.(".finder");
      if (!finder || event.isComposing || event.ctrlKey || event.metaKey) return;
      const first = $("[data-insert]", finder);
      if (event.key === "Escape") close(finder);
      else if (event.key === "Enter" && event.target.matches("input")) {
        if (first) choose(finder, first);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
})();
