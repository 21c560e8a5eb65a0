// What must happen before the rest of a story's page is shown. Only syntax that very old
// browsers know is used here.
(function () {
  "use strict";

  // In one column FEATURE, which comes next in the source, follows the third update.
  const updates = document.getElementById("updates").children;
  for (let n = 0; n < updates.length && n < 3; n += 1) updates[n].style.order = 1;

  // Say so if the browser is too old for live updates (docs/browsers.md).
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
