"use strict";
// Pictures at the desk: chosen, dropped or pasted, each with its card of words.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, bodyOf, say, token, insertLine } = window.Desk;

  const upload = async (form, files) => {
    const field = $("[data-upload]", form);
    if (!field) return;
    for (const file of files) {
      const data = new FormData();
      data.append("file", file);
      say(form, `Uploading ${file.name}…`);
      try {
        const answer = await fetch(field.dataset.upload, {
          method: "POST",
          body: data,
          headers: { "X-CSRFToken": token() ?? "", "HX-Request": "true" },
        });
        const text = await answer.text();
        if (answer.ok && answer.headers.get("desk-answer")) takeCard(form, text);
        else {
          const known = answer.headers.get("desk-answer") ? text : "";
          say(form, `${file.name}: ${known || "it could not be uploaded. Try again."}`, "bad");
        }
      } catch {
        say(form, `${file.name}: no connection. Choose it again.`, "bad");
      }
    }
    field.value = "";
  };
  const takeCard = (form, html) => {
    const card = addCards(form, html)[0];
    if (!card) return;
    insertLine(bodyOf(form), `![](image:${card.dataset.name})`);
    say(form, "The picture is in the text. Say what it shows.", "good");
    $("[name$=-alt]", card).focus();
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
    } catch { /* their words can be given later: publishing asks for them */ }
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
