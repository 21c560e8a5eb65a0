"use strict";
// The preview: as wide as a phone or a desktop screen, as high as its content, and rendered
// by the server again while the text is typed.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf } = window.Desk;
  const PAUSE = 900; // milliseconds after the last key
  const MAX_HEIGHT = 720; // pixels, as displayed on this page
  const WIDTH = "desk:preview-width";

  let width = 390;
  try {
    width = Number(localStorage.getItem(WIDTH)) || 390;
  } catch {
    /* storage is forbidden */
  }

  const fit = (frame) => {
    const page = frame.contentDocument?.documentElement;
    const box = frame.closest(".preview-box");
    if (!page || !box) return;
    frame.style.inlineSize = `${width}px`;
    frame.style.blockSize = "0"; // otherwise scrollHeight is at least the frame's height
    const scale = Math.min(1, box.clientWidth / width);
    const high = Math.min(page.scrollHeight + 2, MAX_HEIGHT / scale);
    frame.style.blockSize = `${high}px`;
    frame.style.transform = scale < 1 ? `scale(${scale})` : "";
    box.style.blockSize = `${high * scale}px`;
    for (const button of box.parentElement.querySelectorAll("[data-width]")) {
      button.setAttribute("aria-pressed", Number(button.dataset.width) === width);
    }
  };
  const all = () => document.querySelectorAll("iframe.preview");
  const begin = () => {
    for (const frame of document.querySelectorAll("iframe.preview:not([data-ready])")) {
      frame.dataset.ready = "";
      frame.addEventListener("load", () => {
        fit(frame);
        if (!quiet) frame.scrollIntoView({ block: "nearest" });
        quiet = false;
      });
    }
  };
  let quiet = false; // whether the preview updated by itself, so that nothing scrolls
  document.addEventListener("htmx:after:swap", begin);
  window.addEventListener("resize", () => all().forEach(fit));
  begin();

  document.addEventListener("click", ({ target }) => {
    const chosen = target.closest(".preview-bar button");
    if (!chosen) return;
    const slot = chosen.closest(".preview-slot");
    if (!chosen.dataset.width) {
      slot.replaceChildren();
      $("[value=preview]", formOf(slot))?.focus();
      return;
    }
    width = Number(chosen.dataset.width);
    try {
      localStorage.setItem(WIDTH, width);
    } catch {
      /* storage is forbidden */
    }
    all().forEach(fit);
  });

  let timer = 0;
  let turn = 0;
  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    const slot = form && byId(`${form.dataset.form}-preview`);
    if (!slot || !target.name || !$("iframe.preview", slot)) return;
    clearTimeout(timer);
    timer = setTimeout(() => again(form, slot), PAUSE);
  });
  const again = async (form, slot) => {
    const mine = ++turn;
    const data = new FormData(form);
    data.set("action", "preview");
    data.delete("file");
    const token = window.Desk.token();
    try {
      const answer = await fetch(form.getAttribute("action"), {
        method: "POST",
        body: data,
        headers: { "HX-Request": "true", "X-CSRFToken": token ?? "" },
      });
      if (!answer.ok || !answer.headers.get("desk-answer")) return;
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = $("iframe.preview", parsed);
      const frame = $("iframe.preview", slot);
      if (!fresh || !frame || mine !== turn) return; // a newer preview arrived first
      quiet = true;
      frame.srcdoc = fresh.getAttribute("srcdoc");
    } catch {
      /* the preview button will show the error */
    }
  };
})();
