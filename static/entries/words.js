// What the scripts of a page say: its labels, with the plurals, digits and dates of their
// language, which the server takes from CLDR.
(() => {
  "use strict";

  const given = JSON.parse(document.querySelector("meta[name$=-words]").content);
  const { words, dates, digits, language } = given;
  const rules = new Intl.PluralRules(language);
  const number = (value) => `${value}`.replace(/\d/g, (n) => digits[n]);
  const fill = (text, values) =>
    text.replace(/\{(\w+)\}/g, (_, name) => (isNaN(values[name]) ? values[name] : number(values[name])));
  // The text of a key, in the form that a number takes.
  const form = (key, n) => words[key][rules.select(n)] ?? words[key];
  const say = (key, values = {}) => fill(form(key, values.number), values);
  // A time from ISO 8601, with its date unless it is `firstDay`: as `gmt.format_stamp`.
  const stamp = (iso, firstDay) => {
    const [year, month, day, hour, minute] = iso.split(/\D/);
    const time = number(hour + minute);
    if (firstDay && iso.startsWith(firstDay)) return say("gmt", { time });
    const [pattern, months] = firstDay.startsWith(year) ? dates.short : dates.full;
    return say("gmt_dated", { time, day: fill(pattern, { year, month: months[month - 1], day: +day }) });
  };
  window.Words = { ...given, say, form, number, stamp };
})();
