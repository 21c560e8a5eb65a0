"use strict";
// A new story is kept in this browser while it is typed, until it is there: its desk
// tells the key of the form that made it.
(() => {
  const page = document.querySelector(".desk[data-user]");
  if (!page) return;
  const form = document.querySelector("form[data-new-story]");
  const PLACE = `desk:new-story:${page.dataset.user}:`;
  const FIELDS = ["headline", "series", "standfirst", "original"];
  const TYPED = ["headline", "standfirst", "original"];

  const forget = (key) => { try { localStorage.removeItem(PLACE + key); } catch { /* forbidden */ } };
  if (page.dataset.made) forget(page.dataset.made);
  if (!form) return;

  const values = () => Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
  const wordsOf = (story) => TYPED.map((name) => story[name] ?? "").join(" ").trim();
  const store = () => {
    const key = form.elements.key.value;
    if (!wordsOf(values())) return void forget(key);
    try { localStorage.setItem(PLACE + key, JSON.stringify(values())); } catch { /* full */ }
  };
  form.addEventListener("input", store);
  if (wordsOf(values())) store(); // it came back with something to mend, under another key

  const offer = (key, story) => {
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
      `A new story that was not sent: “${wordsOf(story).slice(0, 80)}” `,
      button("Restore", () => {
        form.elements.key.value = key; // so that one which did arrive is not made twice
        for (const name of FIELDS) form.elements[name].value = story[name] ?? "";
      }),
      " ",
      button("Discard", () => forget(key)),
    );
    form.querySelector(".kept").append(line);
  };
  try {
    const present = wordsOf(values());
    for (const id of Object.keys(localStorage).filter((one) => one.startsWith(PLACE))) {
      const story = JSON.parse(localStorage.getItem(id));
      if (wordsOf(story) !== present) offer(id.slice(PLACE.length), story);
    }
  } catch { /* forbidden */ }
})();
