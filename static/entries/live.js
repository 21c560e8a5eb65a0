// Keep an open story page equal to what is published. htmx receives the changes (hx-sse)
// and sorts the entries (hx-upsert). This file decides which entries belong on the page,
// holds new ones back while the reader is further down, keeps the view still, and handles
// what htmx 4.0.1 does not: a failed first connection, responses that are no stream,
// connections that die silently, and networks that block streams.
(() => {
  "use strict";

  const SILENCE = 45e3; // ms without an event (heartbeats come every 15 s)
  const CONNECT = 5e3; // ms without a stream until the page polls
  const AGAIN = 600e3; // ms until a page whose stream was held back tries it again
  const WATCHDOG = 20e3; // ms without a byte until a request is aborted
  const POLL = { fallback: 5e3, hidden: 20e3, ended: 60e3 };
  const ANNOUNCE = 20e3; // ms between two announcements
  const BUSY = 50; // ms of work without a rest
  const TOP = 100; // px from the top that still count as the top

  const $ = (id) => document.getElementById(id);
  const { lang } = document.documentElement;
  const { say, stamp, number } = window.Words ?? {}; // rescue.js loads lost scripts again
  const seqOf = (el) => +(el.dataset.seq || 0);
  const parse = (cursor) => {
    const cut = (cursor ||= "").lastIndexOf("-");
    return { epoch: cursor.slice(0, cut), seq: +cursor.slice(cut + 1) };
  };
  // Compare keys by time, then id, as numbers.
  const compare = (a, b) => {
    const [[minuteA, idA], [minuteB, idB]] = [a.split("-"), b.split("-")];
    return minuteA - minuteB || idA - idB;
  };

  let live; // the live bar; htmx attaches the connection to it
  let page; // what the page shows; reset with each new bar, like…
  let line; // …the state of the connection
  let paused = false; // by the reader; stays set for the next bar
  let withheld = false; // whether something on the way holds streams back
  let retryTimer = 0;
  let pollTimer = 0;

  // ---- the status line --------------------------------------------------------

  const words = () => {
    // The server's status of the story, if it is not simply "Live".
    const { state, status } = $("story-head")?.dataset ?? {};
    if (line.ended) return ["ended", (state === "closed" && status) || say("ended")];
    if (paused) return ["paused", say("paused")];
    const story = status && [state === "announced" ? state : "quiet", status];
    if (line.stream) return story || ["live", say("live")];
    if (!navigator.onLine) return ["offline", say("offline")];
    if (line.behind) return ["behind", say(line.left > 0 ? "left" : "behind", { number: line.left })];
    if (line.polling) return story || ["polling", say("polling")];
    return line.attempts || line.lost ? ["reconnecting", say("reconnecting")] : ["connecting", say("connecting")];
  };
  const show = () => {
    if (!live) return; // the page shows no story any more
    const [state, word] = words();
    live.dataset.state = state;
    const place = live.querySelector(".state .word");
    if (place.textContent !== word) place.textContent = word;
    const pause = live.querySelector(".pause");
    pause.hidden = line.ended;
    pause.textContent = say(paused ? "resume" : "pause");
    pause.setAttribute("aria-pressed", String(paused));
  };

  // ---- the stream -------------------------------------------------------------

  const connection = () => live._htmx?.sse;
  const connect = () => {
    clearTimeout(retryTimer);
    if (!live || line.stream || paused || withheld || line.ended || line.behind || document.hidden || connection())
      return;
    retryTimer = setTimeout(connect, WATCHDOG);
    htmx.trigger(live, "live-connect");
  };
  // Poll instead, since the stream is slower: a proxy may pass on only whole kilobytes.
  let againTimer = 0;
  const withhold = () => {
    withheld = true;
    clearTimeout(againTimer);
    againTimer = setTimeout(() => {
      withheld = false;
      connect();
    }, AGAIN);
    lose();
    disconnect();
  };
  const reconnectLater = () => {
    if (paused || withheld || line.ended) return;
    const pause = Math.min(500 * 2 ** line.attempts, 15e3) * (0.5 + Math.random());
    line.attempts += 1;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, pause);
  };
  const hear = () => {
    line.heard = performance.now();
  };
  const lose = () => {
    if (line.stream || !line.lost) line.lost = performance.now();
    line.stream = false;
    show();
    schedule();
  };
  const disconnect = () => connection()?.reader?.cancel();

  let drift = 0; // ms between the clocks; in some engines one stops while a device sleeps
  const watch = () => {
    const before = drift;
    drift = Date.now() - performance.now();
    if (before && drift - before > SILENCE) line.heard = -Infinity;
    if (!connection()?.reader || performance.now() - line.heard < SILENCE) return;
    lose();
    disconnect(); // htmx reconnects with the cursor
  };

  const listen = () => {
    live.addEventListener("htmx:config:request", (event) => {
      if (line.connecting) return event.preventDefault(); // one at a time
      line.connecting = true;
      // The URL has only the cursor of the page as it was loaded.
      event.detail.ctx.request.headers["Last-Event-ID"] = page.cursor;
      // Firefox lets one request wait for another of the same URL, unless it bypasses the cache.
      event.detail.ctx.request.cache = "no-store";
    });
    live.addEventListener("htmx:before:response", (event) => {
      const type = event.detail.ctx.response.raw.headers.get("Content-Type") || "";
      if (!type.includes("text/event-stream")) event.preventDefault();
    });
    live.addEventListener("htmx:sse:before:connection", (event) => {
      if (line.stream) lose(); // the end of a stream is no error event
      if (paused || withheld || line.ended || line.behind) event.preventDefault();
      event.detail.connection.lastEventId = page.cursor; // overrides htmx's own record
    });
    live.addEventListener("htmx:sse:after:connection", () => {
      line.opening = performance.now();
      hear();
    });
    live.addEventListener("htmx:sse:before:message", (event) => {
      if (paused || withheld) {
        event.preventDefault(); // htmx may still be waiting to reconnect
        return disconnect();
      }
      // Streams begin with an event, at once.
      if (!line.stream && line.heard - line.opening < 1 && performance.now() - line.heard > CONNECT) {
        event.preventDefault();
        return withhold();
      }
      hear();
      line.arriving = event.detail.message.id;
      if (performance.now() - line.rested > BUSY && !document.hidden) rest(event.detail);
    });
    live.addEventListener("htmx:sse:after:message", (event) => advance(event.detail.message.id));
    live.addEventListener("htmx:sse:error", lose);
    live.addEventListener("htmx:sse:close", (event) => {
      lose();
      if (event.detail.reason !== "message" && !line.behind) reconnectLater();
    });
    live.addEventListener("htmx:finally:request", () => {
      line.connecting = false;
      if (connection()) return;
      lose();
      reconnectLater();
    });
    live.addEventListener("ready", () => {
      line.stream = true;
      line.ended = false; // the stream sends `end` if the story has ended
      line.lost = line.attempts = line.failures = 0;
      line.polling = line.behind = false;
      show();
      schedule();
    });
    // The page lacks too much for a stream; `/changes` is compressed.
    live.addEventListener("behind", () => {
      line.behind = true;
      lose();
      disconnect();
    });
    live.addEventListener("end", end);
    live.addEventListener("reset", replacePage);
  };

  // Let the browser draw, and respond to the reader, before the next message of a burst.
  const rest = (detail) => {
    const resting = line;
    const proceed = (done) => {
      line.rested = performance.now();
      detail.cancelled = paused || withheld || line !== resting;
      done();
    };
    detail.waitUntil(new Promise((done) => setTimeout(proceed, 0, done)));
  };

  // Whether a message only repeats what the page has already.
  const old = (id) => {
    const at = parse(id);
    const now = parse(page.cursor);
    return at.epoch === now.epoch && at.seq < now.seq;
  };
  const advance = (id) => {
    const at = parse(id);
    const now = parse(page.cursor);
    if (at.epoch && (at.epoch !== now.epoch || at.seq > now.seq)) page.cursor = id;
  };
  const end = () => {
    line.ended = true;
    lose();
  };

  // ---- polling: to catch up, and if there is no stream ------------------------------

  // Return a response and its text. Each received byte restarts the timeout.
  const ask = async (address, control = new AbortController()) => {
    let timer = 0;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(), WATCHDOG);
    };
    try {
      wait();
      const answer = await fetch(address, { signal: control.signal });
      const reader = answer.clone().body.getReader();
      do wait();
      while (!(await reader.read()).done);
      return [answer, await answer.text()];
    } finally {
      clearTimeout(timer);
    }
  };
  const schedule = (now = false) => {
    clearTimeout(pollTimer);
    if (!live || line.stream || paused || (line.asking && !now)) return;
    let wait = POLL.fallback;
    if (now || (line.behind && !line.failures)) wait = 0;
    else if (line.ended) wait = POLL.ended;
    else if (document.hidden && !line.behind) wait = POLL.hidden;
    else if (line.failures)
      wait = Math.max(500, Math.min(500 * 2 ** line.failures, 30e3) - (performance.now() - line.asked));
    else if (!line.polling) wait = Math.max(500, CONNECT - (performance.now() - (line.lost || line.opened)));
    pollTimer = setTimeout(poll, wait * (0.9 + Math.random() * 0.2));
  };
  const stopAsking = () => {
    line.asking?.abort();
    line.asking = null;
  };
  const poll = async () => {
    if (line.stream || paused || (line.ended && document.hidden)) return schedule();
    stopAsking();
    const control = (line.asking = new AbortController());
    let wasBehind = false;
    try {
      do {
        line.asked = performance.now();
        // After a failure, request a single change, for very slow connections.
        const single = line.failures && 1;
        const answer = await ask(
          `${page.changes}?after=${page.cursor}&rail=${live.dataset.rail}&single=${single}`,
          control,
        );
        if (line.asking !== control) return; // the page was replaced or hidden
        const left = await take(...answer);
        if (line.asking !== control) return;
        if (left < 0 && line.behind) throw new Error("old");
        line.failures = 0;
        line.left = left;
        wasBehind ||= line.behind || left > 0;
        line.behind = left > 0 && !line.stream;
        line.ended &&= !line.behind; // the last response says so again
        show();
      } while (line.behind && !line.stream);
      line.polling = !line.stream;
      if (wasBehind) reconnectLater();
    } catch {
      if (line.asking !== control) return;
      line.polling = false;
      line.failures += 1;
    }
    line.asking = null;
    show();
    schedule();
  };
  // Swap in a response. Return how many changes are left, or -1 if the response was
  // ignored because the stream was faster.
  const take = async (answer, html) => {
    const state = answer.headers.get("Live-State");
    const at = answer.headers.get("Live-Cursor");
    const left = +answer.headers.get("Live-Left");
    if (!state) throw new Error(String(answer.status)); // from a proxy
    if (state === "reset") return replacePage();
    if (old(answer.headers.get("Live-Latest"))) return -1;
    const swap = html && htmx.swap({ text: html, sourceElement: live, target: live, swap: "none", request: {} });
    const news = parse(at).seq > parse(page.cursor).seq;
    advance(at); // before the swap, so that older messages of the stream are ignored
    try {
      await swap;
    } catch {
      return replacePage();
    }
    // The poll was faster than a stream that has been open for some time.
    if (news && !line.stream && connection()?.reader && performance.now() - line.opening > 2e3) withhold();
    if (answer.status === 410) return end();
    if (!live.isConnected) return replacePage(); // the story was withdrawn and restored
    if (left || line.stream) return left; // the stream sends `end` if the story has ended
    if (state === "closed") end();
    else if (line.ended) {
      line.ended = false;
      connect();
    }
  };

  // ---- another epoch: load the whole page again --------------------------------

  // The page's own URL, for the one in the bar may lead to an update instead.
  const ownUrl = location.pathname + location.search;
  let replacing = 0;
  const replacePage = async () => {
    if (replacing) return;
    replacing = 1;
    stopAsking();
    disconnect();
    let keep;
    for (let pause = 500; ; pause = Math.min(pause * 2, 30e3)) {
      try {
        const [answer, text] = await ask(ownUrl);
        const fresh = new DOMParser().parseFromString(text, "text/html");
        const story = fresh.getElementById("story");
        const notice = fresh.querySelector(".notice");
        if (!(story || notice) || answer.status >= 500) throw new Error(String(answer.status));
        if (fresh.documentElement.lang !== lang) return location.reload(); // with its words
        keep = anchor();
        if (story) $("story").replaceWith(document.adoptNode(story));
        else $("story").replaceChildren(document.adoptNode(notice));
        htmx.process($("story"));
        document.title = fresh.title;
        break;
      } catch {
        await new Promise((done) => setTimeout(done, pause * (0.5 + Math.random())));
      }
    }
    replacing = 0;
    begin();
    keep();
  };

  // ---- keeping the view and the focus -------------------------------------------

  // The entries that are shown, from top to bottom.
  const shown = () => {
    const rowsOf = (id) => [...($(id)?.children || [])];
    const rows = [...rowsOf("pinned"), ...rowsOf("updates")];
    const original = rowsOf("original");
    const all = page.order === "oldest" ? [...original, ...rows] : [...rows, ...original];
    return all.filter((el) => !el.hidden);
  };
  // Return the first index whose element fits, if all that follow it fit too.
  const firstFit = (length, fits) => {
    let [low, high] = [0, length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (fits(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  // Return a live range of the first character below a height, if the element has one.
  const lineAt = (top, inside) => {
    const range = document.createRange();
    const passes = (node, end) => {
      range.setStart(node, 0);
      range.setEnd(node, end);
      return range.getBoundingClientRect().bottom > top;
    };
    const texts = document.createTreeWalker(inside, NodeFilter.SHOW_TEXT);
    for (let node; (node = texts.nextNode());) {
      if (!passes(node, node.length)) continue;
      const at = firstFit(node.length, (n) => passes(node, n + 1));
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      return range;
    }
    return null;
  };
  // Return a function that restores the scroll position: what begins first on screen, and
  // still exists, keeps its place; inside a tall block, the line at its upper edge.
  const anchor = () => {
    if (scrollY === 0) return () => {};
    const top = Math.max(0, live.getBoundingClientRect().bottom);
    const seen = []; // elements and ranges with their ids and tops
    const covering = []; // the same for what begins above the screen
    const look = (part) => {
      const box = part.getBoundingClientRect();
      const row = [part, part.id, box.top];
      if (!box.height || box.bottom <= top) return null;
      if (box.top >= top - 1) return box.top < innerHeight && seen.push(row) && box;
      covering.unshift(row);
      return box;
    };
    const rows = shown();
    const from = firstFit(rows.length, (n) => rows[n].getBoundingClientRect().bottom > top);
    for (const el of rows.slice(from)) {
      if (!look(el)) break;
      for (const block of el.querySelectorAll(".entry-content > *, .body > *")) {
        const box = look(block);
        if (!box || box.top >= top - 1 || block.matches(".body")) continue;
        block.querySelectorAll("li, tr, p, figure").forEach(look);
        const line = lineAt(top + 8, block);
        const at = line?.getBoundingClientRect().top ?? innerHeight;
        if (at >= innerHeight) continue;
        const row = [line, "", at];
        if (box.bottom > (top + innerHeight) / 2) seen.unshift(row);
        else seen.push(row);
      }
    }
    return () => {
      for (const [part, id, before] of [...seen, ...covering]) {
        const now = part.isConnected === false ? id && $(id) : part;
        const box = now && now.getBoundingClientRect();
        if (!box?.height) continue;
        const moved = box.top - before;
        if (Math.abs(moved) >= 0.5) scrollBy({ top: moved, behavior: "instant" });
        return;
      }
    };
  };
  // Return a function that moves focus to the replacement of the focused element.
  const focusKeeper = () => {
    const focused = document.activeElement;
    const entry = focused?.closest?.("article.entry");
    if (!entry) return () => {};
    const inside = [...entry.querySelectorAll("a[href], button")];
    const index = inside.indexOf(focused);
    const next = entry.nextElementSibling?.id;
    return () => {
      if (document.activeElement !== document.body) return;
      const now = $(entry.id) || $(next);
      const target = now?.id === entry.id && index >= 0 ? now.querySelectorAll("a[href], button")[index] || now : now;
      target?.focus({ preventScroll: true });
    };
  };
  const atTop = () => scrollY <= TOP && !document.hidden && !paused && page.kind === "front";

  // ---- changing elements in place --------------------------------------------------

  // What stays the same keeps its node, and so its selection, focus and place.
  const patch = (present, fresh) => {
    if (present.isEqualNode(fresh)) return;
    if (present.nodeType === Node.TEXT_NODE) return patchText(present, fresh.data);
    for (const { name } of [...present.attributes])
      if (name !== "style" && !fresh.hasAttribute(name)) present.removeAttribute(name);
    for (const { name, value } of fresh.attributes)
      if (present.getAttribute(name) !== value) present.setAttribute(name, value);
    patchChildren(present, [...present.childNodes], [...fresh.childNodes]);
  };
  const patchText = (text, words) => {
    const { data } = text;
    const least = Math.min(data.length, words.length);
    let [start, end] = [0, 0];
    while (start < least && data[start] === words[start]) start += 1;
    while (end < least - start && data.at(-1 - end) === words.at(-1 - end)) end += 1;
    text.replaceData(start, data.length - start - end, words.slice(start, words.length - end));
  };
  const patchChildren = (parent, olds, news) => {
    while (olds.length && news.length && olds[0].isEqualNode(news[0])) {
      olds.shift();
      news.shift();
    }
    let after = null; // the first node of the equal end
    while (olds.length && news.length && olds.at(-1).isEqualNode(news.at(-1))) {
      after = olds.pop();
      news.pop();
    }
    const kept = new Map(); // new elements to the equal old ones
    let from = 0;
    for (const node of news) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      const at = olds.findIndex((old, n) => n >= from && old.isEqualNode(node));
      if (at < 0) continue;
      kept.set(node, olds[at]);
      from = at + 1;
    }
    const staying = new Set(kept.values());
    for (const node of news) {
      const old = kept.get(node);
      if (old) {
        while (olds[0] !== old) olds.shift().remove();
        olds.shift();
      } else if (olds[0]?.nodeName === node.nodeName && !staying.has(olds[0])) patch(olds.shift(), node);
      else parent.insertBefore(node, olds[0] || after);
    }
    for (const old of olds) old.remove();
  };

  // ---- dates --------------------------------------------------------------------

  // Full once the story has ended, and short while it runs: as `fragments.with_full_dates`
  // and `gmt.format_stamp` on the server. Times of the first day have no date then.
  const shortDay = () => {
    const { firstDay } = $("story-head").dataset;
    const year = live.querySelector("time")?.dateTime.slice(0, 4);
    return firstDay?.startsWith(year) ? firstDay : "";
  };
  const dateTimes = (root) => {
    for (const el of root.querySelectorAll("time:not(.body time, #story-head time)")) {
      const text = stamp(el.dateTime, page.firstDay);
      if (el.textContent !== text) el.textContent = text;
    }
  };

  // ---- placing entries ----------------------------------------------------------

  const inRange = (key) =>
    !(page.newer && compare(key, page.newer) >= 0) && !(page.older && compare(key, page.older) < 0);

  const homeOf = (el) => {
    if ("original" in el.dataset) return $("original");
    if ("pinned" in el.dataset && page.kind === "front") return $("pinned");
    return inRange(el.dataset.key) ? $("updates") : null;
  };
  const drop = (task) => {
    task.fragment = document.createDocumentFragment();
    task.target = null;
  };
  const place = (task) => {
    const el = task.fragment.firstElementChild;
    const present = $(el.id);
    const home = homeOf(el);
    const isNew = el.dataset.first > page.loaded;
    if (present && seqOf(present) >= seqOf(el)) return drop(task);
    if (!home) {
      present?.remove();
      forget(el.id);
      if (isNew) noteOutside(el);
      return drop(task);
    }
    dress(task.fragment);
    drop(task);
    if (!present) {
      forget(el.id);
      arrive(el, home);
      return insert(el, home);
    }
    el.hidden = present.hidden;
    for (const name of ["arrived", "stopped"]) el.classList.toggle(name, present.classList.contains(name));
    const stays = present.parentElement === home && present.dataset.key === el.dataset.key;
    patch(present, el);
    if (!stays) insert(present, home);
  };
  const insert = (el, home) => {
    const rows = [...home.children].filter((row) => row !== el);
    const sign = page.order === "oldest" ? 1 : -1;
    const at = firstFit(rows.length, (n) => sign * compare(rows[n].dataset.key, el.dataset.key) > 0);
    // A frame or a video in an entry that moves goes on playing, where browsers can do that.
    home[el.isConnected && home.moveBefore ? "moveBefore" : "insertBefore"](el, rows[at] || null);
  };
  const arrive = (el, home) => {
    if (home.id !== "updates") return;
    if (atTop()) {
      el.classList.add("arrived");
      const newest = page.order === "oldest" ? home.lastElementChild : home.firstElementChild;
      if (newest && compare(newest.dataset.key, el.dataset.key) > 0) page.below.set(el.id, `#${el.id}`);
      announce(1);
    } else {
      el.hidden = true;
      page.held.add(el.id);
    }
  };
  const noteOutside = (el) => {
    if ("original" in el.dataset) return;
    const key = el.dataset.key;
    if (page.newer && compare(key, page.newer) >= 0) page.elsewhere.add(el.id);
    else page.below.set(el.id, el.querySelector(".stamp a").getAttribute("href"));
  };
  const forget = (id) => {
    for (const ids of [page.held, page.elsewhere, page.below]) ids.delete(id);
  };

  // The rail has its own seq. Its message has no id, so htmx assigns it the previous one.
  const passed = (task, late) => {
    const rail = task.fragment.firstElementChild;
    return rail?.id === "rail" ? seqOf(rail) < seqOf($("rail") ?? rail) : late;
  };
  // Change the head, the rail or a line of the page in place.
  const renew = (task) => {
    const fresh = task.fragment.firstElementChild;
    const present = fresh?.id && $(fresh.id);
    if (!present || task.fragment.childElementCount > 1) return;
    patch(present, fresh);
    drop(task);
  };
  const adapt = (event) => {
    const { ctx, tasks } = event.detail;
    const type = ctx.response?.raw?.headers.get("Content-Type");
    // An error page of a proxy must not be swapped in.
    if (ctx.response?.raw && !type?.includes("text/event-stream")) return event.preventDefault();
    const late = type && old(line.arriving);
    const keep = anchor();
    const refocus = focusKeeper();
    for (const task of tasks) {
      dateTimes(task.fragment);
      if (passed(task, late)) drop(task);
      else if (task.swapSpec.style === "upsert") place(task);
      else if (task.swapSpec.style === "delete") forget(task.fragment.textContent);
      else if (task.swapSpec.style === "outerHTML") renew(task);
    }
    const done = () => {
      live.removeEventListener("htmx:finally:swap", done);
      if (!live.isConnected) return;
      refocus();
      lead();
      const firstDay = shortDay();
      if (firstDay !== page.firstDay) {
        page.firstDay = firstDay;
        dateTimes(document);
      }
      keep();
      settle();
    };
    live.addEventListener("htmx:finally:swap", done);
  };

  // After each change, update what depends on the entries.
  const settle = () => {
    const head = $("story-head");
    if (head.lang !== lang) return replacePage();
    page.title = head.dataset.title;
    const rail = $("rail")?.dataset.seq;
    if (rail) live.dataset.rail = rail;
    // The link to older updates names the last entry on this page.
    const older = $("older");
    if (older && page.order === "newest" && page.older) {
      const id = new URL(older.href).searchParams.get("before");
      const bound = $(`entry-${id}`);
      if (!bound || bound.dataset.key !== page.older) rebound(older);
    }
    lead();
    count();
    show();
  };
  // In one column FEATURE follows the third entry that is shown.
  let leading = []; // at first set by early.js
  const lead = () => {
    if (!$("updates")) return;
    const first = [];
    for (let el = $("updates").firstElementChild; el && first.length < 3; el = el.nextElementSibling)
      if (!el.hidden) first.push(el);
    if (!leading.length) leading = [...$("updates").children].slice(0, 3);
    for (const el of leading) if (!first.includes(el)) el.style.order = "";
    for (const el of first) el.style.order = 1;
    leading = first;
  };
  const rebound = (older) => {
    const [last] = [...document.querySelectorAll("#pinned > article, #updates > article")]
      .filter((el) => inRange(el.dataset.key))
      .sort((a, b) => compare(a.dataset.key, b.dataset.key));
    if (!last) return;
    page.older = last.dataset.key;
    older.search = `?before=${last.id.slice("entry-".length)}`;
    older.setAttribute("hx-get", older.href);
  };

  // ---- the button, the title, the announcement ----------------------------------

  const count = () => {
    const n = page.held.size + page.elsewhere.size;
    const button = live.querySelector(".arrivals");
    button.hidden = !n;
    const text = say("new", { number: n });
    if (n && button.textContent !== text) {
      button.textContent = text;
      announce(0);
    }
    const link = live.querySelector(".earlier");
    link.hidden = !page.below.size;
    if (page.below.size) {
      link.textContent = say("earlier", { number: page.below.size });
      link.href = [...page.below.values()].pop();
    }
    document.title = n ? `(${number(n)}) ${page.title}` : page.title;
  };
  let announced = -Infinity; // time in ms
  let announceTimer = 0;
  let unsaid = 0; // updates shown since the last announcement
  const announce = (shown) => {
    unsaid += shown;
    clearTimeout(announceTimer);
    const wait = Math.max(0, announced + ANNOUNCE - performance.now());
    announceTimer = setTimeout(() => {
      const n = unsaid + page.held.size + page.elsewhere.size;
      if (!live?.isConnected || !n) return;
      announced = performance.now();
      unsaid = 0;
      $("announcer").textContent = say("new", { number: n });
    }, wait);
  };
  const reveal = () => {
    if (page.elsewhere.size) return location.assign(page.front);
    const shown = [...page.held].map($).filter(Boolean);
    const stay = page.order === "newest" ? () => {} : anchor();
    for (const el of shown) {
      el.hidden = false;
      el.classList.add("arrived");
    }
    page.held.clear();
    lead();
    stay();
    count();
    const first = shown.sort((a, b) => a.compareDocumentPosition(b) & 2 || -1)[0];
    first?.focus({ preventScroll: true });
    first?.scrollIntoView({ block: "start", behavior: "instant" });
  };
  // The URL leads to the update, on whichever page it will be.
  const urlOf = (id) => {
    const oldest = new URLSearchParams(location.search).has("order"); // its pages stay
    return oldest ? `#${id}` : `?at=${id.slice("entry-".length)}#${id}`;
  };
  const jump = (event) => {
    const link = event.target.closest("[data-jump], .earlier");
    if (!link) return;
    const el = $(link.dataset.jump || link.hash.slice(1));
    if (link.matches(".earlier")) page.below.clear();
    if (!el) return;
    event.preventDefault();
    // A step in the history, so that Back returns to where the reader was.
    if (el.id.startsWith("entry-")) history.pushState(null, "", urlOf(el.id));
    if (el.hidden) reveal();
    el.focus({ preventScroll: true });
    el.scrollIntoView({ block: "start", behavior: "instant" });
    count();
  };

  // ---- older updates, in place -----------------------------------------------------

  // The loaded page of older updates, from which htmx selects the entries (hx-select).
  // Entries that this page has already are newer.
  let fetched = null;
  const older = (event) => {
    const { ctx, tasks } = event.detail;
    if (!ctx.sourceElement.closest?.(".pager")) return;
    fetched = new DOMParser().parseFromString(ctx.text, "text/html");
    if (!fetched.getElementById("live")) {
      event.preventDefault();
      return location.assign(ctx.sourceElement.href);
    }
    for (const task of tasks) {
      for (const el of [...task.fragment.children]) if ($(el.id)) el.remove();
      dress(task.fragment);
    }
  };
  const extend = async (event) => {
    const link = event.target.closest?.(".pager a");
    if (!link || !fetched) return;
    const [from, asking] = [fetched, page];
    fetched = null;
    const { older, newer, cursor: at } = from.getElementById("live").dataset;
    if (page.order === "newest") page.older = older;
    else page.newer = newer;
    const pager = link.closest(".pager");
    const next = from.querySelector(".timeline ~ .pager");
    const original = from.getElementById("original");
    if (original && !$("original")) {
      dress(original);
      pager.after(original);
      live.querySelector(".jump").href = "#original";
    }
    const first = from.querySelector("#updates > article");
    if (next) pager.replaceWith(next);
    else pager.remove();
    if (next) htmx.process(next);
    $(first?.id)?.focus({ preventScroll: true });
    settle();
    if (parse(at).epoch !== parse(page.cursor).epoch) return replacePage();
    // It is older than this page, so request the changes in between, and repeat that if
    // the stream sends more in the meantime.
    try {
      let [after, tries] = [at, 0];
      for (let left = parse(at).seq < parse(page.cursor).seq; left;) {
        const answer = await ask(`${page.changes}?after=${after}`);
        if (page !== asking) return;
        left = await take(...answer);
        if (left >= 0) after = answer[0].headers.get("Live-Cursor");
        else if ((tries += 1) === 5) throw new Error("old");
      }
    } catch {
      replacePage();
    }
  };

  const dress = (root) => document.dispatchEvent(new CustomEvent("entries:come", { detail: root }));

  // ---- beginning -----------------------------------------------------------------

  const begin = () => {
    const bar = $("live");
    if (!bar) return live && end(); // withdrawn; polling goes on, since it may be restored
    live = bar;
    page = {
      ...live.dataset, // cursor, changes, newer, older, order, front; from the server
      kind: live.dataset.page,
      loaded: parse(live.dataset.cursor).seq, // its seq when it was loaded
      title: "",
      firstDay: shortDay(), // the one whose times have no date; "" if all have one
      held: new Set(), // ids of new entries that wait for the button
      elsewhere: new Set(), // ids of new entries that belong on a newer page
      below: new Map(), // ids of new entries further down, with their URLs
    };
    line = {
      connecting: false, // whether the stream was requested
      stream: false, // whether the stream is open
      ended: !["live", "announced"].includes($("story-head").dataset.state),
      arriving: "", // cursor of the stream's latest message
      opened: performance.now(), // time in ms
      opening: 0, // time of the last connection in ms
      lost: 0, // time in ms
      heard: 0, // time of the last event or byte in ms
      rested: 0, // time of the last rest in ms
      attempts: 0, // failed connections in a row
      polling: false, // whether the last poll succeeded
      failures: 0, // failed polls in a row
      asked: 0, // time of the last poll in ms
      asking: null, // the AbortController of the current poll
      behind: false, // whether further changes must be requested
      left: 0, // number of missing changes, if known
    };
    dress(document);
    cover.disconnect();
    cover.observe(live);
    listen();
    live.addEventListener("htmx:before:swap", adapt);
    live.querySelector(".arrivals").addEventListener("click", reveal);
    live.querySelector(".pause").addEventListener("click", pause);
    // Set here, because htmx may process the page before hx-sse has loaded.
    live.setAttribute("hx-sse:connect", live.dataset.stream);
    htmx.process(live);
    settle();
    connect();
    schedule();
  };
  const pause = () => {
    paused = !paused;
    if (paused) {
      clearTimeout(retryTimer);
      stopAsking();
      disconnect();
      line.stream = false;
    } else connect();
    show();
    schedule();
  };
  const wake = () => {
    if (!live) return;
    if (!live.isConnected) return schedule(true); // the withdrawn story may be restored
    line.failures = 0;
    if (document.hidden) {
      line.stream = false; // htmx closes the stream of a hidden tab
    } else {
      connection()?.delayCanceller?.();
      connect();
    }
    line.lost = line.lost || performance.now();
    schedule(line.ended); // poll at once if the story had ended
    show();
  };

  const nameUpdate = () => {
    const id = location.hash.slice(1);
    if (/^entry-\d+$/.test(id) && $(id)) history.replaceState(history.state, "", urlOf(id));
  };
  // Other scripts' changes to the page, which must not move the text.
  const move = (event) => {
    if (!live?.isConnected) return;
    event.preventDefault();
    const keep = anchor();
    event.detail();
    keep();
  };
  // How much the bar covers, even with large letters.
  const measure = () => {
    const height = live.offsetHeight + Math.min(0, parseFloat(getComputedStyle(live).insetBlockStart) || 0);
    document.documentElement.style.setProperty("--cover", `${height}px`);
  };
  // In the next frame, since WebKit reports a change of style during this one as an error.
  const cover = new ResizeObserver(() => requestAnimationFrame(() => live && measure()));

  // This script keeps the view still itself, in the same way in every browser.
  document.documentElement.style.overflowAnchor = "none";
  document.addEventListener("visibilitychange", wake);
  document.addEventListener("click", jump);
  document.addEventListener("entries:move", move);
  document.addEventListener("htmx:before:swap", older);
  document.addEventListener("htmx:after:swap", extend);
  addEventListener("online", () => {
    withheld = false; // perhaps another network
    wake();
  });
  addEventListener("offline", () => live?.isConnected && show());
  // Firefox ends a stream before `pagehide`, as an error.
  addEventListener("beforeunload", () => live && disconnect());
  addEventListener("pageshow", (event) => {
    if (!live || !event.persisted) return;
    line.heard = -Infinity;
    if (live.isConnected) watch();
    wake();
  });
  setInterval(() => live?.isConnected && watch(), 5e3);
  addEventListener("hashchange", nameUpdate);
  addEventListener("animationend", ({ target }) => target.classList.remove("arrived"));
  const start = () => {
    if (!window.htmx || $("live")?.dataset.state === "unsupported") return; // rescue.js says so
    nameUpdate();
    // After htmx has processed the page, unless rescue.js loads it again for a lost script.
    setTimeout(() => $("live")?.dataset.state === "reconnecting" || begin());
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
