"use strict";
// Upload images that were chosen, dropped or pasted. The image's line is inserted into the
// text at once, with a name generated here, and the finished upload changes nothing in the
// text. The tray shows the images that the text names, so an upload cannot end up in another
// form, or in one that was sent in the meantime.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, bodyOf, valuesOf, keyOf, say, words, headers, insertBlock, removeBlock, begin, forms } =
    window.Desk;

  const AT_ONCE = 3;
  const PAUSE = 700; // milliseconds after the last key
  const USABLE_TYPE = /^(image|video|audio)\//;
  const EXTENSION = /\.(avif|gif|heic|heif|hif|jpe?g|png|webp|mp4|m4v|mov|webm|mp3|m4a|weba)$/i;
  const RECORDING = /^(video|audio)\/|\.(mp4|m4v|mov|webm|mp3|m4a|weba)$/i;
  const ALPHABET = "23456789bcdfghjkmnpqrstvwxyz"; // without vowels, so that names are not words
  const uploads = new Map(); // name -> {name, file, url, state, loaded, error, ...}; see start()
  const arrived = new Map(); // name -> HTML of its card
  const waiting = new WeakMap(); // form -> {button, values, key}
  const batches = new WeakMap(); // form -> names of the uploads in its progress message

  // --- Unique names

  const random = () =>
    [...crypto.getRandomValues(new Uint8Array(6))].map((n) => ALPHABET[n % ALPHABET.length]).join("");
  const nameFor = (file) => {
    const stem = file.name
      .replace(/\.[^.]*$/, "")
      .normalize("NFKC")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\s-]/gu, "")
      .trim()
      .replace(/[\s-]+/g, "-")
      .slice(0, 60)
      .replace(/^[-_]+|[-_]+$/g, "");
    return `${stem && stem !== "image" ? stem : "picture"}-${random()}`;
  };
  const NAMED = /^ *!\[[^\]]*\]\((?:image|media):([\w.\-\p{L}\p{N}]+)\) *$/gmu;
  const namesIn = (form) => [...(bodyOf(form)?.value ?? "").matchAll(NAMED)].map((found) => found[1]);
  const uploadsOf = (form) => namesIn(form).flatMap((name) => uploads.get(name) ?? []);

  // --- Uploading a few files at a time

  const pump = () => {
    const all = [...uploads.values()];
    let free = AT_ONCE - all.filter(({ state }) => state === "sending").length;
    for (const upload of all) {
      if (upload.state === "waiting" && free-- > 0) send(upload);
    }
  };
  const start = (file, url, name = nameFor(file)) => {
    uploads.set(name, { name, file, url, state: "waiting", loaded: 0, error: "", item: null });
    return name;
  };
  // XMLHttpRequest, since fetch does not report upload progress.
  const send = (upload) => {
    const data = new FormData();
    const request = new XMLHttpRequest();
    upload.state = "sending";
    upload.request = request;
    data.append("file", upload.file);
    data.append("name", upload.name);
    request.open("POST", upload.url);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      upload.loaded = loaded / total;
      render();
    });
    request.addEventListener("loadend", () => finish(upload, request));
    request.send(data);
  };
  const finish = (upload, request) => {
    if (!uploads.has(upload.name)) return; // removed during the upload
    const { status, responseText } = request;
    const ours = request.getResponseHeader("desk-answer");
    if (ours && status === 200) {
      uploads.delete(upload.name);
      arrived.set(upload.name, responseText);
    } else {
      upload.state = "failed";
      upload.offline = !status;
      upload.out = status === 401 || (status === 403 && !ours);
      upload.error = words(status ? (status === 413 ? "too_large" : "upload_failed") : "upload_offline");
      if (upload.out) upload.error = words("signed_out_again");
      else if (ours) upload.error = responseText;
    }
    for (const form of forms()) {
      if (namesIn(form).includes(upload.name)) report(form, upload);
    }
    render();
    pump();
  };
  const retry = (upload) => {
    Object.assign(upload, { state: "waiting", loaded: 0, error: "" });
    render();
    pump();
  };
  window.addEventListener("online", () => {
    for (const upload of uploads.values()) if (upload.offline && upload.state === "failed") retry(upload);
  });
  document.addEventListener("desk:signed-in", () => {
    for (const upload of uploads.values()) if (upload.out && upload.state === "failed") retry(upload);
  });

  // --- Messages, and the cards in the tray

  const report = (form, upload) => {
    if (upload.state === "failed") {
      waiting.delete(form);
      say(form, `${upload.file.name}: ${upload.error}`, "bad");
      if (upload.out) say(form, upload.error, "bad", window.Desk.signInLink());
      return;
    }
    showCard(form, upload.name);
    const left = uploadsOf(form);
    if (!left.length) batches.delete(form);
    if (left.length || waiting.has(form) || form.hasAttribute("data-sending")) return;
    const bare = [...byId(`${form.dataset.form}-pictures`).querySelectorAll("[name$=-alt]")].filter(
      ({ value }) => !value,
    );
    const one = bare[0]?.closest(".recording") ? "uploaded_recording" : "uploaded_one";
    const key = bare.length ? (bare.length > 1 ? "uploaded" : one) : "uploaded_known";
    say(form, words(key, { number: bare.length }), "good");
  };
  const made = (tag, text = "", attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const button = (text, label, act) => {
    const element = made("button", text, { type: "button", class: "text-link", "aria-label": label });
    element.addEventListener("click", act);
    return element;
  };
  const itemOf = (upload, form) => {
    const { name, file, state, error } = upload;
    const shown = `${state} ${error}`;
    if (!upload.item) upload.item = made("li", "", { "data-upload-name": name });
    if (upload.item.dataset.shown !== shown) {
      const title = file?.name ?? name;
      const parts = [made("span", title)];
      if (state === "failed") {
        parts.push(made("span", error, { class: "error" }));
        if (file) parts.push(button(words("retry"), words("retry_name", { name: title }), () => retry(upload)));
        const label = words("remove_name", { name: title });
        parts.push(button(words("remove"), label, () => remove(upload, formOf(upload.item) ?? form)));
      } else parts.push(made("progress", "", { max: 1, value: 0, "aria-label": words("uploading", { name: title }) }));
      upload.item.dataset.shown = shown;
      upload.item.dataset.state = state;
      upload.item.replaceChildren(...parts);
    }
    const meter = $("progress", upload.item);
    if (meter && upload.loaded < 1) meter.value = upload.loaded;
    else meter?.removeAttribute("value"); // sent; the server is processing it
    return upload.item;
  };
  const render = () => {
    for (const form of forms()) {
      const list = byId(`${form.dataset.form}-uploads`);
      if (!list) continue;
      const items = uploads.size ? uploadsOf(form).map((upload) => itemOf(upload, form)) : [];
      for (const old of [...list.children]) if (!items.includes(old)) old.remove();
      items.forEach((item, at) => {
        if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
      });
      if (arrived.size) for (const name of namesIn(form)) showCard(form, name);
      settle(form);
    }
  };
  const remove = (upload, form) => {
    uploads.delete(upload.name);
    upload.request?.abort();
    for (const kind of ["image", "media"]) removeBlock(bodyOf(form), `(${kind}:${upload.name})`);
    say(form, "");
    render();
    pump();
  };
  const showCard = (form, name) => {
    if (!arrived.has(name)) return;
    addCards(form, arrived.get(name));
    arrived.delete(name); // the card's fields are the current ones now
  };
  const addCards = (form, html) => {
    const list = byId(`${form.dataset.form}-pictures`);
    if (!list) return;
    const parsed = new DOMParser().parseFromString(html, "text/html");
    for (const card of parsed.querySelectorAll(".picture")) {
      if ($(`[data-name="${CSS.escape(card.dataset.name)}"]`, list)) continue;
      // Insert it in the order of the text, so that no card with focus has to move.
      const names = namesIn(form);
      const place = names.indexOf(card.dataset.name);
      const later = [...list.children].find((one) => names.indexOf(one.dataset.name) > place);
      list.insertBefore(card, (place >= 0 && later) || null);
      window.htmx?.process(card);
    }
  };
  const cardOf = (form, name) => $(`.picture[data-name="${CSS.escape(name)}"]`, form);
  // For a restored draft: load the cards of its images, and find missing uploads.
  const showCards = async (form, restored) => {
    const field = $("[data-shown]", form);
    const names = namesIn(form);
    if (!field || !names.length) return;
    const query = new URLSearchParams(names.map((name) => ["name", name]));
    try {
      const answer = await fetch(`${field.dataset.shown}?${query}`, { headers: { "HX-Request": "true" } });
      if (!answer.ok || !answer.headers.get("desk-answer") || !form.isConnected) return;
      addCards(form, await answer.text());
      for (const name of restored ? namesIn(form) : []) {
        const known = uploads.has(name) || arrived.has(name) || !names.includes(name);
        if (known || cardOf(form, name)) continue;
        uploads.set(name, { name, file: null, state: "failed", loaded: 0, error: words("upload_lost"), item: null });
      }
      render();
    } catch {
      /* publishing will ask for the missing descriptions */
    }
  };

  // --- Publishing waits for uploads; saving a draft does not

  document.addEventListener(
    "submit",
    (event) => {
      const form = formOf(event.target);
      const pressed = event.submitter;
      if (!form || event.target !== form || ["draft", "preview"].includes(pressed?.value)) return;
      const ours = uploadsOf(form).filter(({ file }) => file); // the server checks the others
      if (!ours.length) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (ours.some(({ state }) => state === "failed")) return void say(form, words("upload_first"), "bad");
      waiting.set(form, { button: pressed, values: valuesOf(form), key: keyOf(form) });
      form.dataset.waiting = "";
      settle(form);
    },
    true,
  );
  const stop = (form) => {
    waiting.delete(form);
    delete form.dataset.waiting;
  };
  const settle = (form) => {
    const wait = waiting.get(form);
    if (!wait) return void delete form.dataset.waiting;
    const left = uploadsOf(form).filter(({ file }) => file);
    if (keyOf(form) !== wait.key) return stop(form); // the form has another text now
    if (left.length) return void progress(form, left);
    stop(form);
    const now = valuesOf(form);
    const same = Object.entries(wait.values).every(([name, value]) => now[name] === value);
    if (!wait.button.isConnected) return;
    if (same) form.requestSubmit(wait.button);
    else say(form, words("changed_while_waiting", { button: window.Desk.labelOf(wait.button) }), "bad");
  };
  const progress = (form, left) => {
    const total = new Set([...(batches.get(form) ?? []), ...left.map(({ name }) => name)]).size;
    const gone = total - left.length + left.reduce((sum, { loaded }) => sum + loaded, 0);
    const said = { number: total - left.length + 1, total, percent: Math.floor((100 * gone) / total) };
    const status = window.Desk.statusOf(form);
    const text = words("waiting", said);
    // Screen readers announce each finished image, but not each percentage.
    const line = $(".waiting-line", status);
    if (line?.dataset.number === String(said.number)) {
      if (line.textContent !== text) line.textContent = text;
      return;
    }
    const cancel = made("button", words("cancel"), { type: "button", class: "text-link cancel-waiting" });
    cancel.addEventListener("click", () => {
      stop(form);
      say(form, words("not_sent_yet"));
      bodyOf(form).focus();
    });
    say(form, "", "", made("span", text, { class: "waiting-line", "data-number": said.number }), " ", cancel);
  };
  document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
    if (formOf(target) !== target || !uploads.size) return;
    for (const { name } of uploadsOf(target)) ctx.request.body.append("pending", name);
  });

  // --- Chosen, dropped, pasted

  const isUsable = (file) => USABLE_TYPE.test(file.type) || EXTENSION.test(file.name);
  const isRecording = (file) => RECORDING.test(file.type) || RECORDING.test(file.name);
  const lineFor = (name) => `![](${isRecording(uploads.get(name).file) ? "media" : "image"}:${name})`;
  const bring = (form, files, at) => {
    const field = $("[data-upload]", form);
    if (!field) return void say(form, words("no_pictures"), "bad");
    const images = files.filter(isUsable);
    const others = files.filter((file) => !isUsable(file)).map(({ name }) => name);
    if (others.length) say(form, words("not_a_picture", { names: others.join(", ") }), "bad");
    if (!images.length) return;
    if (!others.length) say(form, "");
    const names = images.map((file) => start(file, field.dataset.upload));
    batches.set(form, new Set([...(batches.get(form) ?? []), ...names]));
    insertBlock(bodyOf(form), names.map(lineFor).join("\n\n"), at);
    render();
    pump();
  };
  window.Desk.bringPictures = bring;

  document.addEventListener("change", ({ target }) => {
    if (!target.matches("[data-upload]") || !target.files.length) return;
    const files = [...target.files];
    target.value = "";
    bring(formOf(target), files);
  });
  // --- A recording's captions and poster, chosen on its card

  const change = (field, value) => {
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const bringPoster = (input, file) => {
    const field = byId(input.dataset.poster);
    const said = byId(`${input.dataset.poster}-said`);
    const data = new FormData();
    const request = new XMLHttpRequest();
    const failed = () => {
      const ours = request.getResponseHeader("desk-answer");
      said.textContent = ours ? request.responseText : words(request.status ? "upload_failed" : "upload_offline");
    };
    said.textContent = words("uploading", { name: file.name });
    data.append("file", file);
    request.open("POST", $("[data-upload]", formOf(input)).dataset.upload);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.addEventListener("loadend", () => {
      if (request.status !== 200) return failed();
      const parsed = new DOMParser().parseFromString(request.responseText, "text/html");
      said.textContent = words("uploaded_known");
      change(field, $(".picture", parsed).dataset.name);
    });
    request.send(data);
  };
  document.addEventListener("change", async ({ target }) => {
    if (!target.files?.length || !(target.dataset.captions || target.dataset.poster)) return;
    const [file] = target.files;
    target.value = "";
    if (target.dataset.poster) bringPoster(target, file);
    else change(byId(target.dataset.captions), await file.text());
  });

  const carriesFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  const goal = ({ target }) => {
    const form = formOf(target) ?? byId("composer");
    return form && bodyOf(form) ? form : null;
  };
  const placeOf = (event, area) => {
    if (event.target !== area) return undefined;
    const found = document.caretPositionFromPoint?.(event.clientX, event.clientY);
    return found?.offsetNode === area ? found.offset : undefined;
  };
  document.addEventListener("drop", (event) => {
    const form = goal(event);
    if (!form || !carriesFiles(event)) return;
    event.preventDefault(); // the browser would open the file instead of the page
    bring(form, [...event.dataTransfer.files], placeOf(event, bodyOf(form)));
  });
  document.addEventListener("dragover", (event) => {
    if (goal(event) && carriesFiles(event)) event.preventDefault();
  });
  let timer = 0;
  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    if (!form || target !== bodyOf(form)) return;
    if (uploads.size || arrived.size) render();
    // Lines of images without a card, which were pasted or restored by undo.
    const bare = namesIn(form).some((name) => !uploads.has(name) && !cardOf(form, name));
    clearTimeout(timer);
    if (bare) timer = setTimeout(() => showCards(form, false), PAUSE);
  });
  document.addEventListener("desk:restored", ({ detail: form }) => showCards(form, true));
  begin.push(() => {
    if (uploads.size || arrived.size) render();
  });
})();
