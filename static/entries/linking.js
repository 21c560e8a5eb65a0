"use strict";
// Panels that open in a row: closed by their own link or Escape, focus goes back.
(() => {
  const shut = (link) => {
    const after = document.getElementById(link.dataset.after);
    link.closest(".panel").remove();
    after?.focus();
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".row .panel [data-shut]");
    if (!link) return;
    event.preventDefault();
    shut(link);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    const link = event.target.closest(".row .panel")?.querySelector("[data-shut]");
    if (link) shut(link);
  });
})();
