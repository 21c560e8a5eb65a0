"use strict";
// Announce colleagues' updates: with a button while they are out of view, a count in the
// title while the tab is in the background, and an optional sound.
(() => {
  if (!window.Desk) return;
  const { $, byId } = window.Desk;
  const button = byId("timeline-new");
  const toggle = byId("timeline-sound");
  if (!button) return;
  const SOUND = "desk-sound"; // key in localStorage, with the value "on" or none
  const SOUNDED = "desk-sounded"; // id of the last row that sounded, in any tab
  const ANNOUNCE = 10000; // milliseconds between two announcements

  // --- The button for rows that are out of view

  const unseen = new Set(); // ids of rows
  const away = new Set(); // ids of rows that arrived while the tab was in the background
  // desk.js keeps the view still itself, in the same way in every browser.
  for (const part of [document.documentElement, byId("timeline-pane")]) part.style.overflowAnchor = "none";

  const words = (n) => window.Words.say("new", { number: n });
  const show = () => {
    button.hidden = !unseen.size;
    if (unseen.size) button.textContent = words(unseen.size);
    const tab = $("[data-news]"); // only in narrow windows, which show one pane
    if (tab) [tab.hidden, tab.textContent] = [!unseen.size, unseen.size ? window.Words.number(unseen.size) : ""];
    const title = document.title.replace(/^\(\p{Nd}+\) /u, "");
    document.title = away.size ? `(${window.Words.number(away.size)}) ${title}` : title;
  };
  const watcher = new IntersectionObserver((changes) => {
    if (document.hidden) return;
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) {
        unseen.delete(target.id);
        watcher.unobserve(target);
      } else if (target.isConnected) unseen.add(target.id);
    }
    show();
  });
  // Observe the current element of each new row, and drop rows that were removed.
  const follow = () => {
    for (const id of unseen) {
      const row = byId(id);
      if (row?.dataset.state === "published") watcher.observe(row);
      else if (row || front) unseen.delete(id);
    }
    show();
  };
  const front = byId("timeline")?.dataset.front === "yes";
  button.addEventListener("click", () => {
    const rows = [...unseen].map(byId).filter(Boolean);
    const first = rows.sort((a, b) => a.compareDocumentPosition(b) & 2 || -1)[0];
    if (!first) return void $(".newer a")?.click(); // it is on a newer page
    unseen.clear();
    show();
    if (!first.getClientRects().length) $("[data-tab=live]")?.click();
    first.scrollIntoView({ block: "nearest" });
    first.tabIndex = -1;
    first.focus({ preventScroll: true });
  });

  // --- Arrivals

  document.addEventListener("desk:arrived", ({ detail: { rows } }) => {
    for (const id of rows) {
      if (document.hidden) away.add(id);
      const row = byId(id);
      if (row) watcher.observe(row);
      else if (!front) unseen.add(id);
    }
    show();
    announce(rows.length);
    sound(rows.at(-1));
  });
  document.addEventListener("htmx:after:swap", follow);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const row of [...away].map(byId).filter(Boolean)) {
      watcher.unobserve(row);
      watcher.observe(row);
    }
    away.clear();
    show();
  });

  let announced = 0;
  let waiting = 0;
  let timer = 0;
  const announce = (n) => {
    waiting += n;
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        byId("announcer").textContent = words(waiting);
        announced = Date.now();
        waiting = 0;
      },
      Math.max(0, announced + ANNOUNCE - Date.now()),
    );
  };

  // --- The sound

  let audio = null;
  const stored = (name, value) => {
    try {
      if (value !== undefined) localStorage.setItem(name, value);
      return localStorage.getItem(name);
    } catch {
      return null; // storage is forbidden: the setting lasts until the page is closed
    }
  };
  let on = stored(SOUND) === "on";
  const play = () => {
    if (audio?.state !== "running") return;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const now = audio.currentTime;
    tone.frequency.value = 660; // hertz
    volume.gain.setValueAtTime(0.0001, now);
    volume.gain.exponentialRampToValueAtTime(0.06, now + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, now + 0.25);
    tone.connect(volume).connect(audio.destination);
    tone.start(now);
    tone.stop(now + 0.3);
  };
  const sound = (id) => {
    if (!on || stored(SOUNDED) === id) return; // it sounded in another tab
    stored(SOUNDED, id);
    play();
  };
  // Browsers allow sound only after a click or key press in the page.
  const allow = async () => {
    if (!on || audio?.state === "running") return;
    audio ??= new AudioContext();
    await audio.resume();
  };
  const pressed = () => toggle?.setAttribute("aria-pressed", String(on));
  toggle?.addEventListener("click", async () => {
    on = !on;
    stored(SOUND, on ? "on" : "off");
    pressed();
    await allow();
    if (on) play();
  });
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key !== SOUND) return;
    on = newValue === "on";
    pressed();
  });
  for (const use of ["pointerdown", "keydown"]) document.addEventListener(use, allow, { passive: true });
  if (toggle) toggle.hidden = !window.AudioContext;
  pressed();
})();
