"""Quoted posts: quotations whose last line says who posted them, where and when.

    > The ferries are back.
    >
    > — Ada Quill (@ada.example) on Bluesky, 1015 GMT, 3 March 2026, https://bsky.app/…

The text is ours, so it stays when the post is deleted.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from django.utils.translation import override

from entries.text import gmt, keyboard, media, urls

_LINE: Final = re.compile(
    r"(?:—|–|--) *(?P<name>\S[^\n]{0,199}?)"
    r"(?: \((?P<handle>@[^()\s]{1,250})\))?"
    r"(?: on (?P<network>[^\s,()][^,()\n]{0,59}))?"
    r"(?P<time>, \d{4} GMT)?(?P<day>, \d{1,2} [A-Z][a-z]+ \d{4})?"
    r"(?:, (?P<url>https?://\S+))?"
)
_DATES: Final = ("%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%A, %B %d, %Y", "%Y-%m-%d")
_TWEET: Final = re.compile(
    r"https://(?:www\.)?(?:x|twitter)\.com/.*/status/([0-9]{12,20})\b"
)
_SKEET: Final = re.compile(r"https://bsky\.app/.*/post/([2-7a-z]{13})\b")
_BASE32: Final = "234567abcdefghijklmnopqrstuvwxyz"
_TWITTER_EPOCH: Final = datetime(2010, 11, 4, 1, 42, 54, 657000, UTC)
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Quote(NamedTuple):
    """Who posted something, where, and when (`1015 GMT, 3 March 2026`, or a date)."""

    name: str
    handle: str = ""
    network: str = ""
    when: str = ""
    url: str = ""

    @property
    def line(self) -> str:
        """Return the last line of the quotation."""
        handle = f" ({self.handle})" if self.handle else ""
        network = f" on {self.network}" if self.network else ""
        who = f"— {self.name}{handle}{network}"
        return ", ".join(filter(None, (who, self.when, self.url)))

    @property
    def posted_at(self) -> str:
        """Return the time, or only the date, in ISO 8601; "" if there is neither."""
        for form in ("%H%M GMT, %d %B %Y", "%d %B %Y"):
            try:
                at = datetime.strptime(self.when, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            return gmt.format_iso(at) if form.startswith("%H") else f"{at:%Y-%m-%d}"
        return ""

    def markdown(self, words: str) -> str:
        """Return the quotation of `words`, which are Markdown."""
        lines = [*words.strip().split("\n"), "", self.line]
        return "\n".join(f"> {line}".rstrip() for line in lines)


def read_line(line: str) -> Quote | None:
    """Parse the last line of a quotation; None if it does not say whose post it is.

    A handle or the URL of a post is needed: otherwise it may be any quotation, with the
    URL of its source.
    """
    match = _LINE.fullmatch(line.strip())
    if not match or re.search(r"\[|\]\(", match["name"]):
        return None
    url, handle = match["url"] or "", match["handle"] or ""
    if url and not urls.is_safe(url):
        return None
    name, network = match["name"].strip(), (match["network"] or "").strip()
    if not (handle or is_of_post(url, network)):
        return None
    if not handle and " on " in network:  # “Woman on the bridge on X”
        name, _, network = f"{name} on {network}".rpartition(" on ")
    typed = f"{match['time'] or ''}{match['day'] or ''}"
    when = keyboard.as_ascii(typed).removeprefix(", ")
    return Quote(name, handle, network, when, url)


def is_of_post(url: str, network: str) -> bool:
    """Return whether a URL is of a post, or of a video on the network that is named."""
    found = media.find(url)
    return found is not None and (
        found.kind == "post" or network.endswith(found.provider)
    )


def posted_at(url: str, date: str) -> str:
    """Return when a post was made: `1015 GMT, 3 March 2026`, or only the date.

    `date` is what its site wrote, in the time zone of whoever copied it. The number of
    a post has its time in GMT, which counts if it is of about that date.
    """
    day = _day(date)
    at = _time_of_number(url)
    # It becomes part of a text. As a decorator, `override` is not safe in threads.
    with override("en"):
        if at and (day is None or abs(at - day) < timedelta(days=2)):
            return gmt.format_full(at)
        return gmt.format_day(day.date()) if day else ""


def _day(date: str) -> datetime | None:
    typed = re.sub(r" at .*|, [0-9]{1,2}:.*", "", date).strip()
    for form in _DATES:
        try:
            return datetime.strptime(typed, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _time_of_number(url: str) -> datetime | None:
    """Return the time in the number of a post on X or Bluesky."""
    try:
        if match := _TWEET.match(url):
            return _TWITTER_EPOCH + timedelta(milliseconds=int(match[1]) >> 22)
        if match := _SKEET.match(url):
            number = 0
            for letter in match[1]:
                number = number * 32 + _BASE32.index(letter)
            return _UNIX_EPOCH + timedelta(microseconds=number >> 10)
    except OverflowError:
        pass
    return None
