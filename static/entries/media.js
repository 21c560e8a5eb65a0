// Videos and posts of other sites. Each <media-frame> asks its reader first, and then loads
// its site in a sandboxed frame. Its own HTML stays as the server rendered it, so that
// live.js recognizes a card that has not changed: everything here is in its shadow tree.
(() => {
  "use strict";

  const ALLOW = "autoplay; encrypted-media; fullscreen; picture-in-picture";
  const SANDBOX =
    "allow-forms allow-popups allow-popups-to-escape-sandbox allow-presentation allow-same-origin allow-scripts";
  const say = (key, site) => window.Words?.say(key, { site }) ?? site;

  // Sites that load without a question, until the tab is closed.
  const VISIT = "media";
  const allowed = () => {
    try {
      return JSON.parse(sessionStorage.getItem(VISIT)) ?? [];
    } catch {
      return []; // storage is forbidden, or the value is damaged
    }
  };
  const allow = (site) => {
    try {
      sessionStorage.setItem(VISIT, JSON.stringify([...new Set([...allowed(), site])]));
    } catch {
      // Storage is forbidden.
    }
  };

  const make = (tag, part, text = "") => {
    const element = document.createElement(tag);
    element.setAttribute("part", part);
    element.textContent = text;
    return element;
  };

  class MediaFrame extends HTMLElement {
    static observedAttributes = ["src", "site"];

    connectedCallback() {
      if (this.shadowRoot) return;
      this.attachShadow({ mode: "open" });
      this.begin();
    }
    // A playing video goes on when an entry moves, in browsers that can move elements.
    connectedMoveCallback() {}
    // live.js changes one attribute after another: until all are those of the new video, the
    // permission of one site could load another.
    attributeChangedCallback(_, before, now) {
      if (!this.shadowRoot || before === now || this.changing) return;
      this.changing = true;
      queueMicrotask(() => {
        this.changing = false;
        this.begin();
      });
    }

    get site() {
      return this.getAttribute("site");
    }
    begin() {
      this.loaded = false;
      if (allowed().includes(this.site)) this.load(false);
      else this.ask();
    }
    ask() {
      const panel = make("div", "panel");
      const button = make("button", "load", say(`load_${this.parentElement?.dataset.kind}`, this.site));
      const note = make("p", "note", say("loads_from", this.site));
      const label = make("label", "always");
      const always = make("input", "box");
      button.type = "button";
      button.setAttribute("aria-describedby", (note.id = "note"));
      always.type = "checkbox";
      label.append(always, ` ${say("always_load", this.site)}`);
      button.addEventListener("click", () => {
        if (always.checked) allow(this.site);
        this.load(true).focus();
        if (always.checked) for (const other of document.querySelectorAll("media-frame")) other.agree?.(this.site);
      });
      for (const words of [button, note, label]) words.dir = "auto";
      panel.append(button, note, label);
      this.shadowRoot.replaceChildren(make("slot", "poster"), panel);
    }
    // The reader has agreed to a site, at another card.
    agree(site) {
      if (site === this.site && !this.loaded) this.load(false);
    }
    load(clicked) {
      const frame = make("iframe", "frame");
      const url = new URL(this.getAttribute("src"));
      const [name, value] = this.getAttribute("autoplay")?.split("=") ?? [];
      if (clicked && name) url.searchParams.set(name, value);
      const title = this.closest("figure")?.querySelector(".what")?.textContent;
      frame.title = title || say("frame", this.site);
      frame.allow = ALLOW;
      frame.loading = clicked ? "eager" : "lazy";
      frame.referrerPolicy = "strict-origin-when-cross-origin";
      frame.setAttribute("sandbox", SANDBOX);
      frame.src = url.href;
      this.loaded = true;
      this.shadowRoot.replaceChildren(frame);
      return frame;
    }
  }
  customElements.define("media-frame", MediaFrame);
})();
