"use strict";
// Panels of a row, keyboard control of the search in them, lists sorted by dragging, and the
// moderators' list of latest updates. Forms and links work without it.
(() => {
  // --- Close a panel by its own link or Escape, and return focus

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

  // --- Enter and the arrow keys move from the search field to the results

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

  // --- Sort by dragging, as with the buttons Up and Down

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

  // --- Refresh the latest updates, unless the user works on them or has scrolled down

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
