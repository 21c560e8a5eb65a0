"use strict";
// The desk's core, which the other desk-*.js files extend through `window.Desk`: sending
// forms and updating rows. Forms work without it.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const byId = (id) => document.getElementById(id);
  const desk = $(".desk");
  const scroller = $("#timeline-pane > .scroll");
  if (!desk) return;
  const SECONDS_TO_UNDO = 10;
  const formOf = (element) => element?.closest?.("form[data-form]");
  const forms = () => document.querySelectorAll("form[data-form]");
  const bodyOf = (form) => $("[name=body]", form);
  const keyOf = (form) => (form.elements.key ?? form.elements.version)?.value;
  const labelOf = (button) => (button.dataset.word ?? button.textContent).trim();
  const { say: words, urls } = window.Words;
  const clock = (at = new Date(), seconds = false) => {
    const [hours, minutes, rest] = at.toISOString().slice(11, 19).split(":");
    return hours + minutes + (seconds ? `:${rest}` : "");
  };

  // --- CSRF token: read for each request, since a sign-in in another tab changes it

  const token = () =>
    document.cookie
      .split("; ")
      .find((c) => c.startsWith("csrftoken="))
      ?.slice(10);

  document.addEventListener(
    "submit",
    (event) => {
      const field = $("[name=csrfmiddlewaretoken]", event.target);
      if (field && token()) field.value = token();
      if (!event.target.hasAttribute("data-once")) return;
      if (event.target.dataset.once === "sent") event.preventDefault();
      event.target.dataset.once = "sent";
      // Only against double clicks: after a failed request the form must work again.
      setTimeout(() => {
        event.target.dataset.once = "";
      }, 2000);
    },
    true,
  );

  // With Desk-User the server can refuse a request after somebody else has signed in.
  const headers = () => ({ "X-CSRFToken": token() ?? "", "HX-Request": "true", "Desk-User": desk.dataset.user ?? "" });

  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (ctx.request.method === "GET") return;
    if (desk.dataset.user) ctx.request.headers["Desk-User"] = desk.dataset.user;
    if (token()) ctx.request.body.set("csrfmiddlewaretoken", token());
  });

  // --- Values and status messages of forms

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
  const empty = (form) => !bodyOf(form).value.trim() && !form.elements.headline?.value.trim();
  const statusOf = (element) => {
    const form = formOf(element);
    if (form) return byId(`${form.dataset.form}-status`);
    const panel = element.closest(".context .panel");
    if (panel) return $(".row-note, .links-news", panel);
    const row = element.closest(".row, .gone");
    if (row) return $(".row-note", row);
    return element.closest("#story-state") ? $(".state-news") : byId("composer-status");
  };
  const say = (element, text, kind = "", ...more) => {
    const status = statusOf(element);
    if (!status) return;
    status.replaceChildren(text, ...(more.length ? [" ", ...more] : []));
    status.dataset.kind = kind;
  };
  const signInLink = () => {
    const link = document.createElement("a");
    Object.assign(link, { href: urls?.sign_in, target: "_blank", rel: "noopener", className: "sign-in" });
    link.textContent = words("sign_in");
    return link;
  };

  // Filled by desk-writing.js, desk-drafts.js and desk-images.js.
  const keep = {};
  const begin = []; // called with each form that is added to the page

  const sending = new WeakMap(); // form -> its values when it was sent
  const pressed = new WeakMap(); // form -> the button that sent it
  const sentEdits = new Map(); // name of a form -> the form that was last sent
  const typedSince = (form) => {
    const now = valuesOf(form);
    return Object.entries(sending.get(form) ?? {}).some(([name, value]) => now[name] !== value);
  };
  const published = new Map(); // name of a form -> its values when the server accepted it
  let done = 0;

  const busy = (form, button, on) => {
    form.toggleAttribute("data-sending", on);
    for (const each of form.querySelectorAll("[data-word]")) {
      each.textContent = each.dataset.word;
      delete each.dataset.word;
    }
    if (!on || !button || button.value === "preview") return;
    button.dataset.word = button.textContent;
    button.textContent = words("sending");
  };

  // Ignore a second press right after the first one has emptied the form.
  document.addEventListener(
    "submit",
    (event) => {
      const form = formOf(event.target);
      if (!form || !empty(form) || Date.now() - done > 1500) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );

  document.addEventListener("htmx:before:request", ({ target, detail: { ctx } }) => {
    const form = formOf(target);
    if (target !== form) return;
    const button = ctx.request.submitter;
    sending.set(form, valuesOf(form));
    pressed.set(form, button);
    sentEdits.set(form.dataset.form, form);
    busy(form, button, true);
    say(form, button?.value === "preview" ? "" : words("sending"));
  });
  document.addEventListener("htmx:finally:request", ({ target }) => {
    if (formOf(target) === target) busy(target, null, false);
  });

  const connection = (well) => desk.toggleAttribute("data-offline", !well);
  const polls = (element) => element.id === "poll";

  document.addEventListener("htmx:error", ({ target, detail: { ctx } }) => {
    if (!ctx) return;
    connection(false);
    if (!polls(target)) fail(target, ctx, "no_connection", "reason_connection");
  });
  // `key` names the message if the request is retried, `reason` if it is not.
  const fail = (element, ctx, key, reason, values = {}) => {
    const again = formOf(element) === element && window.Desk.again;
    if (again && again(element, ctx.request.submitter, words(key, values))) return;
    say(element, words("failed", { reason: words(reason, values) }), "bad");
  };

  let out = false;
  const signedOut = (element, ctx) => {
    out = true;
    const held = formOf(element) === element && window.Desk.hold?.(element, ctx.request.submitter);
    say(element, words(held ? "signed_out" : "signed_out_again"), "bad", signInLink());
  };
  const signedIn = () => {
    if (out) document.dispatchEvent(new Event("desk:signed-in"));
    out = false;
  };
  // A user who returns from another tab has probably signed in there.
  window.addEventListener("focus", signedIn);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) signedIn();
  });

  // Swap in only responses of the desk itself: no page of a proxy or a Wi-Fi login, and no
  // sign-in form. Plain text is shown beside the button that was pressed.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks } = event.detail;
    const { status, headers, raw } = ctx.response ?? {};
    const source = ctx.sourceElement;
    if (!status) return;
    const ours = headers.get("desk-answer");
    const plain = headers.get("content-type")?.startsWith("text/plain");
    if (ours && status < 400 && polls(source)) signedIn();
    if (status === 204) return void connection(true);
    connection(status < 500 && (Boolean(ours) || status >= 400));
    if (ours && !plain) return void arrange(tasks, source);
    event.preventDefault();
    const login = raw?.redirected && new URL(raw.url).pathname.startsWith(new URL(urls?.sign_in, raw.url).pathname);
    if (status === 401 || login || (status === 403 && !ours)) {
      if (!polls(source) || !formWithNews()) signedOut(polls(source) ? desk : source, ctx);
    } else if (ours) say(source, ctx.text, "bad");
    else if (polls(source)) return;
    else if (status === 413) say(source, words("failed", { reason: words("reason_too_large") }), "bad");
    else if (status < 400) fail(source, ctx, "not_ours", "reason_not_ours");
    else fail(source, ctx, "server_failed", "reason_status", { status });
  });
  // Whether a form already says that the user is signed out; the poll would repeat it.
  const formWithNews = () => $(".sign-in") !== null;

  // --- Rows: sorted, without duplicates, and never removed while somebody works on them

  const { compare } = new Intl.Collator(undefined, { numeric: true });
  const editing = (row) => $(".slot form[data-form]", row) !== null;
  const noting = (row) => Boolean($(".slot .note-form [name=text]", row)?.value.trim());
  let focused = "";
  let anchors = []; // rows and where they were, the one to hold still first
  const pending = new Map(); // id of a row being edited -> its newer version, or null
  let arrived = []; // ids of rows that colleagues have just published

  const arrange = (tasks, source) => {
    const active = document.activeElement;
    focused = active.closest("#story-state") ? "story-state" : "";
    if (active.closest("#summary-box")) focused = "summary-box";
    const row = active.closest(".row");
    if (row) focused = active.dataset.after || active.id || row.id;
    if (active.closest(".gone")) focused = active.closest(".gone").id.replace("gone", "row");
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
    if (target.id === "found-filters") return target.childElementCount > 0;
    if (["story-state", "summary-box"].includes(target.id)) return $("details[open]", target) !== null;
    if (task.swapSpec.style !== "delete" || !(editing(target) || noting(target))) return false;
    const form = $(".slot form[data-form], .slot .note-form", target);
    pending.set(target.id, null);
    say(form, words(form.dataset.form ? "gone_edit" : "gone_note"), "bad");
    return true;
  };
  const place = (row, list, source) => {
    const old = byId(row.id);
    if (!list) return row.remove();
    if (old?.dataset.arrived) row.dataset.arrived = old.dataset.arrived;
    else if (isNews(row, old, list, source)) {
      row.dataset.arrived = new Date().toISOString();
      arrived.push(row.id);
    }
    // A search adds rows and replaces none: a poll may have brought a newer version.
    if (isSearch(source)) {
      if (!search.on) return row.remove();
      if (old && !("extra" in old.dataset)) return row.remove();
      if (!old && belongs(row, list)) return undefined;
      row.dataset.extra = "";
    }
    for (const mark of ["extra", "match"]) if (old && mark in old.dataset) row.dataset[mark] = "";
    if (row.dataset.state === "withdrawn" && (!polls(source) || old?.hasAttribute("data-own"))) row.dataset.own = "";
    if (!old && isSearch(source)) return undefined;
    if (!old) return belongs(row, list) ? row.classList.add("arrived") : row.remove();
    if (old.dataset.is === row.dataset.is) return row.remove();
    if (editing(old) && !old.contains(source)) {
      const withdrawn = row.dataset.state === "withdrawn" && old.dataset.state !== "withdrawn";
      say($("form", $(".slot", old)), words(withdrawn ? "withdrawn_meanwhile" : "changed_meanwhile"), "bad");
      pending.set(row.id, { row: row.cloneNode(true), list });
      return row.remove();
    }
    pending.delete(row.id);
    // Move an open form into the new version of its row, unless it was just sent.
    const slot = $(".slot", old);
    const sent = slot?.contains(source) && !source.matches(".notes .acts");
    if (slot && !sent) $(".slot", row).append(...slot.childNodes);
    if (old.parentElement !== list || old.dataset.key !== row.dataset.key) old.remove();
    return undefined;
  };
  const search = { on: false }; // desk-search.js adds what it does
  const isSearch = (source) => source.closest("#find-updates, #found-more") !== null;
  const isNews = (row, old, list, source) =>
    polls(source) &&
    list.id === "timeline" &&
    old?.parentElement !== list &&
    row.dataset.state === "published" &&
    row.dataset.author !== desk.dataset.user;
  // Whether a row belongs on this page of the timeline, not on a newer or older one.
  const belongs = (row, list) => {
    const rows = list.querySelectorAll(".row:not([data-extra])");
    if (list.id !== "timeline" || !rows.length || byId(row.id.replace("row", "gone"))) return true;
    const below = compare(row.dataset.key, rows[rows.length - 1].dataset.key) < 0;
    const above = compare(row.dataset.key, rows[0].dataset.key) > 0;
    return !(below && byId("older")) && !(above && list.dataset.front !== "yes");
  };

  // Remember the position of the row that is being read, edited or pointed at.
  const holdStill = (active) => {
    const rows = [...document.querySelectorAll(".row")].filter((row) => row.offsetParent);
    const edge = scroller ? scroller.getBoundingClientRect().top : 0;
    const first = rows.find((row) => row.getBoundingClientRect().bottom > edge);
    const own = active.closest(".row");
    const aimed = $(".row :is(a, button, summary):hover")?.closest(".row");
    const row = own && editing(own) ? own : (aimed ?? (first !== rows[0] ? first : null));
    const text = row && ($(".stamp", row) ?? row); // a day's heading may appear above it
    const around = row ? rows.slice(rows.indexOf(first), rows.indexOf(first) + 8) : [];
    anchors = [text, ...around.map((one) => $(".stamp", one) ?? one)]
      .filter(Boolean)
      .map((one) => ({ row: one, top: one.getBoundingClientRect().top }));
  };

  // --- Folds: withdrawn rows of a day that follow each other, as the server groups them

  // A row that was withdrawn in this page, or that somebody works on, is not folded away.
  const inUse = (row) =>
    row.hasAttribute("data-own") ||
    row.matches(":hover") ||
    row.contains(document.activeElement) ||
    $(".slot", row)?.childElementCount > 0;
  const refold = () => {
    const list = byId("timeline");
    if (!list?.querySelector("[data-state=withdrawn], .fold")) return;
    const rows = [...list.querySelectorAll(".row[data-key]")];
    rows.sort((a, b) => compare(b.dataset.key, a.dataset.key));
    const folded = new Set(
      rows.filter((row) => row.dataset.state === "withdrawn" && (row.closest(".fold") || !inUse(row))),
    );
    const folds = new Set();
    let before = null;
    for (let at = 0; at < rows.length;) {
      const group = [rows[at]];
      const more = () =>
        folded.has(rows[at + group.length]) && rows[at + group.length].dataset.day === rows[at].dataset.day;
      if (folded.has(rows[at])) while (more()) group.push(rows[at + group.length]);
      const element = folded.has(rows[at]) ? fold(group, folds) : rows[at];
      putAfter(list, before, element);
      before = element;
      at += group.length;
    }
    for (const one of list.querySelectorAll(".fold")) if (!folds.has(one)) one.remove();
  };
  const fold = (rows, folds) => {
    const own = rows.map((row) => row.closest(".fold")).find((one) => one && !folds.has(one)) ?? newFold();
    folds.add(own);
    own.dataset.key = rows[0].dataset.key;
    const inner = $(".rows", own);
    rows.forEach((row, index) => {
      row.removeAttribute("data-day-begins");
      if (inner.children[index] !== row) inner.insertBefore(row, inner.children[index] ?? null);
    });
    const count = document.createElement("span");
    count.className = "count";
    count.textContent = window.Words.number(rows.length);
    const [start, end] = window.Words.form("withdrawn", rows.length).split("{number}");
    $("summary", own).replaceChildren(start, count, end);
    return own;
  };
  const newFold = () => {
    const [item, details, summary, inner] = ["li", "details", "summary", "ol"].map((name) =>
      document.createElement(name),
    );
    [item.className, inner.className] = ["fold", "rows"];
    details.append(summary, inner);
    item.append(details);
    return item;
  };
  const putAfter = (list, before, element) => {
    let next = before ? before.nextElementSibling : list.firstElementChild;
    while (next && next !== element && !next.matches(".row[data-key], .fold")) next = next.nextElementSibling;
    if (next === element) return;
    if (before) before.after(element);
    else list.prepend(element);
  };

  search.refold = refold;
  // Room above the rows, where the pane cannot scroll far enough to hold one still.
  const makeRoom = (height) => {
    if (scroller) scroller.style.paddingBlockStart = height ? `${height}px` : "";
  };
  // When an edit is left, its row becomes what it has become meanwhile.
  const settle = (row) => {
    makeRoom(0);
    if (!row || !pending.has(row.id)) return row;
    const found = pending.get(row.id);
    pending.delete(row.id);
    if (!found) return void row.remove();
    const same = row.parentElement === found.list && row.dataset.key === found.row.dataset.key;
    const below = [...found.list.children].find((one) => compare(one.dataset.key ?? "", found.row.dataset.key) < 0);
    if (same) row.replaceWith(found.row);
    else {
      row.remove();
      found.list.insertBefore(found.row, below ?? null);
    }
    htmx.process(found.row);
    return found.row;
  };
  const whereTo = (id) => {
    if (id === "story-state") return $("#story-more summary");
    if (id === "summary-box") return $("#summary-box [open] textarea") ?? byId("summary-edit");
    const row = byId(id.match(/^row-\d+/)?.[0]); // the pressed button may be gone
    const there = byId(id);
    if (there?.checkVisibility()) return there;
    return (row && $("a, button, summary", row)) ?? $(".row.moved") ?? $(".gone .undo");
  };
  // Before the other scripts' handlers, which say where a day begins.
  document.addEventListener("htmx:after:swap", refold, true);
  document.addEventListener("htmx:after:swap", ({ target }) => {
    if (focused && document.activeElement === document.body) {
      whereTo(focused)?.focus({ preventScroll: true });
    }
    if (formOf(target)) mark(formOf(target));
    focused = "";
    ready();
    if (!arrived.length) return;
    const rows = arrived;
    arrived = [];
    document.dispatchEvent(new CustomEvent("desk:arrived", { detail: { rows } }));
  });

  // On `window`, so that it runs after the other scripts' handlers.
  window.addEventListener("htmx:after:swap", () => {
    const held = anchors.find(({ row }) => row.isConnected && row.checkVisibility());
    const moved = () => (held ? held.row.getBoundingClientRect().top - held.top : 0);
    makeRoom(0);
    if (moved()) (scroller ?? window).scrollBy(0, moved());
    if (moved() < 0) makeRoom(-moved());
    anchors = [];
  });

  // --- After a form was sent

  document.addEventListener("desk:done", ({ detail: { form: name, key, row } }) => {
    done = Date.now();
    const form = document.querySelector(`form[data-form="${name}"]`);
    if (name.startsWith("edit-")) {
      // The new row has no form. Reopen it if more was typed since it was sent.
      const was = sentEdits.get(name);
      const typedOn = was && typedSince(was);
      keep.forget(name);
      if (was?.dataset.newKey) keep.drop(was);
      if (typedOn) keep.store(was);
      const before = byId("composer-conflict");
      if (before && $(`[data-form="${name}"]`, before)) {
        const fresh = $("[name=separate]", before).value;
        before.replaceChildren();
        clear(byId("composer"), fresh);
      }
      const edit = byId(`row-${name.slice(5)}-edit`);
      (row ? byId(row) : edit)?.focus(); // scrolls it into view, since the form was tall
      if (typedOn && !row) edit?.click();
      return;
    }
    if (!form?.elements.key) return void keep.forget(name);
    published.set(name, sending.get(form) ?? {});
    const typedOn = typedSince(form);
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
    const unset = (n, v) => (typeof v === "boolean" ? false : n === "byline" ? form.elements[n].defaultValue : "");
    fill(form, Object.fromEntries(Object.entries(valuesOf(form)).map(([n, v]) => [n, unset(n, v)])));
    form.elements.key.value = key;
    for (const part of ["pictures", "preview"]) {
      byId(`${form.dataset.form}-${part}`)?.replaceChildren();
    }
    keep.forget(form.dataset.form);
  };

  document.addEventListener("desk:refused", ({ detail: { form: name } }) => {
    const form = document.querySelector(`form[data-form="${name}"]`);
    const publishes = ["publish", "submit"].includes(pressed.get(form)?.value);
    say(form, words(publishes ? "refused_publish" : "refused_save"), "bad");
    mark(form);
    const wrong = $("[aria-invalid=true]", form) ?? bodyOf(form);
    if (typedSince(form)) wrong.scrollIntoView({ block: "nearest" });
    else wrong.focus();
  });
  // Its text is gone: what is typed is the copy of a new one from now on.
  document.addEventListener("desk:gone", ({ detail: { form: name, key } }) => {
    const form = document.querySelector(`form[data-form="${name}"]`);
    if (!form) return;
    if (key) keep.rename(form, key);
    say(form, words("lost_edit"), "bad");
    $(".conflict", byId(`${name}-conflict`))?.focus();
  });
  document.addEventListener("desk:conflict", ({ detail: { form: name } }) => {
    const form = document.querySelector(`form[data-form="${name}"]`);
    const panel = $(".conflict", byId(`${name}-conflict`));
    say(form, words("conflict"), "bad");
    if (panel?.dataset.merged) takeMerged(form, JSON.parse(panel.dataset.merged));
    panel?.focus();
  });
  // Show the merged text, unless more was typed since the form was sent. Then the form
  // keeps its old version, and saving it merges again.
  const takeMerged = (form, { version, ...values }) => {
    const sent = sending.get(form) ?? {};
    if (Object.entries(valuesOf(form)).some(([n, v]) => sent[n] !== v)) return;
    fill(form, values);
    form.elements.version.value = version;
  };
  const mark = (form) => {
    for (const field of form.querySelectorAll("[aria-describedby]")) {
      const errors = field
        .getAttribute("aria-describedby")
        .split(" ")
        .filter((id) => id.endsWith("-error"))
        .map(byId);
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
    else keep.offer(form, [], { values, typed: Date.now() });
    document.dispatchEvent(new CustomEvent("desk:restored", { detail: form }));
    say(form, words("undone"), "good");
    bodyOf(form).focus();
  });

  // --- Initialise each form that is added to the page, once

  const ready = () => {
    for (const form of document.querySelectorAll("form[data-form]:not([data-ready])")) {
      form.dataset.ready = "";
      for (const act of begin) act(form);
    }
  };
  document.documentElement.classList.add("scripted");
  document.addEventListener("DOMContentLoaded", () => {
    // all scripts have run by now
    ready();
    // Focus the composer, except on phones, where the keyboard would cover the page.
    const keys = matchMedia("(hover: hover)").matches;
    const composer = byId("composer");
    if (keys && composer && !location.hash) bodyOf(composer).focus({ preventScroll: true });
  });
  window.Desk = {
    $,
    byId,
    desk,
    formOf,
    bodyOf,
    clock,
    token,
    forms,
    keyOf,
    labelOf,
    headers,
    words,
    urls: urls ?? {},
    signInLink,
    valuesOf,
    fill,
    empty,
    statusOf,
    say,
    keep,
    begin,
    search,
    settle,
    sent: (form) => sending.get(form),
  };
})();
