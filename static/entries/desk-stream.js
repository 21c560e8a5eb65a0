"use strict";
// Follow the stream that signals changes at this desk, and let htmx poll at each signal.
// While the stream is open, other polls are rare; without it the page polls every 2 s.
(() => {
  if (!window.Desk) return;
  const { byId, desk } = window.Desk;
  const SILENCE = 40000; // milliseconds without an event; heartbeats come every 15 s
  const BACKUP_POLL = 30000; // milliseconds between two polls while the stream is open
  const RETRY = [2000, 5000, 15000, 60000]; // milliseconds; the last one repeats
  const FOREGROUND = 3; // number of most recently used tabs that keep their streams
  const RESTING = 10000; // milliseconds between two polls of other tabs

  let source = null;
  let heard = 0; // time of the last event
  let failures = 0; // in a row
  let timer = 0;
  let seen = ""; // the latest pulse that the stream sent
  let taken = ""; // the pulse of the latest poll
  let polling = null; // htmx's context of the current poll
  let polled = Date.now();
  let checks = false; // whether the next poll checks the session
  let resting = false; // whether the stream was closed in favour of foreground tabs

  const open = () => source?.readyState === EventSource.OPEN && Date.now() - heard < SILENCE;
  const urlOf = (path) => new URL(path, location.href);
  const have = (poll) => urlOf(poll.getAttribute("hx-get")).searchParams.get("have");

  // --- The polls

  // Return whether the page should poll now; `news` is presence to report.
  window.Desk.pollIsDue = (poll, news) => {
    const more = poll.getAttribute("hx-get").includes("below=");
    const wait = open() ? BACKUP_POLL : resting ? RESTING : 0;
    return more || news || checks || seen !== taken || Date.now() - polled >= wait;
  };
  const look = () => {
    const poll = byId("poll");
    if (!poll || polling || seen === taken) return;
    if (have(poll) === seen) taken = seen;
    else htmx.trigger(poll, "look");
  };
  document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
    if (target.id !== "poll") return;
    if (checks) ctx.request.body.set("check", "1");
  });
  document.addEventListener("htmx:before:request", ({ target, detail: { ctx } }) => {
    if (target.id !== "poll") return;
    [polling, polled, taken, checks] = [ctx, Date.now(), seen, false];
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx !== polling) return;
    polling = null;
    if (ctx.response && ctx.response.status < 500) look();
    else taken = ""; // failed: poll again for the same pulse
  });

  // --- The stream

  const connect = () => {
    clearTimeout(timer);
    source?.close();
    heard = Date.now();
    const { me } = JSON.parse(byId("poll")?.getAttribute("hx-vals") || "{}");
    const url = urlOf(desk.dataset.stream);
    url.searchParams.set("me", me ?? "");
    source = new EventSource(url);
    source.onopen = hear;
    source.addEventListener("ping", hear);
    source.addEventListener("look", ({ data }) => {
      hear();
      failures = 0;
      seen = data;
      look();
    });
    source.addEventListener("refused", refused);
    // The browser reconnects by itself, unless the response was no stream.
    source.onerror = () => source.readyState === EventSource.CLOSED && later();
  };
  const hear = () => {
    heard = Date.now();
  };
  const later = () => {
    clearTimeout(timer);
    const wait = RETRY[Math.min(failures, RETRY.length - 1)];
    failures += 1;
    timer = setTimeout(connect, wait * (0.75 + Math.random() / 2));
  };
  const leave = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  // The session has ended. The poll reports it, unless the user has signed in again.
  const refused = () => {
    leave();
    checks = true;
    later();
  };
  // Reconnect after silence: a dead connection, or a laptop that slept.
  const watch = () => {
    if (source && source.readyState !== EventSource.CLOSED && Date.now() - heard >= SILENCE) connect();
  };

  // --- Background tabs give up their streams, since browsers limit connections per site

  const tabs = window.BroadcastChannel ? new BroadcastChannel("desk-streams") : null;
  const inFront = new Set(); // tabs that came to the front since this one was hidden
  const self = Math.random().toString(36).slice(2);
  const come = () => {
    resting = false;
    inFront.clear();
    tabs?.postMessage(self);
    if (!open()) connect();
  };
  if (tabs) {
    tabs.onmessage = ({ data }) => {
      if (!document.hidden) return;
      inFront.add(data);
      if (inFront.size < FOREGROUND) return;
      resting = true;
      leave();
    };
  }

  if (!desk.dataset.stream || !window.EventSource) return;
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) come();
  });
  window.addEventListener("online", come);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", ({ persisted }) => persisted && come());
  setInterval(watch, 5000);
  document.addEventListener("DOMContentLoaded", come);
})();
