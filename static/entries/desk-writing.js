"use strict";
// The text editor: keyboard shortcuts, the toolbar, and the length counter.
(() => {
  if (!window.Desk) return;
  const { $, byId, formOf, bodyOf, begin } = window.Desk;
  const MODIFIER = (event) => (event.ctrlKey || event.metaKey) && !event.altKey;

  // --- Keys and the toolbar

  document.addEventListener("keydown", (event) => {
    const form = formOf(event.target);
    const key = window.keyPressed(event);
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    const plain = !MODIFIER(event) && !event.altKey && !event.shiftKey;
    if (key === "enter" && plain && event.target.matches("textarea[name=body]")) {
      if (window.Desk.timed?.(event.target) || continueList(event.target)) event.preventDefault();
    } else if (form && MODIFIER(event) && key === "enter") press(event, $(".primary:not([type=button])", form));
    else if (MODIFIER(event) && key === "s") {
      const within = form ?? byId("composer");
      if (within) press(event, $("[value=draft], .lost .primary, [value=save]", within));
    } else if (key === "escape" && form && $("[data-cancel]", form)) leave(form, event);
    else if (form && key === "enter" && event.target.matches("input[type=text]")) {
      event.preventDefault(); // in a one-line field, Enter would submit the form
      if (!event.target.closest(".picture, .how, .quoting")) bodyOf(form).focus();
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
    const within = form.closest(".row");
    form.remove();
    const row = window.Desk.settle(within);
    if (row) $("[id$=-edit]", row)?.focus();
    else if (within) bodyOf(byId("composer") ?? document)?.focus();
  };

  document.addEventListener("click", (event) => {
    const cancel = event.target.closest("[data-cancel]");
    if (cancel?.closest(".row, .conflict")) return void leave(formOf(cancel), event);
    const tool = event.target.closest(".tools [type=button]:not([data-find], [data-quote])");
    if (!tool) return;
    const area = bodyOf(formOf(tool));
    area.focus();
    if (tool.dataset.wrap) wrap(area, tool.dataset.wrap, tool.dataset.wrap);
    else if ("link" in tool.dataset) wrap(area, "[", "](https://)");
    else prefix(area, tool.dataset.line);
  });
  // execCommand is the only way to change a text so that the browser can undo it. It changes
  // whatever has focus, which an area that left the page cannot take.
  const type = (area, text) => {
    const focused = document.activeElement === area;
    const command = text ? "insertText" : "delete";
    if (!focused || !document.execCommand(command, false, text)) {
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
    type(
      area,
      chosen
        .split("\n")
        .map((line) => mark + line)
        .join("\n"),
    );
  };
  // Insert a block at a position in the text, by default after the selection, in one
  // undoable step. Focus returns to the field that had it.
  const insertBlock = (area, text, at = area.selectionEnd) => {
    if (composing) return void afterComposing.push(() => insertBlock(area, text));
    const active = document.activeElement;
    area.focus({ preventScroll: true });
    area.setSelectionRange(at, at);
    const before = area.value.slice(0, at);
    const gap = before.trim() ? "\n\n".slice(before.match(/\n{0,2}$/)[0].length) : "";
    const rest = area.value.slice(at).match(/^\n{0,2}/)[0];
    type(area, gap + text + "\n\n".slice(rest.length));
    const end = area.selectionEnd + rest.length;
    area.setSelectionRange(end, end);
    if (active !== area && formOf(active) && active.matches("input[type=text], textarea")) active.focus();
  };
  // Enter continues a list or a quotation, and ends it on an empty item.
  const ITEM = /^( *)([-*+]|[1-9][0-9]?\.|>)( +)(.*)$/;
  const continueList = (area) => {
    const { value, selectionStart: place } = area;
    if (place !== area.selectionEnd) return false;
    const start = value.lastIndexOf("\n", place - 1) + 1;
    const found = ITEM.exec(value.slice(start, place));
    if (!found) return false;
    const [, indent, mark, gap, text] = found;
    const number = parseInt(mark, 10);
    const rest = /^[^\n]*/.exec(value.slice(place))[0];
    if (!text.trim() && !rest.trim()) {
      area.setSelectionRange(start, place);
      type(area, "");
      return true;
    }
    // “12. The last” is a sentence, unless the item above is 11.
    const above = value
      .slice(0, start)
      .split("\n")
      .some((line) => line.trim().startsWith(`${number - 1}. `));
    if (!text.trim() || (number > 1 && !above)) return false;
    type(area, `\n${indent}${number ? `${number + 1}.` : mark}${gap}`);
    return true;
  };
  const removeBlock = (area, mark) => {
    const place = area.value.indexOf(mark);
    if (place < 0) return;
    const start = area.value.lastIndexOf("\n", place) + 1;
    const line = area.value.indexOf("\n", place);
    const end = line < 0 ? area.value.length : line + area.value.slice(line).match(/^\n{0,2}/)[0].length;
    area.focus();
    area.setSelectionRange(start, end);
    type(area, "");
  };
  let composing = false;
  const afterComposing = [];
  document.addEventListener("compositionstart", () => {
    composing = true;
  });
  document.addEventListener("compositionend", () => {
    composing = false;
    setTimeout(() => afterComposing.splice(0).forEach((act) => act()));
  });

  // Insert a text at the caret, in place of the selection; paragraphs are a block there.
  const insertText = (area, text) => {
    const begins = /(^|\n)$/.test(area.value.slice(0, area.selectionStart));
    if (composing || (text.includes("\n") && !begins)) return void insertBlock(area, text);
    area.focus();
    type(area, text);
  };

  const isComposing = () => composing;
  Object.assign(window.Desk, { type, isComposing, insertText, insertLine: insertBlock, insertBlock, removeBlock });

  // --- The length of a text, and its limit

  const count = (area) => {
    const limit = Number(area.dataset.limit);
    const output = byId(`${area.id.replace(/-body$/, "")}-count`);
    if (!output) return;
    const length = [...area.value].length;
    const { say, locale } = window.Words;
    const shown = { length: length.toLocaleString(locale), limit: limit.toLocaleString(locale) };
    output.textContent = length ? say("characters", shown) : "";
    output.toggleAttribute("data-over", length > limit);
  };
  document.addEventListener("input", ({ target }) => {
    if (formOf(target) && target.name === "body") count(target);
  });
  begin.push((form) => count(bodyOf(form)));
})();
