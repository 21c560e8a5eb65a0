// What must happen before the rest of a page is shown. Only syntax that very old browsers
// know is used here.
(function () {
  "use strict";

  // In one column FEATURE, which comes next in the source, follows the third update.
  const updates = document.getElementById("updates").children;
  for (let n = 0; n < updates.length && n < 3; n += 1) updates[n].style.order = 1;
})();
