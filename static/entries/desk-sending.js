"use strict";
// What could not be sent is sent again by itself, with the same key, so that it is
// one entry however often it arrives. A text that was changed meanwhile waits for its
// writer: it may be half a thought.
(() => {
  if (!window.Desk) return;
  const { formOf, valuesOf, say, sent } = window.Desk;
  const WAITS = [1500, 3000, 6000, 12000]; // milliseconds; the last one over and over
  const SAFE = "The text is still here; pressing the button again is safe.";
  const tries = new WeakMap(); // form -> {count, timer, button}

  const same = (form) => JSON.stringify(valuesOf(form)) === JSON.stringify(sent(form));
  const now = (form) => {
    const trial = tries.get(form);
    if (!trial?.timer) return;
    clearTimeout(trial.timer);
    trial.timer = 0;
    if (!form.isConnected || trial.button.form !== form) return;
    if (same(form)) form.requestSubmit(trial.button);
    else waits(form, trial);
  };
  const waits = (form, { button }) => {
    say(form, `Not sent, and you have changed the text: press “${button.textContent.trim()}” when it is ready.`, "bad");
    tries.delete(form);
  };

  window.Desk.again = (form, button, why) => {
    if (!button || ["preview", "picture"].includes(button.value)) return false;
    const trial = tries.get(form) ?? { count: 0 };
    const wait = WAITS[Math.min(trial.count, WAITS.length - 1)] * (1 + Math.random() / 4);
    clearTimeout(trial.timer);
    tries.set(form, {
      count: trial.count + 1,
      button,
      timer: setTimeout(() => now(form), wait),
    });
    form.toggleAttribute("data-retrying", true);
    say(form, `Failed: ${why}. Trying again by itself. ${SAFE}`, "bad");
    return true;
  };

  document.addEventListener("htmx:before:request", ({ target }) => {
    const trial = formOf(target) === target && tries.get(target);
    if (!trial) return;
    clearTimeout(trial.timer);
    trial.timer = 0;
  });
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    const form = formOf(ctx.sourceElement);
    if (form && ctx.response?.headers.get("desk-answer")) {
      tries.delete(form);
      form.removeAttribute("data-retrying");
    }
  });
  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    const trial = form && tries.get(form);
    if (!trial?.timer || same(form)) return;
    clearTimeout(trial.timer);
    waits(form, trial);
    form.removeAttribute("data-retrying");
  });
  window.addEventListener("online", () => {
    for (const form of document.querySelectorAll("form[data-retrying]")) now(form);
  });
})();
