"use strict";
// Save what is typed into a new story or a story's details in this browser, until the next
// page confirms with the form's key that the server has accepted it.
(() => {
  const page = document.querySelector(".desk[data-user]");
  if (!page) return;
  const form = document.querySelector("form[data-keep]");
  const place = (name) => `desk:${name}:${page.dataset.user}:`;
  const read = (id) => {
    try {
      return JSON.parse(localStorage.getItem(id));
    } catch {
      return null;
    }
  };
  const forget = (id) => {
    try {
      localStorage.removeItem(id);
    } catch {
      /* storage is forbidden */
    }
  };
  const { made } = page.dataset;
  if (made) forget(place(page.dataset.keep ?? "new-story") + made);
  if (!form) return;

  const PLACE = place(form.dataset.keep);
  const version = form.elements.version; // only in a story's details, which colleagues may edit too
  const own = () => PLACE + form.elements.key.value;
  const plain = (text) => (text ?? "").replaceAll("\r\n", "\n").trim();
  const isWords = (field) => field?.matches?.("textarea, input[type=text]");
  const fields = () => [...form.elements].filter((f) => f.name && (isWords(f) || f.options));
  const wordsOf = (kept) =>
    Object.entries(kept)
      .filter(([name]) => isWords(form.elements[name]))
      .map(([, value]) => value)
      .join(" ")
      .trim();
  const keep = (kept) => {
    try {
      localStorage.setItem(own(), JSON.stringify(kept));
    } catch {
      /* storage is full */
    }
  };
  // Of a story's details, save only changed fields and the version they are based on.
  const store = (field) => {
    if (version) {
      if (isWords(field)) keep({ version: version.value, ...read(own()), [field.name]: field.value });
      return;
    }
    const kept = Object.fromEntries(fields().map((one) => [one.name, one.value]));
    if (wordsOf(kept)) keep(kept);
    else forget(own());
  };
  form.addEventListener("input", ({ target }) => {
    if (target.name) store(target);
  });
  // The form came back with errors, maybe with another key, and with colleagues' changes.
  if (!version) store();
  else if (read(own())) {
    const shown = Object.keys(read(own())).filter((name) => form.elements[name]);
    keep({ ...Object.fromEntries(shown.map((name) => [name, form.elements[name].value])), version: version.value });
  }

  const offer = (id, kept) => {
    const line = document.createElement("p");
    const button = (word, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = word;
      made.addEventListener("click", () => {
        act();
        line.remove();
        form.elements.headline.focus();
      });
      return made;
    };
    line.append(
      `${form.dataset.words} “${wordsOf(kept).slice(0, 80)}” `,
      button(form.dataset.restore, () => {
        form.elements.key.value = id.slice(PLACE.length); // so that the story is not created twice
        for (const [name, value] of Object.entries(kept)) {
          if (form.elements[name]) form.elements[name].value = value;
        }
      }),
      " ",
      button(form.dataset.discard, () => forget(id)),
    );
    form.querySelector(".kept").append(line);
  };
  try {
    for (const id of Object.keys(localStorage).filter((one) => one.startsWith(PLACE))) {
      const kept = read(id);
      const there = ([name, value]) => plain(form.elements[name]?.value) === plain(value);
      if (id === own() || !kept) continue;
      if (
        !Object.entries(kept)
          .filter(([name]) => name !== "version")
          .every(there)
      )
        offer(id, kept);
      else if (version) forget(id);
    }
  } catch {
    /* storage is forbidden */
  }
})();
