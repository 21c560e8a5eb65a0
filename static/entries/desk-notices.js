"use strict";
// Hints before publishing: that a colleague has just published something, or that the story
// already has the same external link. They are shown beside the buttons and block nothing.
(() => {
  if (!window.Desk) return;
  // Put the time that a hint offers into its field.
  document.addEventListener("click", ({ target }) => {
    const choice = target.closest?.("button[data-time]");
    const field = choice?.form?.elements.at;
    if (!field) return;
    field.focus();
    field.select();
    document.execCommand("insertText", false, choice.dataset.time);
  });
  const { byId, bodyOf, empty, token } = window.Desk;
  const form = byId("composer");
  const slot = byId("composer-notices");
  if (!form || !slot) return;
  const PAUSE = 500; // milliseconds after the last key
  const FADES = 30000; // milliseconds until hints are checked again

  let timer = 0;
  let asked = "";
  let turn = 0;
  const show = (html) => {
    if (slot.innerHTML !== html) slot.innerHTML = html;
  };
  const look = async () => {
    timer = 0;
    const mine = ++turn;
    if (empty(form)) return void show("");
    try {
      const answer = await fetch(slot.dataset.look, {
        method: "POST",
        body: new URLSearchParams({ body: bodyOf(form).value }),
        headers: { "X-CSRFToken": token() ?? "", "HX-Request": "true" },
      });
      const html = (await answer.text()).trim();
      const ours = answer.ok && answer.headers.get("desk-answer");
      if (ours && mine === turn && !empty(form)) show(html);
    } catch {
      /* hints are optional: publishing does not wait for them */
    }
    if (slot.innerHTML) soon(FADES);
  };
  const soon = (wait = PAUSE) => {
    clearTimeout(timer);
    timer = setTimeout(look, wait);
  };
  const urls = () => (bodyOf(form).value.match(/https?:\/\/\S+/gi) ?? []).join(" ");

  form.addEventListener("input", () => {
    const now = empty(form) ? "" : `text ${urls()}`;
    if (now === asked) return;
    asked = now;
    soon(now ? PAUSE : 0);
  });
  document.addEventListener("htmx:after:swap", ({ target, detail }) => {
    const news = target.id === "poll" && detail.ctx?.response?.status === 200;
    if (news && !empty(form)) soon();
  });
})();
