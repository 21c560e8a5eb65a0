// The first of a page's scripts to be requested, so that it arrives if any does: load a
// page again that lacks others, and say so if the browser is too old for live updates.
// Only syntax that very old browsers know is used here.
(function () {
  "use strict";

  // Without one of its scripts, which the network may have cut, a page would stay as it
  // is: load it again, but not before everything can be fetched, since a failure would
  // leave the reader without the page.
  const live = document.getElementById("live");
  const lost = [].slice.call(document.querySelectorAll("script[defer]:not([src*=rescue])")); // not itself
  const tries = (history.state && history.state.tries) || 0;
  let delay = 1000 * Math.pow(2, Math.min(tries, 5));
  const fetchAll = function (urls) {
    if (!urls.length) return Promise.resolve();
    return fetch(urls[0], { cache: "reload" })
      .then(function (response) {
        return response.ok ? response.blob() : Promise.reject(response.status);
      })
      .then(function () {
        return fetchAll(urls.slice(1));
      });
  };
  const loadAgain = function () {
    const urls = lost.map(function (script) {
      return script.src;
    });
    fetchAll(urls.concat(location.href.split("#")[0])).then(function () {
      history.replaceState(Object.assign({}, history.state, { tries: tries + 1 }), "");
      location.reload();
    }, retry);
  };
  const show = function (state) {
    live.querySelector(".state > .word").textContent = live.getAttribute("data-" + state);
    live.setAttribute("data-state", state);
  };
  const retry = function () {
    setTimeout(loadAgain, delay);
    delay = Math.min(2 * delay, 32e3);
  };
  lost.slice().forEach(function (script) {
    script.addEventListener("load", function () {
      lost.splice(lost.indexOf(script), 1);
    });
  });
  document.addEventListener("DOMContentLoaded", function () {
    if (!lost.length || !window.fetch) return;
    if (live && live.getAttribute("data-state") === "connecting") show("reconnecting");
    retry();
  });

  // Say so if the browser is too old for live updates (docs/browsers.md).
  const supported =
    window.ReadableStream &&
    Array.prototype.findLast &&
    HTMLInputElement.prototype.showPicker &&
    CSS.supports("translate: none");
  if (live && !supported && live.getAttribute("data-state") !== "ended") show("unsupported");
})();
