// Keeps an open story page equal to what is published. htmx brings the changes
// (hx-sse) and puts entries in order (hx-upsert); this file decides what stands on
// this page, holds arrivals back while somebody reads, keeps the view still, and
// cures what htmx 4.0.1 leaves open: a first connection that fails, answers that
// are no stream, connections that died silently, networks that allow no stream.
(() => {
  "use strict";

  const SILENCE = 45e3; // ms without a word (the server pings every 15 s)
  const CONNECT = 6e3; // ms without a stream before the page polls
  const WATCHDOG = 20e3; // ms without a byte after which a connection is given up
  const POLL = { fallback: 5e3, hidden: 20e3, ended: 60e3 };
  const ANNOUNCE = 20e3; // ms between two announcements
  const TOP = 100; // px from the top that still count as the top

  const $ = (id) => document.getElementById(id);
  const seqOf = (el) => Number(el.dataset.seq || 0);
  const parse = (cursor) => {
    const cut = (cursor ||= "").lastIndexOf("-");
    return { epoch: cursor.slice(0, cut), seq: Number(cursor.slice(cut + 1)) };
  };
  // The order of hx-upsert: time, then id, as numbers.
  const compare = (a, b) => a.localeCompare(b, undefined, { numeric: true });

  let live; // the bar; it carries the connection
  let page; // what the page shows; begun anew with every bar, as is…
  let line; // …how the server is heard
  let paused = false; // by the reader, who pauses the next bar too
  let retryTimer = 0;
  let pollTimer = 0;

  // ---- state, in words --------------------------------------------------------

  const words = () => {
    if (line.ended) return ["ended", endedWord()];
    if (paused) return ["paused", "Paused"];
    // What the server says of the story, where that is not simply "Live".
    const status = $("story-head")?.dataset.status;
    if (line.stream) return status ? [storyState(), status] : ["live", "Live"];
    if (!navigator.onLine) return ["offline", "Offline…"];
    if (line.behind)
      return ["behind", line.left > 0 ? `Catching up: ${plural(line.left, "update")} left` : "Catching up…"];
    if (line.polling) return status ? [storyState(), status] : ["polling", "Live, every few seconds"];
    return line.attempts || line.lost ? ["reconnecting", "Reconnecting…"] : ["connecting", "Connecting…"];
  };
  const endedWord = () => (closed() && $("story-head").dataset.status) || "Ended";
  const closed = () => $("story-head")?.dataset.state === "closed";
  const storyState = () => ($("story-head").dataset.state === "announced" ? "announced" : "quiet");
  const show = () => {
    if (!live) return; // nothing of a story is left on the page
    const [state, word] = words();
    live.dataset.state = state;
    const place = live.querySelector(".state .word");
    if (place.textContent !== word) place.textContent = word;
    const pause = live.querySelector(".pause");
    pause.hidden = line.ended;
    pause.textContent = paused ? "Resume" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
  };

  // ---- the stream -------------------------------------------------------------

  const connection = () => live._htmx?.sse;
  const connect = () => {
    clearTimeout(retryTimer);
    if (!live || line.stream || paused || line.ended || line.behind || document.hidden || connection()) return;
    retryTimer = setTimeout(connect, WATCHDOG);
    htmx.trigger(live, "live-connect");
  };
  const reconnectLater = () => {
    if (paused || line.ended) return;
    const pause = Math.min(500 * 2 ** line.attempts, 15e3) * (0.5 + Math.random());
    line.attempts += 1;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, pause);
  };
  const hear = () => {
    line.heard = Date.now();
  };
  const lose = () => {
    if (line.stream || !line.lost) line.lost = Date.now();
    line.stream = false;
    show();
    schedule();
  };
  const disconnect = () => connection()?.reader?.cancel();

  const watch = () => {
    if (!connection()?.reader || Date.now() - line.heard < SILENCE) return;
    lose();
    disconnect(); // htmx connects again, with the cursor
  };

  const listen = () => {
    live.addEventListener("htmx:config:request", (event) => {
      if (line.connecting) return event.preventDefault(); // one at a time
      line.connecting = true;
      // A cursor in the address is that of the page as it was loaded.
      event.detail.ctx.request.headers["Last-Event-ID"] = page.cursor;
    });
    live.addEventListener("htmx:before:response", (event) => {
      const type = event.detail.ctx.response.raw.headers.get("Content-Type") || "";
      if (!type.includes("text/event-stream")) event.preventDefault();
    });
    live.addEventListener("htmx:sse:before:connection", (event) => {
      if (line.stream) lose(); // its end is no error
      if (paused || line.ended || line.behind) event.preventDefault();
      event.detail.connection.lastEventId = page.cursor; // one owner, whatever htmx heard
    });
    live.addEventListener("htmx:sse:after:connection", hear);
    live.addEventListener("htmx:sse:before:message", (event) => {
      if (paused) {
        event.preventDefault(); // a pause does not stop htmx where it waits to connect again
        return disconnect();
      }
      hear();
      line.arriving = event.detail.message.id;
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
      line.ended = false; // the stream says itself whether it ends
      line.lost = line.attempts = line.failures = 0;
      line.polling = line.behind = false;
      show();
      schedule();
    });
    // The stream carries no more than a little; the rest comes compressed.
    live.addEventListener("behind", () => {
      line.behind = true;
      lose();
      disconnect();
    });
    live.addEventListener("end", end);
    live.addEventListener("reset", replacePage);
  };

  // What an old message says, this page has: it is a repetition.
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

  // ---- asking for changes: to catch up, and where there is no stream ---------------

  // Return an answer and its text. Every byte keeps the request alive.
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
    else if (line.failures) wait = Math.max(500, Math.min(500 * 2 ** line.failures, 30e3) - (Date.now() - line.asked));
    else if (!line.polling) wait = Math.max(500, CONNECT - (Date.now() - (line.lost || line.opened)));
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
        line.asked = Date.now();
        // After a failure one change is asked for: that much every line can carry.
        const single = line.failures && 1;
        const answer = await ask(
          `${page.changes}?after=${page.cursor}&rail=${live.dataset.rail}&single=${single}`,
          control,
        );
        if (line.asking !== control) return; // asked for a page that is gone, or rests
        const left = await take(...answer);
        if (line.asking !== control) return;
        if (left < 0 && line.behind) throw new Error("old");
        line.failures = 0;
        line.left = left;
        wasBehind ||= line.behind || left > 0;
        line.behind = left > 0 && !line.stream;
        line.ended &&= !line.behind; // the last answer says it again
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
  // Return how many changes are left, if any; -1 where the stream was faster, so that
  // the answer was not taken.
  const take = async (answer, html) => {
    const state = answer.headers.get("Live-State");
    const at = answer.headers.get("Live-Cursor");
    const left = Number(answer.headers.get("Live-Left"));
    if (!state) throw new Error(String(answer.status)); // not ours
    if (state === "reset") return replacePage();
    if (old(answer.headers.get("Live-Latest"))) return -1;
    const swap = html && htmx.swap({ text: html, sourceElement: live, target: live, swap: "none", request: {} });
    advance(at); // at once: what the stream says meanwhile may be older
    try {
      await swap;
    } catch {
      return replacePage();
    }
    if (answer.status === 410) return end();
    if (!live.isConnected) return replacePage(); // the story was withdrawn, and is back
    if (left || line.stream) return left; // the stream says itself whether the story ended
    if (state === "closed") end();
    else if (line.ended) {
      line.ended = false;
      connect();
    }
  };

  // ---- another history: the page is fetched whole ------------------------------

  let replacing = 0;
  const replacePage = async () => {
    if (replacing) return;
    replacing = 1;
    stopAsking();
    disconnect();
    for (let pause = 500; ; pause = Math.min(pause * 2, 30e3)) {
      try {
        const [answer, text] = await ask(location.pathname + location.search);
        const fresh = new DOMParser().parseFromString(text, "text/html");
        const story = fresh.getElementById("story");
        const notice = fresh.querySelector(".notice");
        if (!(story || notice) || answer.status >= 500) throw new Error(String(answer.status));
        const keep = anchor();
        if (story) $("story").replaceWith(document.adoptNode(story));
        else $("story").replaceChildren(document.adoptNode(notice));
        htmx.process($("story"));
        document.title = fresh.title;
        keep();
        break;
      } catch {
        await new Promise((done) => setTimeout(done, pause * (0.5 + Math.random())));
      }
    }
    replacing = 0;
    begin();
  };

  // ---- what stands still -------------------------------------------------------

  // Return a function that puts what is on screen back where it was. What is kept
  // is the first line of text or entry that begins on screen and is still there.
  const anchor = () => {
    if (scrollY === 0) return () => {};
    const top = Math.max(0, live.getBoundingClientRect().bottom);
    const seen = [];
    for (const el of document.querySelectorAll("#story article.entry, #story .entry .body > *")) {
      const box = el.getBoundingClientRect();
      if (box.height && box.top >= top - 1 && box.top < innerHeight) seen.push([el, el.id, box.top]);
    }
    return () => {
      for (const [old, id, before] of seen) {
        const el = old.isConnected ? old : id && $(id);
        if (!el || el.hidden) continue;
        const moved = el.getBoundingClientRect().top - before;
        if (Math.abs(moved) >= 0.5) scrollBy({ top: moved, behavior: "instant" });
        return;
      }
    };
  };
  // Return a function that gives focus back to what replaced the focused element.
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

  // ---- entries find their place -------------------------------------------------

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
    const isNew = Number(el.dataset.first) > page.loaded;
    if (present && seqOf(present) >= seqOf(el)) return drop(task);
    if (!home) {
      present?.remove();
      forget(el.id);
      if (isNew) noteOutside(el);
      return drop(task);
    }
    dress(task.fragment);
    task.target = home;
    task.swapSpec = { ...task.swapSpec, sort: page.order === "oldest" ? "asc" : "desc" };
    if (present) {
      el.hidden = present.hidden;
      if (present.parentElement !== home || present.dataset.key !== el.dataset.key) present.remove();
    } else {
      forget(el.id);
      arrive(el, home);
    }
  };
  const arrive = (el, home) => {
    const keys = [...home.children].map((child) => child.dataset.key);
    const newest = keys.every((key) => compare(key, el.dataset.key) < 0);
    if (home.id !== "updates") return;
    if (atTop()) {
      el.classList.add("arrived");
      if (!newest) page.below.set(el.id, `#${el.id}`);
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
    page.held.delete(id);
    page.elsewhere.delete(id);
    page.below.delete(id);
  };

  // The rail has a number of its own. It comes without an id, and htmx gives its message
  // that of the one before.
  const passed = (task, late) => {
    const rail = task.fragment.firstElementChild;
    return rail?.id === "rail" ? seqOf(rail) < seqOf($("rail") ?? rail) : late;
  };
  const adapt = (event) => {
    const { ctx, tasks } = event.detail;
    const type = ctx.response?.raw?.headers.get("Content-Type");
    // A proxy's page is not ours.
    if (ctx.response?.raw && !type?.includes("text/event-stream")) return event.preventDefault();
    const late = type && old(line.arriving);
    const keep = anchor();
    const refocus = focusKeeper();
    for (const task of tasks) {
      if (passed(task, late)) drop(task);
      else if (task.swapSpec.style === "upsert") place(task);
      else if (task.swapSpec.style === "delete") forget(task.fragment.textContent);
    }
    const done = () => {
      live.removeEventListener("htmx:finally:swap", done);
      if (!live.isConnected) return;
      refocus();
      keep();
      settle();
    };
    live.addEventListener("htmx:finally:swap", done);
  };

  // After every change: what the page says about itself.
  const settle = () => {
    const head = $("story-head");
    if (head) page.title = head.dataset.title;
    const rail = $("rail")?.dataset.seq;
    if (rail) live.dataset.rail = rail;
    // The link to older updates names an entry that stands on this page.
    const older = $("older");
    if (older && page.order === "newest" && page.older) {
      const id = new URL(older.href).searchParams.get("before");
      const bound = $(`entry-${id}`);
      if (!bound || bound.dataset.key !== page.older) rebound(older);
    }
    count();
    show();
  };
  const rebound = (older) => {
    const rows = [...document.querySelectorAll("#pinned > article, #updates > article")];
    const inside = rows.filter((el) => inRange(el.dataset.key));
    const last = inside.sort((a, b) => compare(a.dataset.key, b.dataset.key))[0];
    if (!last) return;
    page.older = last.dataset.key;
    older.search = `?before=${last.id.slice("entry-".length)}`;
    older.setAttribute("hx-get", older.href);
  };

  // ---- the button, the title, the announcement ----------------------------------

  const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const count = () => {
    const n = page.held.size + page.elsewhere.size;
    const button = live.querySelector(".arrivals");
    button.hidden = !n;
    const text = plural(n, "new update");
    if (n && button.textContent !== text) {
      button.textContent = text;
      announce(n);
    }
    const link = live.querySelector(".earlier");
    link.hidden = !page.below.size;
    if (page.below.size) {
      const inPlace = [...page.below.values()].every((address) => address.startsWith("#"));
      link.textContent = `${plural(page.below.size, "earlier update")} added`;
      link.href = [...page.below.values()].pop();
      link.classList.toggle("elsewhere", !inPlace);
    }
    document.title = n ? `(${n}) ${page.title}` : page.title;
  };
  let announced = 0; // when, ms
  let announceTimer = 0;
  const announce = (n) => {
    clearTimeout(announceTimer);
    const wait = Math.max(0, announced + ANNOUNCE - Date.now());
    announceTimer = setTimeout(() => {
      if (!live?.isConnected) return;
      announced = Date.now();
      $("announcer").textContent = plural(Math.max(n, page.held.size + page.elsewhere.size), "new update");
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
    stay();
    count();
    const first = shown.sort((a, b) => a.compareDocumentPosition(b) & 2 || -1)[0];
    first?.focus({ preventScroll: true });
    first?.scrollIntoView({ block: "start", behavior: "instant" });
  };
  const jump = (event) => {
    const link = event.target.closest("[data-jump], .earlier");
    if (!link) return;
    const el = $(link.dataset.jump || link.hash.slice(1));
    if (link.matches(".earlier")) page.below.clear();
    if (!el) return;
    event.preventDefault();
    if (el.hidden) reveal();
    el.focus({ preventScroll: true });
    el.scrollIntoView({ block: "start", behavior: "instant" });
    count();
  };

  // ---- older updates, in place -----------------------------------------------------

  // The page that the link leads to; htmx takes its entries (hx-select). An entry
  // that stands here already is the newer one.
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
      pager.after(original);
      live.querySelector(".jump").href = "#original";
    }
    const first = from.querySelector("#updates > article");
    if (next) pager.replaceWith(next);
    else pager.remove();
    if (next) htmx.process(next);
    dress($("story"));
    $(first?.id)?.focus({ preventScroll: true });
    settle();
    if (parse(at).epoch !== parse(page.cursor).epoch) return replacePage();
    // Made before what this page has heard already: what came between is asked for,
    // and again where the stream brings more meanwhile.
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
    if (!bar) return live && end(); // withdrawn: it goes on asking, and may come back
    live = bar;
    const { cursor, changes, newer, older, order, front, page: kind } = live.dataset;
    page = {
      ...{ cursor, changes, newer, older, order, front, kind }, // what the server said of it
      loaded: parse(cursor).seq, // the number at which it was loaded
      title: "",
      held: new Set(), // ids of arrivals that wait for the button
      elsewhere: new Set(), // ids of arrivals that stand on a newer page
      below: new Map(), // ids of arrivals further down, with their address
    };
    line = {
      connecting: false, // whether a request for the stream is under way
      stream: false, // whether the stream is open
      ended: !["live", "announced"].includes($("story-head").dataset.state),
      arriving: "", // the place that the stream's latest message brings the page to
      opened: Date.now(), // when it began, ms
      lost: 0, // when the stream was lost, ms
      heard: 0, // when the server was last heard, ms
      attempts: 0, // connections in a row that came to nothing
      polling: false, // whether the last poll was answered
      failures: 0, // polls in a row that brought no answer
      asked: 0, // when the page polled last, ms
      asking: null, // what ends the poll that is under way
      behind: false, // whether the page lacks more than one answer brings
      left: 0, // how many changes it lacks, where that is known
    };
    dress(document);
    listen();
    live.addEventListener("htmx:before:swap", adapt);
    live.querySelector(".arrivals").addEventListener("click", reveal);
    live.querySelector(".pause").addEventListener("click", pause);
    // Not in the HTML: htmx may look through the page before hx-sse has loaded.
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
    if (!live.isConnected) return schedule(true); // a story that was withdrawn may be back
    line.failures = 0;
    if (document.hidden) {
      line.stream = false; // htmx lets go of the connection of a hidden tab
    } else {
      connection()?.delayCanceller?.();
      connect();
    }
    line.lost = line.lost || Date.now();
    schedule(line.ended); // who comes back to a page that has ended sees it as it is
    show();
  };

  // The view is kept here, the same in every browser.
  document.documentElement.style.overflowAnchor = "none";
  document.addEventListener("visibilitychange", wake);
  document.addEventListener("click", jump);
  document.addEventListener("htmx:before:swap", older);
  document.addEventListener("htmx:after:swap", extend);
  addEventListener("online", wake);
  addEventListener("offline", () => live?.isConnected && show());
  addEventListener("pageshow", (event) => {
    if (!live || !event.persisted) return;
    line.heard = 0;
    if (live.isConnected) watch();
    wake();
  });
  setInterval(() => live?.isConnected && watch(), 5e3);
  const start = () => setTimeout(begin); // after htmx has processed the page
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
