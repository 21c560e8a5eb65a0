"use strict";
// What is typed is kept in this browser until it has arrived.
(() => {
  if (!window.Desk) return;
  const { $, byId, desk, formOf, bodyOf, clock, valuesOf, fill, empty, statusOf, say, keep, begin } = window.Desk;

  Object.assign(keep, {
    prefix: (name) => `desk:${desk.dataset.user}:${desk.dataset.story}:${name}:`,
    id(form) {
      const name = form.dataset.form;
      return keep.prefix(name) + (form.elements.key ?? form.elements.version).value;
    },
    store(form) {
      const same = [...form.elements].every((f) =>
        !["body", "headline"].includes(f.name) || f.value === f.defaultValue);
      try {
        if (same) localStorage.removeItem(keep.id(form));
        else {
          const text = { values: valuesOf(form), when: clock() };
          localStorage.setItem(keep.id(form), JSON.stringify(text));
        }
      } catch { /* full or forbidden: the page itself still holds the text */ }
    },
    forget(name) {
      const own = keep.prefix(name) + byId(`${name}-key`)?.value;
      for (const id of keep.ids(name)) {
        if (id === own || name.startsWith("edit-")) localStorage.removeItem(id);
      }
    },
    ids(name) {
      try {
        return Object.keys(localStorage).filter((id) => id.startsWith(keep.prefix(name)));
      } catch { return []; }
    },
    read(id) {
      try { return JSON.parse(localStorage.getItem(id)); } catch { return null; }
    },
    look(form) {
      for (const id of keep.ids(form.dataset.form)) {
        const text = keep.read(id);
        if (!text?.values?.body && !text?.values?.headline) localStorage.removeItem(id);
        else if (text.values.body !== bodyOf(form).value) keep.offer(form, id, text);
      }
    },
    offer(form, id, text) {
      const line = document.createElement("p");
      const button = (word, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = word;
        made.addEventListener("click", () => { act(); line.remove(); bodyOf(form).focus(); });
        return made;
      };
      const glance = (text.values.body || text.values.headline).trim().slice(0, 80);
      line.append(
        `Text from ${text.when} GMT that was not sent: “${glance}” `,
        button("Restore", () => {
          if (!empty(form) && form.elements.key) {
            keep.offer(form, `put-aside-${Date.now()}`, { values: valuesOf(form), when: clock() });
          }
          // With its own key, so that what did arrive after all is not made twice.
          const key = id.startsWith("desk:") ? id.split(":").pop() : "";
          if (form.elements.key && key) form.elements.key.value = key;
          fill(form, text.values);
          document.dispatchEvent(new CustomEvent("desk:restored", { detail: form }));
        }),
        " ",
        button("Discard", () => localStorage.removeItem(id)),
      );
      byId(`${form.dataset.form}-kept`).append(line);
    },
  });
  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    if (!form || !target.name) return;
    keep.store(form);
    const status = statusOf(form);
    if (status?.dataset.kind === "bad") say(form, "");
  });
  document.addEventListener("change", ({ target }) => {
    if (formOf(target) && target.type === "checkbox") keep.store(formOf(target));
  });
  begin.push((form) => keep.look(form));
})();
