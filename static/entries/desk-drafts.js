"use strict";
// Save drafts of typed text until the server has accepted it: in this browser at once, on
// the server every few seconds. Each form has a key; of two copies the newer one counts.
(() => {
  if (!window.Desk) return;
  const {
    $,
    byId,
    desk,
    formOf,
    bodyOf,
    clock,
    headers,
    valuesOf,
    fill,
    empty,
    statusOf,
    say,
    keep,
    begin,
    keyOf,
    words,
    signInLink,
  } = window.Desk;
  const EVERY = 3000; // milliseconds between two saves on the server
  const AGAIN = 8000; // milliseconds after a failed save
  const SMALL = 60000; // bytes that a closing page can still send (`keepalive`)

  const describe = (typed) => {
    const today = new Date().toISOString().slice(0, 10);
    return window.Words.stamp(new Date(typed).toISOString(), today);
  };
  const untouched = (form) =>
    [...form.elements].every((f) => !["body", "headline"].includes(f.name) || f.value === f.defaultValue);

  // --- On the server

  const copies = new WeakMap(); // form -> {timer, sending, kept: key -> text}
  const copyOf = (form) => {
    if (!copies.has(form)) copies.set(form, { timer: 0, sending: null, kept: new Map() });
    return copies.get(form);
  };
  const later = (form, wait = EVERY) => {
    const copy = copyOf(form);
    copy.timer ||= setTimeout(() => copyNow(form), wait);
  };
  const hold = (form) => {
    const copy = copyOf(form);
    clearTimeout(copy.timer);
    copy.timer = 0;
    copy.sending?.abort();
  };
  const send = (data, options) =>
    fetch(desk.dataset.drafts, {
      method: "POST",
      body: data,
      headers: headers(),
      ...options,
    });
  const packed = (form, key) => {
    const data = new URLSearchParams({ form: keep.name(form), key, typed: Date.now() });
    for (const [name, value] of Object.entries(valuesOf(form))) {
      if (value !== false) data.set(name, value === true ? "on" : value);
    }
    return data;
  };
  const copyNow = async (form, closing = false) => {
    const copy = copyOf(form);
    clearTimeout(copy.timer);
    copy.timer = 0;
    const key = keep.key(form);
    const data = packed(form, key);
    const gone = untouched(form);
    const text = gone ? "" : JSON.stringify(valuesOf(form));
    if (copy.sending) return void later(form);
    if (text === (copy.kept.get(key) ?? "")) return;
    if (gone) data.set("forget", "1");
    copy.sending = new AbortController();
    try {
      const keepalive = closing && data.toString().length < SMALL;
      const answer = await send(data, { keepalive, signal: copy.sending.signal });
      const ours = answer.headers.get("desk-answer");
      if (ours && answer.status < 300) {
        copy.kept.set(key, text);
        saved(form, gone ? "" : words("saved", { time: clock() }));
        recovered(form);
      } else if (answer.headers.get("desk-key")) {
        keep.rename(form, answer.headers.get("desk-key"));
        saved(form, words("saved", { time: clock() }));
        say(form, await answer.text(), "bad");
      } else refused(form, answer.status, ours && (await answer.text()));
    } catch (error) {
      if (error.name !== "AbortError") refused(form, 0);
    } finally {
      copy.sending = null;
    }
  };
  const saved = (form, text) => {
    const place = byId(`${form.dataset.form}-saved`);
    if (place) place.textContent = text;
  };
  const refused = (form, status, reason) => {
    if (status === 422) return void saved(form, reason);
    saved(form, words("saved_here"));
    if (reason && [403, 404, 410].includes(status)) return void say(form, reason, "bad");
    if (status === 401 || status === 403) {
      if (!$(".sign-in", statusOf(form) ?? form)) say(form, words("signed_out_again"), "bad", signInLink());
      copyOf(form).out = true;
    }
    if (form.isConnected) later(form, AGAIN);
  };
  const recovered = (form) => {
    const copy = copyOf(form);
    if (copy.out && $(".sign-in", statusOf(form) ?? form)) say(form, "");
    if (copy.out) document.dispatchEvent(new Event("desk:signed-in"));
    copy.out = false;
  };
  const discard = (name, key) => {
    const gone = JSON.stringify({ values: {}, typed: Date.now() });
    try {
      localStorage.setItem(keep.prefix(name) + key, gone);
    } catch {
      /* storage is full */
    }
    const data = new URLSearchParams({ form: name, key, typed: 0, forget: 1 });
    send(data, { keepalive: true }).catch(() => {});
  };

  // --- In this browser

  Object.assign(keep, {
    prefix: (name) => `desk:${desk.dataset.user}:${desk.dataset.story}:${name}:`,
    // An edit of a text that is gone is kept as a new one, which its desk offers.
    name: (form) => (form.dataset.newKey ? "composer" : form.dataset.form),
    key: (form) => form.dataset.newKey ?? keyOf(form),
    rename(form, key) {
      if (form.dataset.newKey === key) return;
      keep.drop(form);
      form.dataset.newKey = key;
      keep.store(form);
    },
    drop(form) {
      try {
        localStorage.removeItem(keep.id(form));
      } catch {
        /* forbidden */
      }
    },
    id: (form) => keep.prefix(keep.name(form)) + keep.key(form),
    store(form) {
      later(form);
      try {
        if (untouched(form)) localStorage.removeItem(keep.id(form));
        else {
          const text = { values: valuesOf(form), typed: Date.now() };
          localStorage.setItem(keep.id(form), JSON.stringify(text));
        }
      } catch {
        /* storage is full or forbidden; the page still has the text */
      }
    },
    forget(name) {
      const own = keep.prefix(name) + byId(`${name}-key`)?.value;
      for (const id of keep.ids(name)) {
        if (id === own || name.startsWith("edit-") || name === "summary") localStorage.removeItem(id);
      }
      // The server deleted its copy in the transaction that saved the text.
      const form = $(`form[data-form="${name}"]`);
      if (!form) return;
      hold(form);
      copyOf(form).kept.clear();
      saved(form, "");
    },
    ids(name) {
      try {
        return Object.keys(localStorage).filter((id) => id.startsWith(keep.prefix(name)));
      } catch {
        return [];
      }
    },
    read(id) {
      try {
        return JSON.parse(localStorage.getItem(id));
      } catch {
        return null;
      }
    },
    look(form) {
      const found = new Map(); // key -> its newest copy
      for (const text of JSON.parse($(".kept", form)?.dataset.drafts ?? "[]")) {
        found.set(text.key, text);
      }
      for (const id of keep.ids(form.dataset.form)) {
        const text = keep.read(id);
        const key = id.split(":").pop();
        if (!text?.values?.body && !text?.values?.headline) {
          // Discarded in this browser, so an older copy on the server is too.
          if (found.get(key)?.typed <= text?.typed) {
            found.delete(key);
            discard(form.dataset.form, key);
          } else localStorage.removeItem(id);
        } else if (!found.has(key) || (text.typed ?? 0) >= found.get(key).typed) found.set(key, text);
      }
      const newest = [...found].sort(([, a], [, b]) => (b.typed ?? 0) - (a.typed ?? 0));
      const offers = new Map(); // one for equal texts; the newest key comes first
      for (const [key, text] of newest) {
        const same = JSON.stringify([text.values.headline ?? "", text.values.body]);
        if (text.values.body === bodyOf(form).value) continue;
        if (offers.has(same)) offers.get(same).keys.push(key);
        else offers.set(same, { keys: [key], text });
      }
      for (const { keys, text } of offers.values()) keep.offer(form, keys, text);
    },
    offer(form, keys, text) {
      const key = keys[0];
      const line = document.createElement("p");
      const button = (word, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = word;
        made.addEventListener("click", () => {
          act();
          line.remove();
          bodyOf(form).focus();
        });
        return made;
      };
      const glance = (text.values.body || text.values.headline || "").trim().slice(0, 80);
      const when = text.typed ? describe(text.typed) : "";
      line.append(
        `${words(when ? "unpublished_from" : "unpublished", { when, text: glance })} `,
        button(words("restore"), () => {
          if (form.elements.key && !empty(form)) {
            keep.offer(form, [], { values: valuesOf(form), typed: Date.now() });
          }
          // With its own key, an entry that was saved after all is not created twice, and
          // an edit of an older version is compared with the current one.
          if (key) (form.elements.key ?? form.elements.version).value = key;
          copyOf(form).kept.set(key, "offered");
          fill(form, text.values);
          document.dispatchEvent(new CustomEvent("desk:restored", { detail: form }));
        }),
        " ",
        button(words("discard"), () => {
          for (const one of keys) discard(form.dataset.form, one);
        }),
      );
      $(".kept", form).append(line);
      form.closest("details")?.setAttribute("open", "");
    },
  });

  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    if (!form || !target.name) return;
    keep.store(form);
    const status = statusOf(form);
    if (status?.dataset.kind === "bad") say(form, "");
  });
  document.addEventListener("change", ({ target }) => {
    if (formOf(target) && ["checkbox", "radio"].includes(target.type)) keep.store(formOf(target));
  });
  // Stop saving, so that no draft arrives after the text itself.
  document.addEventListener("htmx:before:request", ({ target }) => {
    if (target.matches?.("form[data-form]")) hold(target);
  });
  document.addEventListener("htmx:finally:request", ({ target }) => {
    const stays = target.matches?.("form[data-form]") && target.isConnected;
    if (stays && !untouched(target)) later(target);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return;
    for (const form of document.querySelectorAll("form[data-form]")) {
      if (copyOf(form).timer) copyNow(form, true);
    }
  });
  begin.push((form) => keep.look(form));

  // --- Notes: drafts are saved in this browser until they are sent

  const noteOf = (element) => element.closest?.(".note-form");
  const noteId = (form) => `desk:${desk.dataset.user}:note:${form.dataset.about}`;
  const noteSent = new WeakMap(); // form -> its text when it was sent
  const keepNote = (form, text) => {
    try {
      if (text.trim()) localStorage.setItem(noteId(form), text);
      else localStorage.removeItem(noteId(form));
    } catch {
      /* storage is full or forbidden; the page still has the text */
    }
  };
  const keptNote = (form) => {
    try {
      return localStorage.getItem(noteId(form)) ?? "";
    } catch {
      return "";
    }
  };
  const restoreNotes = () => {
    for (const form of document.querySelectorAll(".note-form:not([data-ready])")) {
      form.dataset.ready = "";
      if (!form.elements.text.value) form.elements.text.value = keptNote(form);
    }
  };
  document.addEventListener("input", ({ target }) => {
    if (target.name === "text" && noteOf(target)) keepNote(noteOf(target), target.value);
  });
  document.addEventListener("htmx:before:request", ({ target }) => {
    if (target.matches?.(".note-form")) noteSent.set(target, target.elements.text.value);
  });
  document.addEventListener("htmx:after:request", ({ target, detail: { ctx } }) => {
    const { status, headers } = ctx.response;
    if (!target.matches?.(".note-form") || status >= 400 || !headers.get("desk-answer")) return;
    const text = noteSent.get(target);
    if (keptNote(target) === text) keepNote(target, "");
    if (target.elements.text.value === text) target.elements.text.value = "";
  });
  document.addEventListener("htmx:after:swap", restoreNotes);
  document.addEventListener("DOMContentLoaded", restoreNotes);
})();
