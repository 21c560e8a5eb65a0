"use strict";
// Convert pasted HTML (from Word, Excel, Docs, Pages, LibreOffice and browsers) to the
// Markdown dialect of entries/text/markdown.py. Images are pasted only without any text.
(() => {
  if (!window.Desk) return;
  const { formOf, bodyOf, type, bringPictures } = window.Desk;

  const MAX_HTML = 2_000_000; // characters; longer ones are pasted as plain text
  const MAX_PIPES = 60; // in a row of a table, as in markdown.py
  const MAX_DEPTH = 3; // of nested lists
  const BLOCKS = new Set(
    "address article aside blockquote body center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tbody td tfoot th thead tr ul".split(
      " ",
    ),
  );
  const DROPPED = "head, style, script, meta, link, title, template, noscript, svg, button, select, textarea, xml";
  // In Word's HTML: comments and their marks, and the numbers or bullets of list items.
  const OF_WORD =
    '[data-style*="mso-element:comment"], [data-style*="mso-hide:all"], .MsoCommentReference, .msocomanchor, .msocomoff, del[datetime], del[cite]';
  const PROSE = /urn:schemas-microsoft-com|class="?'?Mso|docs-internal-guid|LibreOffice|OpenOffice|Cocoa HTML Writer/i;
  const RICH = "a[href], b, strong, i, em, s, del, strike, ul, ol, blockquote, table, h1, h2, h3, h4, h5, h6, pre, hr";
  const UNSPACED = /[\u0e00-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]/;
  const WORD = /[\p{L}\p{N}\p{M}_]/u;
  const inWord = (char) => Boolean(char) && WORD.test(char) && !UNSPACED.test(char);
  const OPENS = /[\s*_~([{"'“”‘’«»„‹›¿¡–—-]/;

  // --- Inline text: only characters that would be parsed as marks are escaped

  const inLines = (text) => text.replace(/[\v\f\x85\u2028\u2029]/g, "\n");
  const flat = (text) => text.replace(/[\t\n\f\r \u00a0]+/g, " ");
  const escape = (text, prose) =>
    text.replace(/(\\*)([`*_~[\]\\])/g, (whole, before, mark, at) => {
      if (mark === "\\") return whole;
      const previous = text[at - 1];
      const next = text[at + whole.length];
      const spaced = (!previous || /\s/.test(previous)) && (!next || /\s/.test(next)) && previous !== undefined;
      const within = inWord(previous) && inWord(next);
      let literal = within || spaced;
      if (mark === "[" || mark === "]") literal = !prose.includes("](");
      if (mark === "`") literal = false;
      if (mark === "~") literal = previous !== "~" && next !== "~";
      if (before) literal = false;
      return literal ? whole : `${before}${before}\\${mark}`;
    });
  const safeUrl = (link) => {
    const href = (link.getAttribute("href") ?? "").trim();
    if (!/^(https?:\/\/[^\s/?#\\]|mailto:\S)/i.test(href)) return "";
    const codes = { " ": "%20", "<": "%3C", ">": "%3E", '"': "%22", "\\": "%5C" };
    const url = href.replace(/[\s<>"\\]/g, (char) => codes[char] ?? "");
    if (/^[^()]*(\([^()]*\)[^()]*)*$/.test(url)) return url;
    return url.replace(/[()]/g, (char) => (char === "(" ? "%28" : "%29"));
  };
  // The Content-Security-Policy forbids style attributes even in parsed documents.
  const renamed = (html) =>
    html
      .replace(/<style[^]*?<\/style>/gi, "")
      .replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/(\s)style\s*=/gi, "$1data-style="));
  const styleOf = (element) => {
    const pairs = (element.dataset.style ?? "").split(";").map((pair) => pair.split(":"));
    return Object.fromEntries(pairs.map(([name, ...value]) => [name.trim().toLowerCase(), value.join(":").trim()]));
  };
  const isBold = (weight) => weight === "bold" || weight === "bolder" || Number(weight) >= 600;
  const isItalic = (style) => /italic|oblique/.test(style);
  const formatOf = (element, format) => {
    const { localName: tag } = element;
    const style = styleOf(element);
    const now = { ...format };
    if (tag === "b" || tag === "strong") now.bold = true;
    if (tag === "i" || tag === "em" || tag === "cite") now.italic = true;
    if (tag === "s" || tag === "del" || tag === "strike") now.struck = true;
    if (tag === "code" || tag === "kbd" || tag === "samp" || tag === "tt") now.code = true;
    if (style["font-weight"]) now.bold = isBold(style["font-weight"]);
    if (style["font-style"]) now.italic = isItalic(style["font-style"]);
    if (/line-through/.test(`${style["text-decoration"]} ${style["text-decoration-line"]}`)) now.struck = true;
    if (tag === "a") now.url = safeUrl(element) || now.url;
    return now;
  };
  const runsOf = (node, format, runs) => {
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) runs.push({ ...format, text: flat(child.data) });
      else if (child.nodeType !== Node.ELEMENT_NODE) continue;
      else if (child.localName === "br") {
        if (!child.classList.contains("Apple-interchange-newline")) runs.push({ text: "\n" });
      } else if (BLOCKS.has(child.localName) && runs.length) {
        runs.push({ text: " " });
        runsOf(child, formatOf(child, format), runs);
      } else runsOf(child, formatOf(child, format), runs);
    }
    return runs;
  };
  const same = (a, b) => ["bold", "italic", "struck", "code", "url"].every((k) => (a[k] || "") === (b[k] || ""));
  const marksOf = ({ bold, italic, struck }) => (struck ? "~~" : "") + (bold ? "**" : "") + (italic ? "*" : "");
  const reversed = (marks) => [...(marks.match(/~~|\*\*|\*/g) ?? [])].reverse().join("");

  const inline = (node, format = {}) => written(runsOf(node, format, []));
  const written = (found) => {
    const runs = [];
    for (const run of found) {
      const last = runs.at(-1);
      if (last && same(last, run)) last.text += run.text;
      else if (run.text) runs.push({ ...run });
    }
    const prose = runs.map(({ text }) => text).join("");
    let out = "";
    runs.forEach((run, at) => {
      const [, before, core, after] = /^(\s*)([^]*?)(\s*)$/.exec(run.text);
      const next = after ? " " : (runs[at + 1]?.text[0] ?? "");
      if (!core) return void (out += run.text);
      out += before;
      const text = run.code ? core : escape(core, prose);
      const marks = run.code && !core.includes("`") ? "`" : marksOf(run);
      const previous = out.at(-1) ?? "";
      const opens = !previous || OPENS.test(previous) || UNSPACED.test(previous);
      const readable = opens && !inWord(next) && !/^[)\],.;:!?]/.test(core);
      const body = marks && readable ? marks + text + (marks === "`" ? "`" : reversed(marks)) : text;
      out += (run.url ? linked(run.url, core, body) : body) + after;
    });
    return out
      .replace(/ *\n */g, "\n")
      .replace(/ {2,}/g, " ")
      .replace(/\n{2,}/g, "\n")
      .trim();
  };
  const bare = (url) => url.replace(/^(https?:\/\/|mailto:)(www\.)?|\/$/gi, "");
  const linked = (url, core, body) => {
    if (core === url || (bare(core) === bare(url) && /^https?:/i.test(core))) return url;
    const text = body.replace(/\n/g, " ").replace(/(?<!\\)[[\]]/g, "\\$&");
    return `[${text}](${url})`;
  };

  // Escape marks that count at the start of a line.
  const guarded = (text) =>
    text
      .split("\n")
      .map((line) =>
        line
          .replace(/^(#{1,6}) /, "\\$1 ")
          .replace(/^(>)(?![0-9=])/, "\\$1")
          .replace(/^([-+*]) /, "\\$1 ")
          .replace(/^([-_*])(?=( *\1){2,} *$)/, "\\$1")
          .replace(/^(?=[|:\- ]*$)([|:-])/, "\\$1"),
      )
      .join("\n");

  // --- Blocks

  const isBlock = (node) => node.nodeType === Node.ELEMENT_NODE && BLOCKS.has(node.localName);
  const holdsBlocks = (element) => [...element.querySelectorAll("*")].some((one) => BLOCKS.has(one.localName));
  const blocksOf = (parent, format = {}, depth = 0) => {
    const blocks = [];
    let runs = [];
    const close = () => {
      // Two line breaks in a row end a paragraph.
      const parts = [[]];
      runs.forEach((run, at) => {
        if (run.text === "\n" && runs[at + 1]?.text === "\n") parts.push([]);
        else parts.at(-1).push(run);
      });
      for (const part of parts) {
        const text = written(part);
        if (text) blocks.push({ kind: "text", text: guarded(text) });
      }
      runs = [];
    };
    for (const node of parent.childNodes) {
      if (isBlock(node)) {
        close();
        blocks.push(...blockOf(node, formatOf(node, format), depth));
      } else if (node.nodeType === Node.ELEMENT_NODE && holdsBlocks(node)) {
        close(); // Google Docs wraps everything in <b id="docs-internal-guid-…">
        blocks.push(...blocksOf(node, formatOf(node, format), depth));
      } else if (node.nodeType === Node.ELEMENT_NODE || node.nodeType === Node.TEXT_NODE) {
        runsOf({ childNodes: [node] }, format, runs);
      }
    }
    close();
    return blocks;
  };
  const text = (kind, value) => (value ? [{ kind, text: value }] : []);
  const blockOf = (element, format, depth) => {
    const tag = element.localName;
    const level = wordLevel(element);
    if (level) return wordItem(element, format, level);
    if (/^h[1-6]$/.test(tag)) {
      const words = inline(element, { ...format, bold: false }).replace(/\n/g, " ");
      return text("text", words && `${tag < "h3" ? "##" : "###"} ${words}`);
    }
    if (tag === "hr") return [{ kind: "text", text: "---" }];
    if (tag === "pre") return text("text", element.textContent.trim() && fenced(element.textContent));
    if (tag === "blockquote") return text("quote", quoted(joined(blocksOf(element, format, depth))));
    if (tag === "ul" || tag === "ol") return listOf(element, format, depth);
    if (tag === "table") return tableOf(element, format, depth);
    return blocksOf(element, format, depth);
  };
  const quoted = (value) => value && value.replace(/^/gm, "> ").replace(/^> $/gm, ">");
  const fenced = (code) => {
    const fence = "`".repeat(Math.max(3, ...[...code.matchAll(/`+/g)].map((run) => run[0].length + 1)));
    return `${fence}\n${code.replace(/\n+$/, "")}\n${fence}`;
  };
  const indented = (value, depth) => value.replace(/^(?=.)/gm, "    ".repeat(depth));
  const listOf = (list, format, depth) => {
    const lines = [];
    let number = 0;
    const within = depth < MAX_DEPTH ? depth + 1 : depth;
    for (const item of list.children) {
      if (item.matches("ul, ol")) {
        // Google Docs and Outlook put a nested list beside its item, not inside.
        lines.push(...listOf(item, format, within).map(({ text: inner }) => inner));
        continue;
      }
      const parts = blocksOf(item, formatOf(item, format), within);
      const own = parts.filter(({ kind }) => kind !== "list").map((part) => part.text.replace(/\n+/g, " "));
      const inner = parts.filter(({ kind }) => kind === "list").map((part) => part.text);
      if (!own.length && !inner.length) continue;
      const mark = list.localName === "ol" ? `${(number += 1)}.` : "-";
      if (own.length) lines.push(indented(`${mark} ${own.join(" ")}`, depth));
      lines.push(...inner);
    }
    return lines.length ? [{ kind: "list", text: lines.join("\n") }] : [];
  };
  // Return the list level of a paragraph in Word's HTML, whose lists are paragraphs.
  const wordLevel = (element) => {
    const found = /mso-list:\s*l\d+ level(\d+)/i.exec(element.dataset.style ?? "");
    return found ? Math.min(Number(found[1]), MAX_DEPTH + 1) : 0;
  };
  const wordItem = (element, format, level) => {
    const copy = element.cloneNode(true);
    const marker = copy.querySelector('[data-style*="mso-list:Ignore"], [data-style*="mso-list: Ignore"]');
    const numbered = /^\s*\(?[0-9a-z]{1,4}[.)]/i.test(marker?.textContent ?? "");
    marker?.remove();
    const words = inline(copy, format).replace(/\n/g, " ");
    return words ? [{ kind: "item", text: words, numbered, level }] : [];
  };
  const tableOf = (table, format, depth) => {
    const rows = [...table.rows].filter((row) => row.closest("table") === table);
    const cells = rows.map((row) => [...row.cells]);
    const columns = Math.max(0, ...cells.map((row) => row.reduce((sum, cell) => sum + cell.colSpan, 0)));
    const layout = table.querySelector("table") || columns < 2 || columns >= MAX_PIPES;
    if (layout) return cells.flat().flatMap((cell) => blocksOf(cell, formatOf(cell, format), depth));
    const line = (row) => {
      const texts = row.flatMap((cell) => {
        const words = inline(cell, cell.localName === "th" ? { ...format, bold: false } : format);
        return [words.replace(/\n/g, " ").replace(/\|/g, "\\|"), ...Array(cell.colSpan - 1).fill("")];
      });
      return `| ${[...texts, ...Array(columns - texts.length).fill("")].join(" | ")} |`;
    };
    const filled = cells.filter((row) => row.some((cell) => cell.textContent.trim()));
    if (!filled.length) return [];
    const [head, ...body] = filled.map(line);
    return [{ kind: "table", text: [head, `|${" --- |".repeat(columns)}`, ...body].join("\n") }];
  };
  // Join Word's successive list items to one list, and number it again.
  const joined = (blocks) => {
    const parts = [];
    let counts = [];
    let open = false;
    for (const block of blocks) {
      if (block.kind !== "item") {
        parts.push(block.text);
        open = false;
        continue;
      }
      if (!open) counts = [];
      const depth = Math.min(block.level - 1, open ? counts.length : 0);
      counts.length = depth + 1;
      counts[depth] = (counts[depth] ?? 0) + 1;
      const item = indented(`${block.numbered ? `${counts[depth]}.` : "-"} ${block.text}`, depth);
      if (open) parts[parts.length - 1] += `\n${item}`;
      else parts.push(item);
      open = true;
    }
    return parts.join("\n\n");
  };

  // --- The clipboard

  const parse = (html) => {
    const page = new DOMParser().parseFromString(renamed(html), "text/html");
    for (const one of page.querySelectorAll(`${DROPPED}, ${OF_WORD}`)) if (one !== page.head) one.remove();
    for (const one of page.querySelectorAll("[data-style]")) if (styleOf(one).display === "none") one.remove();
    return page.body;
  };
  const isProse = (html, body) =>
    PROSE.test(html) ||
    body.querySelector(RICH) !== null ||
    [...body.querySelectorAll("[data-style]")]
      .map(styleOf)
      .some((style) => isBold(style["font-weight"]) || isItalic(style["font-style"]));
  const BARE_URL = /^(https?:\/\/|mailto:)\S+$/i;
  // Whether an image was pasted without text. Its own URL or file name, and the white
  // space that Word adds, do not count as text.
  const comesAlone = (files, plain, body) => {
    if (body) return !body.textContent.trim();
    const names = files.map(({ name }) => name);
    return !plain || BARE_URL.test(plain) || plain.split(/\s*[\r\n]+\s*/).every((line) => names.includes(line));
  };
  const linkSelection = (area, address) => {
    const { value, selectionStart: start, selectionEnd: end } = area;
    const chosen = value.slice(start, end);
    if (!chosen.trim() || chosen.includes("\n") || BARE_URL.test(chosen.trim())) return false;
    if (value.slice(0, start).endsWith("](")) return false;
    const [, before, core, after] = /^(\s*)(.*?)(\s*)$/.exec(chosen);
    const link = document.createElement("a");
    link.setAttribute("href", address);
    type(area, `${before}[${core}](${safeUrl(link)})${after}`);
    return true;
  };
  const insert = (area, blocks) => {
    const { value, selectionStart: start } = area;
    const markdown = joined(blocks);
    const block = blocks.length > 1 || blocks[0].kind !== "text" || /^(#|```|---)/.test(markdown);
    const before = value.slice(0, start);
    const gap = block && before.trim() ? "\n\n".slice(before.match(/\n{0,2}$/)[0].length) : "";
    type(area, gap + inLines(markdown));
  };

  // Paste plain text as it is, but for signs that other applications break lines with: a
  // text area does not show them as breaks.
  const pasteLines = (event, area) => {
    const text = event.clipboardData.getData("text/plain");
    const lines = inLines(text);
    if (lines === text) return;
    event.preventDefault();
    type(area, lines.replace(/\r\n?/g, "\n"));
  };

  let plainly = false; // Ctrl+Shift+V
  document.addEventListener(
    "keydown",
    (event) => {
      plainly = window.keyPressed(event) === "v" && event.shiftKey && (event.ctrlKey || event.metaKey);
    },
    true,
  );
  document.addEventListener("paste", (event) => {
    const form = formOf(event.target);
    const clipboard = event.clipboardData;
    if (!form || !clipboard || event.defaultPrevented) return;
    const files = [...clipboard.files];
    const plain = clipboard.getData("text/plain").trim();
    const html = clipboard.getData("text/html");
    const body = html && html.length <= MAX_HTML ? parse(html) : null;
    const asTyped = plainly;
    plainly = false;
    if (files.length && comesAlone(files, plain, body)) {
      event.preventDefault();
      return void bringPictures(form, files);
    }
    const area = event.target;
    if (area !== bodyOf(form)) return;
    if (asTyped) return void pasteLines(event, area);
    if (window.Desk.isCode(plain)) {
      event.preventDefault();
      return void window.Desk.pasteCode(area, plain);
    }
    const lone = body && area.selectionStart !== area.selectionEnd && body.textContent.trim() === plain;
    if (BARE_URL.test(plain) && (!body || lone)) {
      if (linkSelection(area, plain)) event.preventDefault();
      return;
    }
    if (!body || !isProse(html, body)) return void pasteLines(event, area); // plain text, or Markdown
    const blocks = blocksOf(body);
    if (!blocks.length) return;
    event.preventDefault();
    insert(area, blocks);
  });
})();
