"use strict";
// Panels of a row, the keys of a search in them, lists ordered by dragging, and the
// moderators' list of the latest updates. Forms and links work without it.
(() => {
  // --- A panel is closed by its own link or Escape, and focus goes back.

  const shut = (link) => {
    const after = document.getElementById(link.dataset.after);
    after?.closest("#lately .row")?.classList.remove("on");
    link.closest(".panel").remove();
    after?.focus();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest(":is(.row, .context) .panel [data-shut]");
    if (!link) return;
    event.preventDefault();
    shut(link);
  });

  // --- Enter or the down key goes from what is typed to what was found

  const step = (event, found, here) => {
    const buttons = [...found.querySelectorAll("button")];
    const next = buttons[buttons.indexOf(here) + (event.key === "ArrowUp" ? -1 : 1)];
    if (next) next.focus();
    else if (event.key === "ArrowUp") found.parentElement.querySelector("[type=search]")?.focus();
    event.preventDefault();
  };
  document.addEventListener("keydown", (event) => {
    const { key, target, isComposing } = event;
    if (isComposing) return;
    const within = target.closest(".panel, .adding");
    if (key === "Escape") {
      const link = target.closest(":is(.row, .context) .panel")?.querySelector("[data-shut]");
      if (link) shut(link);
    } else if (within && target.matches("[type=search]") && /^(Enter|ArrowDown)$/.test(key)) {
      step(event, within.querySelector(".found"));
    } else if (target.matches(".found button") && /^Arrow(Up|Down)$/.test(key)) {
      step(event, target.closest(".found"), target);
    }
  });

  // --- Order by dragging; the buttons Up and Down do the same

  let dragged = null;
  const itemOf = (target) => target.closest?.(".links li[data-link]");
  const order = (list) => [...list.children].map((item) => item.dataset.link).join();
  let before = "";

  document.addEventListener("pointerdown", ({ target }) => {
    const item = itemOf(target);
    if (item) item.draggable = target.closest(".grip") !== null;
  });
  document.addEventListener("dragstart", (event) => {
    dragged = itemOf(event.target);
    if (!dragged) return;
    before = order(dragged.parentElement);
    event.dataTransfer.effectAllowed = "move";
    dragged.classList.add("dragged");
  });
  document.addEventListener("dragover", (event) => {
    const item = itemOf(event.target);
    if (!dragged || item?.parentElement !== dragged.parentElement) return;
    event.preventDefault();
    const { top, height } = item.getBoundingClientRect();
    const part = (event.clientY - top) / height;
    const downwards = dragged.compareDocumentPosition(item) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (downwards && part > 0.3) item.after(dragged);
    else if (!downwards && part < 0.7) item.before(dragged);
  });
  document.addEventListener("dragend", () => {
    if (!dragged) return;
    const list = dragged.parentElement;
    dragged.classList.remove("dragged");
    dragged.draggable = false;
    dragged = null;
    if (order(list) === before) return;
    const form = list.closest(".links").querySelector(".ordering");
    form.elements.order.value = order(list);
    form.requestSubmit();
  });

  // --- The latest updates, while nobody works on them or reads further down

  const lately = document.getElementById("lately");
  if (lately) {
    setInterval(() => {
      const busy = lately.contains(document.activeElement) || lately.querySelector(".on");
      const { scrollTop } = lately.closest(".scroll") ?? document.documentElement;
      if (document.hidden || busy || scrollTop + scrollY > 200) return;
      lately.dispatchEvent(new Event("look-again"));
    }, 10_000);
  }
})();
