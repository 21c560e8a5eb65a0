"use strict";
// The tray of a text's images: reorder (which changes the text), remove, and set the focal
// point. Everything works with the keyboard too.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, bodyOf, type, removeBlock, begin } = window.Desk;
  const LINE = /^( *!\[[^\]]*\]\()((?:image|media):[^)\s]+)(\) *)$/gm;

  const placesIn = (form) => [...bodyOf(form).value.matchAll(LINE)].map((found) => found[2]);
  const namesIn = (form) => placesIn(form).map((place) => place.replace(/^\w+:/, ""));
  const trayOf = (form) => byId(`${form.dataset.form}-pictures`);
  const cardsIn = (form) => [...(trayOf(form)?.querySelectorAll(".picture") ?? [])];

  // Sort the cards in the order of the text.
  const sort = (form) => {
    const names = namesIn(form);
    const place = (card) => (names.indexOf(card.dataset.name) + names.length + 1) % (names.length + 1);
    const cards = cardsIn(form);
    const sorted = [...cards].sort((a, b) => place(a) - place(b));
    if (sorted.every((card, index) => card === cards[index])) return;
    const active = document.activeElement;
    for (const card of sorted) if (card !== trayOf(form).lastElementChild) trayOf(form).append(card);
    if (trayOf(form).contains(active)) active.focus({ preventScroll: true });
  };

  // Reorder the image names in the text in one undoable step; other text does not move.
  const reorder = (form, places) => {
    const area = bodyOf(form);
    const found = [...area.value.matchAll(LINE)];
    const start = found[0].index;
    const end = found.at(-1).index + found.at(-1)[0].length;
    const { selectionStart, selectionEnd } = area;
    const left = [...places];
    const text = area.value.slice(start, end).replace(LINE, (_, before, place, after) => before + left.shift() + after);
    const active = document.activeElement;
    area.focus({ preventScroll: true });
    area.setSelectionRange(start, end);
    type(area, text);
    area.setSelectionRange(selectionStart, selectionEnd);
    sort(form);
    active.focus({ preventScroll: true });
  };
  const move = (card, to) => {
    const form = formOf(card);
    const names = namesIn(form);
    const from = names.indexOf(card.dataset.name);
    if (from < 0 || to < 0 || to >= names.length || from === to) return;
    const places = placesIn(form);
    places.splice(to, 0, ...places.splice(from, 1));
    reorder(form, places);
  };
  const step = (card, by) => move(card, namesIn(formOf(card)).indexOf(card.dataset.name) + by);

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".picture [data-tray]");
    if (!button) return;
    const card = button.closest(".picture");
    const form = formOf(card);
    if (button.dataset.tray === "remove") {
      const next = card.nextElementSibling ?? card.previousElementSibling;
      for (const kind of ["image", "media"]) removeBlock(bodyOf(form), `(${kind}:${card.dataset.name})`);
      card.remove();
      ($("[name$=-alt]", next ?? form) ?? bodyOf(form)).focus();
    } else step(card, button.dataset.tray === "up" ? -1 : 1);
  });
  document.addEventListener("keydown", (event) => {
    const card = event.altKey && event.target.closest?.(".picture");
    if (!card || !/^Arrow(Up|Down)$/.test(event.key)) return;
    event.preventDefault();
    step(card, event.key === "ArrowUp" ? -1 : 1);
  });

  // --- Dragging by the handle

  let dragged = null;
  document.addEventListener("pointerdown", ({ target }) => {
    const card = target.closest?.(".picture");
    if (card) card.draggable = Boolean(target.closest(".grip"));
  });
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(".picture[draggable=true]");
    if (dragged) event.dataTransfer.setData("text/plain", "");
  });
  document.addEventListener("dragover", (event) => {
    const over = dragged && event.target.closest?.(".picture");
    if (over?.parentElement === dragged?.parentElement && over) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const over = dragged && event.target.closest?.(".picture");
    if (!over || over.parentElement !== dragged.parentElement) return;
    event.preventDefault();
    move(dragged, namesIn(formOf(over)).indexOf(over.dataset.name));
  });
  document.addEventListener("dragend", () => {
    if (dragged) dragged.draggable = false;
    dragged = null;
  });

  // --- The focal point: a click on the picture, or arrow keys on it

  const fieldsOf = (box) => ["x", "y"].map((axis) => $(`[name$=-focal_${axis}]`, box.closest(".picture")));
  const show = (box) => {
    const [x, y] = fieldsOf(box);
    box.style.setProperty("--x", `${x.value || 50}%`);
    box.style.setProperty("--y", `${y.value || 50}%`);
  };
  const set = (box, values) => {
    fieldsOf(box).forEach((field, index) => {
      field.value = Math.round(Math.min(100, Math.max(0, values[index])));
    });
    show(box);
    fieldsOf(box)[0].dispatchEvent(new Event("change", { bubbles: true })); // makes htmx save it
  };
  document.addEventListener("click", (event) => {
    const box = event.target.closest(".focal");
    if (!box || !event.detail) return;
    const { left, top, width, height } = box.getBoundingClientRect();
    set(box, [(100 * (event.clientX - left)) / width, (100 * (event.clientY - top)) / height]);
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.(".focal");
    const by = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!box || !by || event.altKey) return;
    event.preventDefault();
    set(
      box,
      fieldsOf(box).map((field, index) => Number(field.value || 50) + by[index]),
    );
  });
  document.addEventListener(
    "toggle",
    ({ target }) => {
      const box = target.open && $(".focal", target);
      if (box) show(box);
    },
    true,
  );

  document.addEventListener("input", ({ target }) => {
    if (target.name === "body" && formOf(target)) sort(formOf(target));
  });
  begin.push(sort);
})();
