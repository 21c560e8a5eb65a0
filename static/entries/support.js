// Say so if the browser is too old for live updates (docs/browsers.md). Only syntax that
// very old browsers know is used here.
(function () {
  "use strict";

  const live = document.getElementById("live");
  const supported =
    window.ReadableStream &&
    Array.prototype.findLast &&
    HTMLInputElement.prototype.showPicker &&
    CSS.supports("translate: none");
  if (!live || supported || live.getAttribute("data-state") === "ended") return;
  live.querySelector(".state > .word").textContent = live.getAttribute("data-unsupported");
  live.setAttribute("data-state", "unsupported");
})();
