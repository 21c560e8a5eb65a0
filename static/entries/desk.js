"use strict";
// The desk: what a page of HTML and htmx cannot do by itself. Forms work without it.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const byId = (id) => document.getElementById(id);
  const desk = $(".desk");
  if (!desk) return;
  const MODIFIER = (event) => (event.ctrlKey || event.metaKey) && !event.altKey;
  const SECONDS_TO_UNDO = 10;
  const formOf = (element) => element?.closest?.("form[data-form]");
  const bodyOf = (form) => $("[name=body]", form);
  const clock = () => new Date().toISOString().slice(11, 16).replace(":", "");

  // --- The token is read when sending: signing in again elsewhere changes it.

  const token = () =>
    document.cookie.split("; ").find((c) => c.startsWith("csrftoken="))?.slice(10);

  document.addEventListener("submit", (event) => {
    const field = $("[name=csrfmiddlewaretoken]", event.target);
    if (field && token()) field.value = token();
    if (!event.target.hasAttribute("data-once")) return;
    if (event.target.dataset.once === "sent") event.preventDefault();
    event.target.dataset.once = "sent";
  }, true);

  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (ctx.request.method === "GET" || !token()) return;
    ctx.request.body.set("csrfmiddlewaretoken", token());
  });

  // --- What a form holds, and saying what becomes of it

  const valuesOf = (form) => {
    const values = {};
    for (const field of form.elements) {
      if (!field.name || ["file", "hidden", "submit"].includes(field.type)) continue;
      if (field.type === "radio" && !field.checked) continue;
      values[field.name] = field.type === "checkbox" ? field.checked : field.value;
    }
    return values;
  };
  const fill = (form, values) => {
    for (const [name, value] of Object.entries(values)) {
      const field = form.elements[name];
      if (!field) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
    bodyOf(form).dispatchEvent(new Event("input", { bubbles: true }));
    form.elements.at?.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const empty = (form) => !bodyOf(form).value.trim() && !form.elements.headline.value.trim();
  const statusOf = (element) => {
    const form = formOf(element);
    if (form) return byId(`${form.dataset.form}-status`);
    const row = element.closest(".row");
    if (row) return $(".row-note", row);
    return element.closest("#story-state") ? $(".state-news") : byId("composer-status");
  };
  const say = (element, words, kind = "") => {
    const status = statusOf(element);
    if (!status) return;
    status.textContent = words;
    status.dataset.kind = kind;
  };

  const sending = new WeakMap(); // form -> what it held when it was sent
  const published = new Map(); // name of a form -> what it held when it was taken
  let done = 0;

  const busy = (form, button, on) => {
    form.toggleAttribute("data-sending", on);
    for (const each of form.querySelectorAll("[data-word]")) {
      each.textContent = each.dataset.word;
      delete each.dataset.word;
    }
    if (!on || !button || button.value === "preview") return;
    button.dataset.word = button.textContent;
    button.textContent = "Sending…";
  };

  // A second press just after the first has emptied the box is no wish for another.
  document.addEventListener("submit", (event) => {
    const form = formOf(event.target);
    if (!form || !empty(form) || Date.now() - done > 1500) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  document.addEventListener("htmx:before:request", ({ target, detail: { ctx } }) => {
    const form = formOf(target);
    if (target !== form) return;
    const button = ctx.request.submitter;
    sending.set(form, valuesOf(form));
    busy(form, button, true);
    say(form, button?.value === "preview" ? "" : "Sending…");
  });
  document.addEventListener("htmx:finally:request", ({ target }) => {
    if (formOf(target) === target) busy(target, null, false);
  });

  const FAILED = "The text is still here, and pressing the button again is safe.";
  const SIGNED_OUT =
    "You are signed out. Sign in in another tab, then press the button again.";
  const connection = (well) => desk.toggleAttribute("data-offline", !well);
  const polls = (element) => element.id === "poll";

  document.addEventListener("htmx:error", ({ target, detail: { ctx } }) => {
    if (!ctx) return;
    connection(false);
    if (!polls(target)) say(target, `Failed: no connection. ${FAILED}`, "bad");
  });

  // Only what the desk itself has answered gets into the page: no page of a proxy,
  // no sign-in form. A plain sentence stands beside what was pressed.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks } = event.detail;
    const { status, headers } = ctx.response ?? {};
    if (!status || status === 204) return void connection(true);
    connection(status < 500);
    const plain = headers.get("content-type")?.startsWith("text/plain");
    if (headers.get("desk-answer") && !plain) return void arrange(tasks, ctx.sourceElement);
    event.preventDefault();
    if (headers.get("desk-answer")) say(ctx.sourceElement, ctx.text, "bad");
    else if (status === 403) say(ctx.sourceElement, SIGNED_OUT, "bad");
    else if (!polls(ctx.sourceElement)) {
      say(ctx.sourceElement, `Failed: the server answered ${status}. ${FAILED}`, "bad");
    }
    if (status === 401 && polls(ctx.sourceElement)) say(desk, ctx.text, "bad");
  });

  // --- Rows: each once, in its place, and none that is being worked on taken away

  const compare = (a, b) => a.localeCompare(b, undefined, { numeric: true });
  const editing = (row) => $("form", $(".slot", row)) !== null;
  let focused = "";
  let anchor = null;

  const arrange = (tasks, source) => {
    const active = document.activeElement;
    focused = active.closest("#story-state") ? "story-state" : "";
    if (active.closest(".row")) focused = active.id;
    holdStill(active);
    for (const task of [...tasks]) {
      if (task.type !== "partial") continue;
      const target = typeof task.target === "string" ? $(task.target) : task.target;
      if (task.swapSpec.style === "upsert") {
        for (const row of [...task.fragment.children]) place(row, target, source);
      } else if (disturbs(task, target, source)) tasks.splice(tasks.indexOf(task), 1);
    }
  };
  const disturbs = (task, target, source) => {
    if (!target || target.contains(source)) return false;
    if (target.id === "story-state") return $("details[open]", target) !== null;
    return task.swapSpec.style === "delete" && editing(target);
  };
  const place = (row, list, source) => {
    const old = byId(row.id);
    if (!list) return row.remove();
    if (!old) return belongs(row, list) ? row.classList.add("arrived") : row.remove();
    if (old.dataset.is === row.dataset.is) return row.remove();
    if (editing(old) && !old.contains(source)) {
      say($("form", $(".slot", old)), "This entry has changed meanwhile: saving will show both texts.", "bad");
      return row.remove();
    }
    if (old.parentElement !== list || old.dataset.key !== row.dataset.key) old.remove();
    return undefined;
  };
  // A page of the timeline is a window: what stands above or below it stays there.
  const belongs = (row, list) => {
    const rows = list.querySelectorAll(".row");
    if (list.id !== "timeline" || !rows.length) return true;
    const below = compare(row.dataset.key, rows[rows.length - 1].dataset.key) < 0;
    const above = compare(row.dataset.key, rows[0].dataset.key) > 0;
    return !(below && byId("older")) && !(above && list.dataset.front !== "yes");
  };

  // What is being read or edited stays where it is on the screen.
  const holdStill = (active) => {
    const rows = [...document.querySelectorAll(".row")];
    const first = rows.find((row) => row.getBoundingClientRect().bottom > 0);
    const own = active.closest(".row");
    const row = own && editing(own) ? own : first !== rows[0] ? first : null;
    anchor = row && { row, top: row.getBoundingClientRect().top };
  };
  document.addEventListener("htmx:after:swap", ({ target }) => {
    if (focused && document.activeElement === document.body) {
      byId(focused)?.focus({ preventScroll: true });
    }
    if (formOf(target)) mark(formOf(target));
    if (anchor?.row.isConnected) {
      window.scrollBy(0, anchor.row.getBoundingClientRect().top - anchor.top);
    }
    focused = "";
    anchor = null;
    ready();
  });

  // --- After sending

  document.addEventListener("desk:done", ({ detail: { form: name, key } }) => {
    done = Date.now();
    const form = document.querySelector(`form[data-form="${name}"]`);
    if (name.startsWith("edit-")) {
      keep.forget(name);
      const before = byId("composer-conflict");
      if (before && $(`[data-form="${name}"]`, before)) {
        const fresh = $("[name=separate]", before).value;
        before.replaceChildren();
        clear(byId("composer"), fresh);
      }
      byId(`row-${name.slice(5)}-edit`)?.focus(); // and into view: its form was tall
      return;
    }
    const sent = sending.get(form) ?? {};
    published.set(name, sent);
    const typedOn = Object.entries(valuesOf(form)).some(([n, v]) => sent[n] !== v);
    if (typedOn) {
      keep.forget(name);
      form.elements.key.value = key;
      keep.store(form);
    } else clear(form, key);
    byId(`${name}-conflict`)?.replaceChildren();
    mark(form);
    statusOf(form).dataset.kind = "good";
    bodyOf(form).focus();
    const undo = $(".undo", statusOf(form));
    setTimeout(() => undo?.remove(), SECONDS_TO_UNDO * 1000);
  });
  const clear = (form, key) => {
    fill(form, Object.fromEntries(
      Object.entries(valuesOf(form)).map(([n, v]) => [n, typeof v === "boolean" ? false : ""]),
    ));
    form.elements.key.value = key;
    for (const part of ["pictures", "preview"]) {
      byId(`${form.dataset.form}-${part}`)?.replaceChildren();
    }
    keep.forget(form.dataset.form);
  };

  document.addEventListener("desk:refused", ({ detail: { form: name } }) => {
    const form = document.querySelector(`form[data-form="${name}"]`);
    say(form, "Not sent: see what is marked.", "bad");
    mark(form);
    ($("[aria-invalid=true]", form) ?? bodyOf(form)).focus();
  });
  document.addEventListener("desk:conflict", ({ detail: { form: name } }) => {
    const form = document.querySelector(`form[data-form="${name}"]`);
    say(form, "Not saved yet: compare the two texts.", "bad");
    $(".conflict", byId(`${name}-conflict`))?.focus();
  });
  const mark = (form) => {
    for (const field of form.querySelectorAll("[aria-describedby]")) {
      const errors = field.getAttribute("aria-describedby").split(" ")
        .filter((id) => id.endsWith("-error")).map(byId);
      if (errors.some((slot) => slot?.textContent.trim())) {
        field.setAttribute("aria-invalid", "true");
      } else field.removeAttribute("aria-invalid");
    }
  };

  document.addEventListener("desk:undone", () => {
    const form = byId("composer");
    const values = published.get("composer");
    if (!values) return;
    if (empty(form)) fill(form, values);
    else keep.offer(form, `undone-${Date.now()}`, { values, when: clock() });
    say(form, "Taken back: it is withdrawn, and the text is here again.", "good");
    bodyOf(form).focus();
  });

  // --- What is typed is kept in this browser until it has arrived

  const keep = {
    prefix: (name) => `desk:${desk.dataset.user}:${desk.dataset.story}:${name}:`,
    id(form) {
      const name = form.dataset.form;
      return keep.prefix(name) + (form.elements.key ?? form.elements.version).value;
    },
    store(form) {
      const same = [...form.elements].every((f) =>
        !["body", "headline"].includes(f.name) || f.value === f.defaultValue);
      try {
        if (same) localStorage.removeItem(keep.id(form));
        else {
          const text = { values: valuesOf(form), when: clock() };
          localStorage.setItem(keep.id(form), JSON.stringify(text));
        }
      } catch { /* full or forbidden: the page itself still holds the text */ }
    },
    forget(name) {
      const own = keep.prefix(name) + byId(`${name}-key`)?.value;
      for (const id of keep.ids(name)) {
        if (id === own || name.startsWith("edit-")) localStorage.removeItem(id);
      }
    },
    ids(name) {
      try {
        return Object.keys(localStorage).filter((id) => id.startsWith(keep.prefix(name)));
      } catch { return []; }
    },
    read(id) {
      try { return JSON.parse(localStorage.getItem(id)); } catch { return null; }
    },
    look(form) {
      for (const id of keep.ids(form.dataset.form)) {
        const text = keep.read(id);
        if (!text?.values?.body && !text?.values?.headline) localStorage.removeItem(id);
        else if (text.values.body !== bodyOf(form).value) keep.offer(form, id, text);
      }
    },
    offer(form, id, text) {
      const line = document.createElement("p");
      const button = (word, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = word;
        made.addEventListener("click", () => { act(); line.remove(); bodyOf(form).focus(); });
        return made;
      };
      const glance = (text.values.body || text.values.headline).trim().slice(0, 80);
      line.append(
        `Text from ${text.when} GMT that was not sent: “${glance}” `,
        button("Restore", () => {
          if (!empty(form) && form.elements.key) {
            keep.offer(form, `put-aside-${Date.now()}`, { values: valuesOf(form), when: clock() });
          }
          // With its own key, so that what did arrive after all is not made twice.
          const key = id.startsWith("desk:") ? id.split(":").pop() : "";
          if (form.elements.key && key) form.elements.key.value = key;
          fill(form, text.values);
          showCards(form);
        }),
        " ",
        button("Discard", () => localStorage.removeItem(id)),
      );
      byId(`${form.dataset.form}-kept`).append(line);
    },
  };
  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    if (!form || !target.name) return;
    keep.store(form);
    if (target.name === "body") count(target);
    const status = statusOf(form);
    if (status?.dataset.kind === "bad") say(form, "");
  });
  document.addEventListener("change", ({ target }) => {
    if (formOf(target) && target.type === "checkbox") keep.store(formOf(target));
  });

  const count = (area) => {
    const limit = Number(area.dataset.limit);
    const output = byId(`${area.id.replace(/-body$/, "")}-count`);
    const length = [...area.value].length;
    output.textContent = length
      ? `${length.toLocaleString("en")} of ${limit.toLocaleString("en")} characters` : "";
    output.toggleAttribute("data-over", length > limit);
  };

  // --- Keys and the toolbar

  document.addEventListener("keydown", (event) => {
    const form = formOf(event.target);
    const key = event.key.toLowerCase();
    if (event.isComposing) return;
    if (form && MODIFIER(event) && key === "enter") press(event, $(".primary", form));
    else if (MODIFIER(event) && key === "s") {
      const within = form ?? byId("composer");
      if (within) press(event, $("[value=draft], [value=save]", within));
    } else if (key === "escape" && form && $("[data-cancel]", form)) leave(form, event);
    else if (form && key === "enter" && event.target.matches("input[type=text]")) {
      event.preventDefault(); // in a field of one line it would press a button unseen
      if (!event.target.closest(".picture, .how")) bodyOf(form).focus();
    } else if (event.target.matches("textarea[name=body]") && MODIFIER(event)) {
      const tool = { b: "Ctrl+B", i: "Ctrl+I", k: "Ctrl+K" }[key];
      if (tool) press(event, $(`.tools [title$="${tool}"]`, form));
    }
  });
  const press = (event, button) => {
    event.preventDefault();
    if (!event.repeat) button?.click();
  };
  const leave = (form, event) => {
    event.preventDefault();
    const row = form.closest(".row");
    form.remove();
    row && $("[id$=-edit]", row)?.focus();
  };

  document.addEventListener("click", (event) => {
    const cancel = event.target.closest("[data-cancel]");
    if (cancel?.closest(".row, .conflict")) return void leave(formOf(cancel), event);
    const tool = event.target.closest(".tools button");
    if (!tool) return;
    const area = bodyOf(formOf(tool));
    area.focus();
    if (tool.dataset.wrap) wrap(area, tool.dataset.wrap, tool.dataset.wrap);
    else if ("link" in tool.dataset) wrap(area, "[", "](https://)");
    else prefix(area, tool.dataset.line);
  });
  // The only way to change a text that the browser's own undo knows of.
  const type = (area, text) => {
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  const wrap = (area, before, after) => {
    const { selectionStart: start, selectionEnd: end } = area;
    const chosen = area.value.slice(start, end);
    type(area, before + chosen + after);
    const from = start + before.length;
    if (before === "[" && chosen) {
      const place = from + chosen.length + 2;
      area.setSelectionRange(place, place + 8);
    } else area.setSelectionRange(from, from + chosen.length);
  };
  const prefix = (area, mark) => {
    const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
    const chosen = area.value.slice(start, area.selectionEnd);
    area.setSelectionRange(start, area.selectionEnd);
    type(area, chosen.split("\n").map((line) => mark + line).join("\n"));
  };
  const insertLine = (area, line) => {
    area.focus();
    const before = area.value.slice(0, area.selectionStart).replace(/[^\n]*$/, "");
    const atStart = area.selectionStart === before.length;
    const gap = !area.value.slice(0, area.selectionStart).trim() ? ""
      : atStart && before.endsWith("\n\n") ? "" : atStart ? "\n" : "\n\n";
    type(area, `${gap}${line}\n\n`);
  };

  // --- Pictures: chosen, dropped or pasted

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

  // --- What has come into the page is made ready once

  const fit = (frame) => {
    const page = frame.contentDocument?.documentElement;
    if (page) frame.style.blockSize = `${Math.min(page.scrollHeight + 2, 720)}px`;
  };
  const ready = () => {
    for (const form of document.querySelectorAll("form[data-form]:not([data-ready])")) {
      form.dataset.ready = "";
      keep.look(form);
      count(bodyOf(form));
    }
    for (const frame of document.querySelectorAll("iframe.preview:not([data-ready])")) {
      frame.dataset.ready = "";
      frame.addEventListener("load", () => {
        fit(frame);
        frame.scrollIntoView({ block: "nearest" });
      });
    }
  };
  document.documentElement.classList.add("scripted");
  ready();
})();
