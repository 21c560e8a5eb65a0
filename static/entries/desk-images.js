"use strict";
// Pictures at the desk: chosen, dropped or pasted, each with its card of words.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, bodyOf, say, token, insertLine } = window.Desk;

  const AT_ONCE = 3;

  // XMLHttpRequest, since fetch does not tell how much has gone.
  const send = (url, file, meter) =>
    new Promise((resolve) => {
      const data = new FormData();
      data.append("file", file);
      const request = new XMLHttpRequest();
      request.open("POST", url);
      request.setRequestHeader("X-CSRFToken", token() ?? "");
      request.setRequestHeader("HX-Request", "true");
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        meter.value = loaded / total;
        if (loaded === total) meter.removeAttribute("value"); // being looked at by the server
      });
      request.addEventListener("loadend", () => {
        const ours = request.getResponseHeader("desk-answer");
        const html = ours && request.status === 200 ? request.responseText : "";
        const known = ours ? request.responseText : "";
        let words = request.status ? "it could not be uploaded. Try again." : "no connection. Choose it again.";
        if (request.status === 413) words = "it is too large: a picture may have 25 MB."; // a proxy says so
        resolve({ html, error: html ? "" : `${file.name}: ${known || words}` });
      });
      request.send(data);
    });
  const upload = async (form, files) => {
    const field = $("[data-upload]", form);
    if (!field) return;
    const list = byId(`${form.dataset.form}-uploads`);
    const waiting = files.map((file) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      const meter = document.createElement("progress");
      name.textContent = file.name;
      meter.max = 1;
      meter.value = 0;
      meter.setAttribute("aria-label", `Uploading ${file.name}`);
      item.append(name, meter);
      list.append(item);
      return { file, item, meter };
    });
    say(form, files.length > 1 ? `Uploading ${files.length} pictures…` : `Uploading ${files[0].name}…`);
    const url = field.dataset.upload;
    field.value = "";
    const answers = [];
    const next = async (index) => {
      if (index >= waiting.length) return;
      const { file, item, meter } = waiting[index];
      answers[index] = await send(url, file, meter);
      item.remove();
      await next(index + AT_ONCE);
    };
    await Promise.all(waiting.slice(0, AT_ONCE).map((_, index) => next(index)));
    // In the order in which they were chosen, whichever came first.
    const cards = answers.flatMap(({ html }) => (html ? addCards(form, html) : []));
    for (const card of cards) insertLine(bodyOf(form), `![](image:${card.dataset.name})`);
    const errors = answers.map(({ error }) => error).filter(Boolean);
    if (errors.length) say(form, errors.join(" "), "bad");
    else
      say(
        form,
        cards.length > 1
          ? "The pictures are in the text. Say what each shows."
          : "The picture is in the text. Say what it shows.",
        "good",
      );
    const empty = cards.map((card) => $("[name$=-alt]", card)).find((alt) => !alt.value);
    (empty ?? $("[name$=-alt]", cards[0] ?? form) ?? bodyOf(form)).focus();
  };
  const addCards = (form, html) => {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const list = byId(`${form.dataset.form}-pictures`);
    return [...parsed.querySelectorAll(".picture")].map((card) => {
      const known = $(`[data-name="${CSS.escape(card.dataset.name)}"]`, list);
      if (known) return known;
      list.append(card);
      window.htmx?.process(card);
      return card;
    });
  };
  const showCards = async (form) => {
    const field = $("[data-shown]", form);
    const names = [...bodyOf(form).value.matchAll(/^ *!\[[^\]]*\]\(image:([^)\s]+)\)/gm)];
    if (!field || !names.length) return;
    const query = new URLSearchParams(names.map((found) => ["name", found[1]]));
    try {
      const answer = await fetch(`${field.dataset.shown}?${query}`);
      if (answer.ok) addCards(form, await answer.text());
    } catch {
      /* their words can be given later: publishing asks for them */
    }
  };
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-upload]") && target.files.length) {
      upload(formOf(target), [...target.files]);
    }
  });
  const pasted = (event, from) => {
    const form = formOf(event.target);
    const files = [...(from?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!form || !files.length) return;
    event.preventDefault();
    upload(form, files);
  };
  document.addEventListener("paste", (event) => pasted(event, event.clipboardData));
  document.addEventListener("drop", (event) => pasted(event, event.dataTransfer));
  document.addEventListener("dragover", (event) => {
    if (formOf(event.target) && event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  document.addEventListener("desk:restored", ({ detail: form }) => showCards(form));
})();
