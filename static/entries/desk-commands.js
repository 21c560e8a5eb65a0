"use strict";
// Keyboard shortcuts: `/` (commands), `:` (emoji) and `@` (stories) open a list under the
// caret; single letters act on the focused row; `?` lists all shortcuts.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, bodyOf, type, insertBlock, say, words, urls, begin } = window.Desk;
  const MAX_OPTIONS = 8;
  const LETTERS = "desk:single-letters"; // key in localStorage, with the value "off" or none

  // --- Commands

  const press = (element) => element?.click();
  const dialog = byId("shortcuts");
  const altOf = (form) => {
    const fields = [...form.querySelectorAll(".picture [name$=-alt]")];
    return fields.find(({ value }) => !value.trim()) ?? fields[0];
  };
  // Each command: the element that it needs, and what it does with it.
  const COMMANDS = {
    key: [(form) => $("[name=key_event]", form), press],
    pin: [(form) => $("[name=pinned]", form), press],
    see: [(form) => $("button[data-find=see]", form), press],
    snippet: [(form) => $("button[data-find=snippet]", form), press],
    at: [(form) => $("[name=at]", form), (field, form) => type(bodyOf(form), "/at ")],
    preview: [(form) => $("[value=preview]", form), press],
    search: [() => byId("find-q"), (field) => window.Desk.search.start?.(field)],
    edit: [() => $("#timeline .row [id$=-edit]"), press],
    alt: [altOf, (field) => field.focus()],
    help: [() => dialog, (box) => open(box)],
  };
  const commandsFor = (form, typed) =>
    Object.entries(COMMANDS)
      .filter(([name, [find]]) => name.startsWith(typed.toLowerCase()) && find(form))
      .map(([name]) => ({ value: name, text: `/${name}`, note: words(`command_${name}`) }));
  const run = (form, name) => {
    const [find, act] = COMMANDS[name];
    act(find(form), form);
  };
  // Handle Enter after “/at 1015” on a line of its own.
  const timed = (area) => {
    const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
    const line = area.value.slice(start, area.selectionStart);
    const [, time] = /^\/at +(\S.*)$/.exec(line) ?? [];
    const field = time && formOf(area)?.elements.at;
    if (!field || area.selectionStart !== area.selectionEnd) return false;
    area.setSelectionRange(start, area.selectionStart);
    type(area, "");
    field.value = time.trim();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    return true;
  };
  window.Desk.timed = timed;

  // --- Emoji and stories

  let emoji = null;
  const emojiFor = async (typed) => {
    emoji ??= fetch(urls.emoji).then((answer) => (answer.ok ? answer.json() : {}));
    const sought = typed.toLowerCase();
    const found = [[], [], []]; // exact matches, names that start with it, words that do
    for (const [char, names] of Object.entries(await emoji)) {
      if (names[0] === sought || names.includes(sought)) found[0].push([char, names]);
      else if (names[0].startsWith(sought)) found[1].push([char, names]);
      else if (names.some((name) => name.startsWith(sought))) found[2].push([char, names]);
    }
    return found.flat().map(([char, names]) => ({ value: char, text: char, note: names[0].replaceAll("_", " ") }));
  };
  const storiesFor = async (form, typed) => {
    const query = new URLSearchParams({ what: "see", q: typed });
    const url = $(".picker[data-find]", form)?.dataset.find;
    const answer = url && (await fetch(`${url}?${query}`, { headers: { "HX-Request": "true" } }));
    if (!answer?.ok || !answer.headers.get("desk-answer")) return [];
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    return [...parsed.querySelectorAll("[data-insert]")].map((found) => ({
      value: found.dataset.insert,
      text: found.textContent.replace(/\s+/g, " ").trim(),
    }));
  };

  // --- Snippets: `/` and the first letters of a word of their names

  let snippets = null;
  const snippetsFor = async (form, typed) => {
    const url = typed && $(".picker[data-snippets]", form)?.dataset.snippets;
    if (!url) return [];
    snippets ??= fetch(url).then((answer) => (answer.ok ? answer.json() : { snippets: [] }));
    const starts = (name) =>
      name
        .toLowerCase()
        .split(/\s+/)
        .some((word) => word.startsWith(typed.toLowerCase()));
    const found = (await snippets).snippets.filter(({ name }) => starts(name));
    return found.map(({ name, body }) => ({ value: "", insert: body, text: name, note: words("snippet") }));
  };
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-find=snippet]")) snippets = null; // reload: one may have been added
  });

  // --- The list under the caret: <text-expander>; the text is inserted by this script

  const LABELS = { "/": "commands", ":": "emoji", "@": "stories" };
  const matches = new WeakMap(); // textarea -> {key, text}
  const suggest = async (area, key, typed) => {
    const form = formOf(area);
    const before = area.value[area.selectionEnd - typed.length - key.length - 1];
    if (key !== ":" && before && before !== "\n") return [];
    if (key === "/") {
      if (!/^[\p{L}\p{M}\p{N}_]*$/u.test(typed)) return [];
      return [...commandsFor(form, typed), ...(await snippetsFor(form, typed))];
    }
    if (key === ":") return /^[\w+-]{2,}$/.test(typed) ? emojiFor(typed) : [];
    return typed.trim() && typed.length < 60 ? storiesFor(form, typed) : [];
  };
  const listOf = (key, options) => {
    const list = document.createElement("ul");
    list.className = "suggestions";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", words(LABELS[key]));
    options.slice(0, MAX_OPTIONS).forEach(({ value, text, note, insert }, at) => {
      const option = document.createElement("li");
      option.id = `suggestion-${at}`;
      option.setAttribute("role", "option");
      option.dataset.value = value;
      if (insert) option.dataset.insert = insert;
      option.append(text);
      if (note) {
        const quiet = document.createElement("span");
        quiet.className = "quiet";
        quiet.textContent = note;
        option.append(" ", quiet);
      }
      list.append(option);
    });
    return list;
  };
  const choose = (area, { key, text }, { value, insert }) => {
    const end = area.selectionEnd;
    area.focus();
    area.setSelectionRange(end - text.length - key.length, end);
    if (insert) return void type(area, insert);
    type(area, key === ":" ? value : "");
    if (key === "@") insertBlock(area, value);
    if (key === "/") run(formOf(area), value);
  };
  const flip = (list) => {
    const { bottom, height, right } = list.getBoundingClientRect();
    if (bottom > innerHeight) list.style.marginBlockStart = `-${height + 28}px`;
    if (right > innerWidth) list.style.marginInlineStart = `${innerWidth - right - 8}px`;
  };
  const expand = (form) => {
    const area = bodyOf(form);
    if (!area || area.closest("text-expander")) return;
    const expander = document.createElement("text-expander");
    const focused = document.activeElement === area;
    const place = document.createComment("");
    expander.setAttribute("keys", "/ : @");
    expander.setAttribute("multiword", "@");
    expander.style.display = "contents";
    area.replaceWith(place);
    expander.append(area); // first, since it looks for the textarea when it is connected
    place.replaceWith(expander);
    if (focused) area.focus({ preventScroll: true });
    expander.addEventListener("text-expander-change", (event) => {
      const { key, text, provide } = event.detail;
      const found = suggest(area, key, text).catch(() => []);
      provide(
        found.then((options) => {
          matches.set(area, { key, text });
          return { matched: options.length > 0, fragment: listOf(key, options) };
        }),
      );
    });
    expander.addEventListener("text-expander-activate", () => {
      requestAnimationFrame(() => {
        const list = $(".suggestions", expander);
        if (list) flip(list);
      });
    });
    expander.addEventListener("text-expander-value", (event) => {
      event.preventDefault(); // it would replace the whole value, which breaks undo
      const { value, insert } = event.detail.item.dataset;
      const match = matches.get(area);
      expander.dismiss();
      choose(area, match, { value, insert });
    });
  };
  begin.push(expand);

  // --- Single letters on the focused row, and the list of shortcuts

  const lettersOn = () => {
    try {
      return localStorage.getItem(LETTERS) !== "off";
    } catch {
      return true;
    }
  };
  const ROW_KEYS = { e: "edit", k: "key", p: "pin", x: "cross" };
  const copyLink = async (row) => {
    const link = $("[data-copy]", row);
    if (!link) return;
    try {
      await navigator.clipboard.writeText(link.dataset.copy);
      say(row, words("link_copied"), "good");
    } catch {
      say(row, words("not_copied"), "bad");
    }
  };
  const step = (row, key) => {
    const listed = document.querySelectorAll("#waiting > .row, #timeline .row[data-key], #original > .row");
    const all = [...listed].filter((one) => one.checkVisibility());
    const next = all[all.indexOf(row) + (key === "ArrowDown" ? 1 : -1)];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
    return Boolean(next);
  };
  const WRITES = "input, textarea, select, [contenteditable], dialog *";
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || event.altKey) return;
    const { target } = event;
    const modified = event.ctrlKey || event.metaKey;
    const key = window.keyPressed(event);
    if (modified && key === "/" && dialog) {
      event.preventDefault();
      return void open(dialog);
    }
    if (modified && key === "j" && formOf(target)) return void toAlt(event, formOf(target));
    if (modified || target.matches?.(WRITES)) return;
    if (key === "?" && dialog) {
      event.preventDefault();
      return void open(dialog);
    }
    const row = target.closest?.("#waiting > .row, #timeline .row[data-key], #original > .row");
    if (!row) return;
    if (/^Arrow(Up|Down)$/.test(event.key)) {
      if (step(row, event.key)) event.preventDefault();
      return;
    }
    if (event.shiftKey || event.repeat || !lettersOn() || $(".slot form[data-form]", row)) return;
    if (key === "c") copyLink(row);
    else if (ROW_KEYS[key]) press($(`[id="${row.id}-${ROW_KEYS[key]}"]`, row));
    else return;
    event.preventDefault();
  });
  const toAlt = (event, form) => {
    const field = event.target.matches("[name=body]") ? altOf(form) : bodyOf(form);
    if (!field) return;
    event.preventDefault();
    field.focus();
  };
  const open = (box) => {
    if (box.open) return;
    const before = document.activeElement;
    $("[data-letters]", box).checked = lettersOn();
    box.showModal();
    box.addEventListener("close", () => before?.focus({ preventScroll: true }), { once: true });
  };
  document.addEventListener("click", (event) => {
    if (!dialog) return;
    if (event.target.closest("[data-shortcuts]")) {
      event.preventDefault();
      open(dialog);
    } else if (event.target === dialog || event.target.closest("#shortcuts [data-close]")) dialog.close();
  });
  dialog?.addEventListener("change", ({ target }) => {
    try {
      localStorage.setItem(LETTERS, target.checked ? "on" : "off");
    } catch {
      /* storage is forbidden: the setting lasts until the page is closed */
    }
  });
})();
