"use strict";
// Posts as quotations: the form below the toolbar, and embed codes that are pasted. The
// server makes Markdown of both, and of codes also when the text is saved.
(() => {
  if (!window.Desk) return;
  const { $, desk, formOf, bodyOf, type, isComposing, insertBlock, words } = window.Desk;

  const post = (url, values) =>
    fetch(url, {
      method: "POST",
      body: new URLSearchParams(values),
      headers: window.Desk.headers(),
    });

  // --- The form

  const fieldsOf = (panel) => [...panel.querySelectorAll("[data-of]")];
  // What is typed survives a reload, until it is inserted into the same text.
  const placeOf = (panel) => {
    const { user, story } = desk.dataset;
    return `desk:${user}:quote:${story}:${formOf(panel).dataset.form}`;
  };
  const keep = (panel) => {
    const place = placeOf(panel);
    const values = fieldsOf(panel).map((field) => field.value);
    try {
      if (values.some(Boolean)) localStorage.setItem(place, JSON.stringify(values));
      else localStorage.removeItem(place);
    } catch {
      // Storage is forbidden.
    }
  };
  const restore = (panel) => {
    const fields = fieldsOf(panel);
    if (fields.some(({ value }) => value)) return;
    try {
      const values = JSON.parse(localStorage.getItem(placeOf(panel))) ?? [];
      fields.forEach((field, at) => (field.value = values[at] ?? ""));
    } catch {
      // Storage is forbidden, or the value is damaged.
    }
  };
  document.addEventListener("input", ({ target }) => {
    const panel = target.closest(".quoting");
    if (panel) keep(panel);
  });
  const toggle = (panel, opened = panel.hidden) => {
    if (opened) restore(panel);
    panel.hidden = !opened;
    if (opened) $("[data-of=text]", panel).focus();
    else bodyOf(formOf(panel)).focus();
  };
  // Whether the editor has not gone on to another field meanwhile.
  const inUse = (panel) => [document.body, ...panel.querySelectorAll("*")].includes(document.activeElement);
  const complain = (panel, errors, message = "") => {
    for (const field of fieldsOf(panel)) field.removeAttribute("aria-invalid");
    const wrong = fieldsOf(panel).filter((field) => errors[field.dataset.of]);
    for (const field of wrong) field.setAttribute("aria-invalid", "true");
    $(".error", panel).textContent = message || Object.values(errors).join(" ");
    if (inUse(panel)) wrong[0]?.focus();
  };
  const inserting = new WeakSet(); // panels
  const insert = async (panel) => {
    if (inserting.has(panel)) return;
    inserting.add(panel);
    await request(panel).finally(() => inserting.delete(panel));
  };
  const request = async (panel) => {
    const values = fieldsOf(panel).map((field) => [field.dataset.of, field.value]);
    let made;
    try {
      const answer = await post(panel.dataset.quotePost, values);
      if (!answer.headers.get("desk-answer")) throw new Error(String(answer.status));
      if (!/json/.test(answer.headers.get("Content-Type"))) return void complain(panel, {}, await answer.text());
      made = await answer.json();
    } catch {
      return void complain(panel, {}, words("find_offline"));
    }
    if (!panel.isConnected || panel.hidden) return; // cancelled: what was typed is kept
    complain(panel, made.errors ?? {});
    if (made.errors) return;
    if (inUse(panel)) toggle(panel, false);
    else panel.hidden = true;
    insertBlock(bodyOf(formOf(panel)), made.text);
    fieldsOf(panel).forEach((field, at) => {
      if (field.value === values[at][1]) field.value = "";
    });
    keep(panel);
  };
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-quote], [data-insert-quote], [data-close-quote]");
    if (!button) return;
    const panel = $(".quoting", formOf(button));
    if ("quote" in button.dataset) toggle(panel);
    else if ("insertQuote" in button.dataset) insert(panel);
    else toggle(panel, false);
  });
  document.addEventListener(
    "keydown",
    (event) => {
      const panel = event.target.closest?.(".quoting");
      if (!panel || event.isComposing) return;
      const sends = event.key === "Enter" && (event.target.matches("input") || event.ctrlKey || event.metaKey);
      if (event.key === "Escape") toggle(panel, false);
      else if (sends) insert(panel);
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );

  // --- Embed codes

  const CODE =
    /<(?:iframe\b[^<>]*\ssrc=|(?:blockquote|div)\b[^<>]*\sclass=|(?:blockquote|div|script)\b[^<>]*\s(?:data-[\w-]+|style|src)=)/i;
  // Insert a pasted code as it is, and then what the server makes of it, in its place.
  const pasteCode = async (area, plain) => {
    const code = plain.replace(/\r\n?/g, "\n");
    type(area, code);
    let made;
    try {
      const answer = await post($(".quoting", formOf(area)).dataset.reduce, { text: code });
      made = answer.ok ? (await answer.json()).text : code;
    } catch {
      return; // the server does the same when the text is saved
    }
    // The area may have left the page, or the editor be typing elsewhere or composing a
    // word: the code is then reduced when the text is saved.
    if (document.activeElement !== area || isComposing()) return;
    const at = area.value.indexOf(code);
    if (made === code || at < 0) return;
    const before = area.value.slice(0, at);
    const after = area.value.slice(at + code.length);
    const gap = before.trim() ? "\n\n".slice(before.match(/\n{0,2}$/)[0].length) : "";
    const rest = after.trim() ? "\n\n".slice(after.match(/^\n{0,2}/)[0].length) : "";
    const caret = area.selectionEnd;
    area.setSelectionRange(at, at + code.length);
    type(area, gap + made + rest);
    const moved = area.selectionEnd - (at + code.length);
    const place = caret >= at + code.length ? caret + moved : Math.min(caret, at);
    area.setSelectionRange(place, place);
  };
  Object.assign(window.Desk, { isCode: (text) => CODE.test(text), pasteCode });
})();
