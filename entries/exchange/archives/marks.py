"""The marks of Markdown between control characters, until a block is complete.

Only then is it known which of its characters need a backslash, and which spans
`entries.text.markdown` can read. No text contains control characters.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Final

from entries.text import markdown, rendering, urls

CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MARK, END = "\x01", "\x02"  # around marks
ON, OFF = "\x03", "\x04"  # before the letter of a span: bold, italic, struck
CODE, CODE_END = "\x07", "\x08"
BREAK: Final = "\x0b"  # a line break inside marks
MAX_QUOTES: Final = 3  # inside each other

_SPANS: Final = {"b": "**", "i": "*", "s": "~~"}
_TOKEN: Final = re.compile(
    f"({MARK}[^{END}]*{END}|[{ON}{OFF}][bis]|{CODE}[^{CODE_END}]*{CODE_END})"
)
_PREFIX: Final = re.compile(f"(?:{MARK}(?!\\[|\\]\\(|\\\\|http)[^{END}]*{END})*")
_RAW: Final = re.compile(f"{MARK}[^{END}]*{BREAK}[^{END}]*{END}")  # of several lines
_LISTED: Final = re.compile(f"(?:{MARK}[> ]+{END})*{MARK}?(?:[-+*]|[0-9]+\\.) ")
_TOGGLE: Final = re.compile(f"[{ON}{OFF}][bis]")
_JOINED: Final = re.compile(f"{OFF}([bis]){ON}\\1")
_SPECIAL: Final = re.compile(r"\\+|\*+|_+|~{2,}|`+|[\[\]!]")
_HIDDEN: Final = "\x0e"  # instead of a character that gets a backslash anyway
_BRACKETS: Final = re.compile(r"!(?=\[)|\](?=\()")
_MARKS: Final = frozenset("`*_[]#+.!>|~-")
_LINE_START: Final = re.compile(rf"#{{1,6}} +\S|>(?!{markdown.COMPARED})|`{{3}}")
_QUOTED: Final = re.compile(rf">(?![0-9=]) ?(?!{markdown.COMPARED})")
_ITEM_START: Final = re.compile(r"([-+*](?= )|[0-9]{1,2}(?=\. ))")


def mark(marks: str) -> str:
    """Return marks that no text can contain by accident."""
    return f"{MARK}{marks}{END}"


def finished(marked: str) -> str:
    """Return Markdown: marks as they are, and text with the backslashes it needs."""
    blocks = []
    for part in re.split(r"\n\s*\n", marked):
        lines = [_single_spaces(line).strip() for line in part.split("\n")]
        block = "\n".join(line for line in lines if not rendering.is_blank(line))
        if any(_visible(token).strip() for token in _TOKEN.split(block) if token):
            blocks.append(block)
    bare = (_TOGGLE.sub("", line) for block in blocks for line in block.split("\n"))
    many = sum(bool(_LISTED.match(line)) for line in bare) > 1
    written = (
        block[1:-1] if _RAW.fullmatch(block) else _guarded(_written(block), many=many)
        for block in blocks
    )
    return "\n\n".join(written).replace(BREAK, "\n")


def _single_spaces(line: str) -> str:
    """Return a line with one space where elements with spaces at their edges meet."""
    parts, after_space = [], True
    for part in _TOKEN.split(line):
        text = part
        if part and part[0] not in ON + OFF + MARK + CODE:
            text = re.sub(" +", " ", part)
            text = text[1:] if after_space and text[0] == " " else text
        if part and part[0] not in ON + OFF:
            after_space = text.endswith(" ") if text else after_space
        parts.append(text)
    return "".join(parts)


def _written(block: str) -> str:
    """Return a block with its marks; those that begin a line are still in MARK…END."""
    while _JOINED.search(block):
        block = _JOINED.sub("", block)
    tokens = [token for token in _TOKEN.split(block) if token]
    starts = _starts(tokens)
    # What surrounds each character: without spans, and without bare URLs, in which
    # nothing is parsed.
    visible = _without_urls(tokens, starts)
    spans = _readable_spans(tokens, visible, starts)
    live = _live_marks(visible, tokens, starts, spans)
    written = ""
    in_link = False
    for place in range(len(tokens) - 1, -1, -1):
        token, start = tokens[place], starts[place]
        if token[0] in ON + OFF:
            written = spans.get(place, "") + written
        elif token[0] == CODE:
            inside = token[1:-1]
            code = (
                f"`{inside}`"
                if place in spans
                else _escaped(inside, visible, start, live, written, in_link=in_link)
            )
            written = code + written
        elif token[0] == MARK:
            if token[1] in "[]":
                in_link = token[1] == "]"
            structural = _PREFIX.fullmatch(token) is not None
            written = (token if structural else token[1:-1]) + written
        else:
            after = written.lstrip(MARK)
            written = (
                _escaped(token, visible, start, live, after, in_link=in_link) + written
            )
    return written


def _visible(token: str) -> str:
    """Return what a token contributes to the text around others."""
    if token[0] in ON + OFF:
        return ""
    return token[1:-1] if token[0] in MARK + CODE else token


def _starts(tokens: Iterable[str]) -> list[int]:
    starts, total = [], 0
    for token in tokens:
        starts.append(total)
        total += len(_visible(token))
    return starts


def _readable_spans(
    tokens: list[str], visible: str, starts: list[int]
) -> dict[int, str]:
    """Map the places of tokens to their marks, if the parser would read them as such.

    It reads them only at the edges of words.
    """
    found: dict[int, str] = {}
    # OtherContent bold text, whose asterisks could be mistaken for those of italics.
    spans = _SPANS | ({"i": "_"} if f"{ON}b" in tokens else {})
    opened: dict[str, list[int]] = {}
    for place, token in enumerate(tokens):
        at = starts[place]
        if token[0] == ON:
            opened.setdefault(token[1], []).append(place)
        elif token[0] == OFF and opened.get(token[1]):
            first = opened[token[1]].pop()
            mark = spans[token[1]]
            if _begins(tokens, first) and _readable(mark, visible, starts[first], at):
                found[first] = found[place] = mark
        elif token[0] == CODE:
            inside = token[1:-1]
            readable = _readable("`", visible, at, at + len(inside))
            if readable and "`" not in inside and _begins(tokens, place):
                found[place] = "`"
    return found


def _begins(tokens: list[str], place: int) -> bool:
    """Return whether a span may begin after the token before it.

    What is parsed earlier, such as another span or an escaped mark, is no edge of a
    word any more for what is parsed later.
    """
    while place and tokens[place - 1][0] == ON:
        place -= 1
    if not place or tokens[place - 1] == mark("["):
        return True
    before = tokens[place - 1]
    if before[0] == MARK:
        return _PREFIX.fullmatch(before) is not None
    return before[0] not in OFF + CODE and before[-1] not in "*_~`"


def _readable(mark: str, visible: str, start: int, end: int) -> bool:
    opening, closing = markdown.EDGES[mark]
    before, first = visible[max(0, start - 1) : start], visible[start : start + 1]
    last, after = visible[max(0, end - 1) : end], visible[end : end + 1]
    if not first or mark[0] in (before, after) or after == END:
        return False  # the last: a bare URL may not begin right after a mark
    if last == END and re.match(r"[^\s.,;:!?)”’»<>]", after):
        return False  # it would be part of the URL
    opens = opening.match(f"{before}{mark}{first}", len(before))
    return bool(opens and closing.match(f"{last}{mark}{after}", len(last)))


def _live_marks(
    visible: str, tokens: list[str], starts: list[int], spans: dict[int, str]
) -> set[str]:
    """Return the characters of marks that the block has, or would be read to have."""
    live = {mark[0] for mark in spans.values()}
    if visible.count("`") > 1 or any(token.startswith(f"{MARK}|") for token in tokens):
        live.add("`")
    # As it is without marks, as it will be written, and by its texts, since what is
    # between spans is parsed on its own.
    ends = [*starts[1:], len(visible)]
    pieces = [visible[a:b] for a, b in zip(starts, ends, strict=True)]
    written = "".join(spans.get(n, "") + piece for n, piece in enumerate(pieces))
    for text in {visible, written, *pieces}:
        for mark, (opening, closing) in markdown.EDGES.items():
            if mark[0] not in live and (m := opening.search(text)):
                live |= {mark[0]} if closing.search(text, m.end()) else set()
    return live


def _without_urls(tokens: list[str], starts: list[int]) -> str:
    """Return what readers see, with bare URLs masked; inside links, there are none."""
    visible = "".join(map(_visible, tokens))
    texts = (
        " " * len(_visible(token)) if token[0] in MARK + CODE else _visible(token)
        for token in tokens
    )
    places = list(zip(starts, tokens, strict=True))
    opened = (at for at, token in places if token == mark("["))
    closed = (at for at, token in places if token.startswith(f"{MARK}]"))
    links = list(zip(opened, closed, strict=False))
    for match in urls.BARE_URL.finditer("".join(texts)):
        url, at = markdown.bare_url(match), match.start()
        if urls.is_safe(url) and not any(start <= at < end for start, end in links):
            visible = visible[:at] + END * len(url) + visible[at + len(url) :]
    return _BRACKETS.sub(_HIDDEN, visible)


def _escaped(
    text: str,
    visible: str,
    start: int,
    live: set[str],
    following: str,
    *,
    in_link: bool,
) -> str:
    """Return a text with backslashes before the characters that would be marks.

    It is at `start` of `visible`, and `following` is written after it.
    """

    def replace(match: re.Match[str]) -> str:
        run, at, end = match[0], start + match.start(), start + match.end()
        after = text[match.end() : match.end() + 1] or following[:1]
        before = visible[max(0, at - 1) : at] if match.start() else ""
        if run[0] == "\\":
            rest = f"{text[match.end() :]}{following}".lstrip("\\")
            return run * 2 if rest and rest[0] in _MARKS else run
        if visible[at] == END:
            return run
        if run == "!":
            return "\\!" if after == "[" else run
        if run in "[]":
            literal = not in_link and not (run == "]" and after == "(")
            return run if literal else f"\\{run}"
        around = [
            (before, after),
            (visible[max(0, at - 1) : at], visible[end : end + 1]),
        ]
        if run[0] not in live or not any(
            _may_be_read(run[0], *each) for each in around
        ):
            return run
        return "".join(f"\\{char}" for char in run)

    return _SPECIAL.sub(replace, text)


def _may_be_read(char: str, before: str, after: str) -> bool:
    """Return whether a run of a mark's characters could open or close a span.

    At the start of a text, nothing is before it, since marks may be there.
    """
    mark = "~~" if char == "~" else char
    opening, closing = markdown.EDGES[mark]
    around = f"{before}{mark}{after}"
    return (
        char == "`"
        or char in before + after
        or opening.match(around, len(before)) is not None
        or closing.match(around, len(before)) is not None
    )


def _guarded(block: str, *, many: bool) -> str:
    """Escape what would be a mark at the start of a line, and finish the marks there.

    `many` says whether the whole text has several lines that look like list items.
    """
    lines = []
    for number, line in enumerate(block.split("\n")):
        prefix = _prefix(line)
        rest, marks = line[len(prefix) :], _unmarked(prefix)
        if not marks.startswith("|"):
            rest = _guarded_line(rest, listed=many or bool(marks))
        row = f"{marks.rpartition('> ')[2]}{rest}"  # as it is in the quotation
        if number and markdown.is_table(f"|\n{row}") and marks[:1] != "|":
            rest = rest.replace("|", "\\|", 1)
        if marks.endswith("# ") and rest.endswith("#"):
            rest = f"{rest[:-1]}\\#"  # or it would close the heading
        lines.append((marks, rest))
    if any(marks.startswith(">") for marks, _ in lines):
        lines = _without_comparisons(lines)
    return _unmarked("\n".join(marks + rest for marks, rest in lines))


def _without_comparisons(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Remove the marks of quotations such as `> 20 people`.

    The parser takes them for comparisons, and would show the marks.
    """
    for depth in range(MAX_QUOTES, 0, -1):
        kept = []
        deep = (line[0].count(">") >= depth for line in lines)
        pairs = groupby(zip(deep, lines, strict=True), itemgetter(0))
        for quoted, pair in pairs:
            found, at = [line for _, line in pair], 2 * (depth - 1)
            texts = (marks[at:] + markdown.unescape(rest) for marks, rest in found)
            if quoted and not any(map(_QUOTED.match, texts)):
                found = [(marks[:at] + marks[at + 2 :], rest) for marks, rest in found]
            kept += found
        lines = kept
    return lines


def _prefix(line: str) -> str:
    match = _PREFIX.match(line)
    return match[0] if match else ""


def _unmarked(text: str) -> str:
    return text.replace(MARK, "").replace(END, "")


def _guarded_line(line: str, *, listed: bool) -> str:
    if listed and (match := _ITEM_START.match(line)):
        char = match[0]
        return f"\\{line}" if char in "-+*" else f"{char}\\{line[len(char) :]}"
    ruled = [line, f"- {line}"] if listed else [line]
    is_rule = any(map(markdown.RULE.fullmatch, ruled)) and line[:1] in "-*_"
    if _LINE_START.match(line) or is_rule:
        return f"\\{line}"
    return line
