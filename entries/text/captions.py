"""Captions: check WebVTT and SRT files, and write them as plain WebVTT.

Comments, styles and regions are left out, and so are marks of HTML and SubStation.
See https://www.w3.org/TR/webvtt1/.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from django.utils.translation import gettext

from entries.text import limits, rendering

_TIME: Final = r"(?:(\d{1,3}):)?(\d{1,2}):(\d\d)[.,](\d{3})"
_CUE: Final = re.compile(rf"{_TIME}\s+-->\s+{_TIME}(?:\s+(.*))?")
_SETTING: Final = re.compile(r"(?:vertical|line|position|size|align):[\w%.,-]+")
# Marks of other kinds of captions, which are left out: those of HTML and of SubStation.
_FOREIGN: Final = re.compile(
    r"</?(?:font|s|strike|span|p|div|em|strong|big|small)(?:\s[^<>]*)?>|\{\\[^{}]*\}",
    re.I,
)
_BREAK: Final = re.compile(r"<br(?:\s[^<>]*)?/?>", re.I)
# A "<" that begins neither a mark of WebVTT nor a time.
_LESS_THAN: Final = re.compile(
    r"<(?!/?(?:[ibu]|c|ruby|rt)(?:\.[^\s<>]*)?>|/?(?:v|lang)(?:[\s.][^<>]*)?>|[\d:.]+>)"
)
_LEFT_OUT: Final = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)(?:\s|$)")


class CaptionsError(ValueError):
    """Captions cannot be used; str() tells the editor what to do."""


class _Cue(NamedTuple):
    start: int  # milliseconds
    end: int
    settings: str
    text: str


def tidy_captions(text: str) -> str:
    """Return captions as WebVTT, in the order of their times; "" for an empty text.

    Raises CaptionsError if they are too long, or not captions.
    """
    tidied = rendering.tidy(text).strip()
    if not tidied:
        return ""
    if len(tidied) > limits.MAX_CAPTIONS_LENGTH:
        raise CaptionsError(gettext("The captions are too long for a short recording."))
    cues = sorted(_cues(tidied.split("\n")), key=lambda cue: cue.start)
    if not cues:
        raise CaptionsError(_form())
    return "\n\n".join(["WEBVTT", *map(_written, cues)]) + "\n"


def _form() -> str:
    return gettext(
        "This isn't a captions file. Use WebVTT or SRT: a line such as "
        "00:01.000 --> 00:04.000, then what is said, then an empty line."
    )


def _cues(lines: list[str]) -> Iterator[_Cue]:
    number = 0
    while number < len(lines):
        block = []
        first = number
        while number < len(lines) and lines[number].strip():
            block.append(lines[number].strip())
            number += 1
        number += 1
        if block and not _LEFT_OUT.match(block[0]):
            yield _cue(block, first + 1)


def _cue(block: list[str], number: int) -> _Cue:
    """Return the cue of a block of lines, the first of which may be its name."""
    named = "-->" not in block[0] and len(block) > 1
    times, words = (block[1], block[2:]) if named else (block[0], block[1:])
    number += named
    match = _CUE.fullmatch(times)
    if not match or any("-->" in line for line in words):
        raise CaptionsError(
            gettext("Line %(number)s of the captions: can't read “%(line)s”. %(form)s")
            % {"number": number, "line": times[:60], "form": _form()}
        )
    start, end = _milliseconds(match, 1), _milliseconds(match, 5)
    if end <= start:
        raise CaptionsError(
            gettext("Line %(number)s of the captions ends before it begins: %(line)s")
            % {"number": number, "line": times[:60]}
        )
    settings = " ".join(filter(_SETTING.fullmatch, (match[9] or "").split()))
    return _Cue(start, end, settings, _text("\n".join(words)))


def _text(words: str) -> str:
    """Return the text of a cue with the marks of WebVTT alone."""
    words = _FOREIGN.sub("", _BREAK.sub("\n", words))
    words = "\n".join(line for line in words.split("\n") if line.strip())
    return _LESS_THAN.sub("&lt;", words)


def _milliseconds(match: re.Match[str], group: int) -> int:
    hours, minutes, seconds, rest = match.group(*range(group, group + 4))
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(
        rest
    )


def _written(cue: _Cue) -> str:
    times = f"{_clock(cue.start)} --> {_clock(cue.end)} {cue.settings}".rstrip()
    return f"{times}\n{cue.text}".rstrip("\n")


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{rest:03}"
