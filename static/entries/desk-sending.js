"use strict";
// Retry forms that could not be sent. The form's key stays the same, so a text that arrives
// twice is still one entry. A text that was changed since is not retried, since it may be
// unfinished.
(() => {
  if (!window.Desk) return;
  const { formOf, valuesOf, say, words, labelOf, sent } = window.Desk;
  const WAITS = [1500, 3000, 6000, 12000]; // milliseconds; the last one repeats
  const tries = new WeakMap(); // form -> {count, timer, button}

  const same = (form) => JSON.stringify(valuesOf(form)) === JSON.stringify(sent(form));
  const now = (form) => {
    const trial = tries.get(form);
    if (!trial?.timer && !trial?.held) return;
    clearTimeout(trial.timer);
    trial.timer = 0;
    trial.held = false;
    if (!form.isConnected || trial.button.form !== form) return;
    if (same(form)) form.requestSubmit(trial.button);
    else waits(form, trial);
  };
  const waits = (form, { button }) => {
    say(form, words("changed_since", { button: labelOf(button) }), "bad");
    tries.delete(form);
  };

  const repeats = (button) => button && !["preview", "picture"].includes(button.value);
  window.Desk.again = (form, button, message) => {
    if (!repeats(button)) return false;
    const trial = tries.get(form) ?? { count: 0 };
    const wait = WAITS[Math.min(trial.count, WAITS.length - 1)] * (1 + Math.random() / 4);
    clearTimeout(trial.timer);
    tries.set(form, {
      count: trial.count + 1,
      button,
      timer: setTimeout(() => now(form), wait),
    });
    form.toggleAttribute("data-retrying", true);
    say(form, message, "bad");
    return true;
  };
  // Hold the form of a user who was signed out, and send it after they sign in.
  window.Desk.hold = (form, button) => {
    if (!repeats(button)) return false;
    tries.set(form, { count: 0, timer: 0, held: true, button });
    return true;
  };
  document.addEventListener("desk:signed-in", () => {
    for (const form of window.Desk.forms()) now(form);
  });

  document.addEventListener("htmx:before:request", ({ target }) => {
    const trial = formOf(target) === target && tries.get(target);
    if (!trial) return;
    clearTimeout(trial.timer);
    trial.timer = 0;
    trial.held = false;
  });
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    const form = formOf(ctx.sourceElement);
    const { status, headers } = ctx.response ?? {};
    if (form && status !== 401 && headers?.get("desk-answer")) {
      tries.delete(form);
      form.removeAttribute("data-retrying");
    }
  });
  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    const trial = form && tries.get(form);
    if (!(trial?.timer || trial?.held) || same(form)) return;
    clearTimeout(trial.timer);
    waits(form, trial);
    form.removeAttribute("data-retrying");
  });
  window.addEventListener("online", () => {
    for (const form of document.querySelectorAll("form[data-retrying]")) now(form);
  });
})();
