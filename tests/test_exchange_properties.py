"""Properties of the text form, tried with generated texts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from entries.exchange import markdown
from entries.exchange.document import (
    NO_ENTRY,
    Body,
    Document,
    DocumentEntry,
    ExchangeError,
    Item,
    Kind,
    append_link,
)
from entries.exchange.report import report
from entries.exchange.text.decoding import decode
from entries.exchange.text.reader import read_text
from entries.exchange.text.references import cross_post_line
from entries.exchange.text.writer import in_markdown, write_faithfully, write_text
from entries.models import Link
from entries.pages.story_data import LinkData
from tests.seeds import examples

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
WORDS = """the harbour ferry Ostara lamp bridge mayor of Saltgate council fog tide 5*3*2
    night_bell “rope” tug's quay — storm [market] tower Çelğa #Ilaria ** _so_ 1."""
TITLE_WORDS = ["Harbour", "Fog", "Bridge", "Lamps", "Saltgate", "Votes", "Ostara"]

sentences = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=12).map(
    lambda words: f"It is said: {' '.join(words)}."
)
titles = st.lists(st.sampled_from(TITLE_WORDS), min_size=3, max_size=7).map(" ".join)
names = st.lists(
    st.sampled_from(["Sorrava Daily", "Harbour Wire", "Lamp Post"]),
    min_size=1,
    max_size=3,
    unique=True,
)
paragraphs = st.one_of(
    sentences.map(lambda text: Item(Kind.TEXT, text)),
    st.lists(sentences, min_size=2, max_size=3).map(
        lambda lines: Item(Kind.TEXT, "\n".join(lines))
    ),
    titles.map(lambda title: Item(Kind.SEE, f"See {title}", (title,))),
    titles.map(lambda title: Item(Kind.SEE, f"See also {title}", (title,))),
    names.map(lambda n: Item(Kind.CROSS_POST, cross_post_line(n), tuple(n))),
    st.integers(1, 99).map(lambda n: Item(Kind.IMAGE, f"harbour-{n}-14-03-26")),
)
texts = st.lists(paragraphs, min_size=1, max_size=5)
entries = texts.map(tuple)
sections = st.tuples(titles, texts).map(
    lambda both: [Item(Kind.HEADING, both[0]), Item(Kind.TEXT, "So it was."), *both[1]]
)


@st.composite
def originals(draw: st.DrawFn) -> DocumentEntry:
    items = draw(texts)
    for section in draw(st.lists(sections, max_size=3)):
        items = [*items, *section]
    return DocumentEntry(tuple(items))


@st.composite
def stories(draw: st.DrawFn) -> Document:
    first_day = date(2026, 3, 14)
    minutes = draw(st.lists(st.integers(0, 4 * 24 * 60), max_size=6))
    midnight = datetime(2026, 3, 14, tzinfo=UTC)
    rising = [midnight + timedelta(minutes=each) for each in sorted(minutes)]
    updates = [DocumentEntry(draw(entries), at=at) for at in reversed(rising)]
    links: list[LinkData] = []
    for title in draw(st.lists(titles, max_size=3)):
        append_link(links, Link.Kind.LATEST, title)
    for title in draw(st.lists(titles, max_size=1)):
        append_link(links, Link.Kind.FEATURE, title, "TUESDAY FEATURE")
    return Document(
        headline=draw(titles),
        series=draw(st.sampled_from(["", "Sorrava Daily"])),
        first_day=first_day,
        standfirst=draw(st.one_of(st.just(""), sentences)),
        photo=draw(st.one_of(st.just(""), sentences)),
        links=tuple(links),
        updates=tuple(updates),
        original=draw(st.one_of(st.just(NO_ENTRY), originals())),
    )


def parsed(content: bytes, **options: object) -> Document:
    lines, remarks = decode(content)
    return read_text(lines, now=NOW, remarks=remarks, **options)  # type: ignore[arg-type]


@given(stories())
@settings(deadline=None)
def test_a_story_of_this_form_is_read_as_it_was_written(story: Document) -> None:
    text = write_text(story)
    again = parsed(text.encode())
    assert again == story
    assert not [str(w) for w in again.warnings if "not certain" not in str(w)]
    assert write_text(again) == text


@given(stories(), st.sampled_from(["\r\n", "\r"]), st.booleans())
@settings(deadline=None)
def test_line_breaks_and_a_byte_order_mark_make_no_difference(
    story: Document, newline: str, mark: bool
) -> None:
    text = write_text(story).replace("\n", newline)
    assert parsed(text.encode("utf-8-sig" if mark else "utf-8")) == story


@given(stories())
@settings(deadline=None)
def test_a_story_written_in_markdown_is_read_as_it_was_written(story: Document) -> None:
    story = in_markdown(story)
    assert parsed(write_text(story).encode()) == story


@given(st.lists(paragraphs, max_size=6))
def test_a_body_comes_back_from_its_markdown(items: list[Item]) -> None:
    assert list(markdown.items(markdown.source(Body(tuple(items))))) == items


# --- Nothing is dropped

MARKS = """PHOTO: A quay|LATEST|TUESDAY FEATURE|Jump to Original|UPDATE 1800 GMT: Fog.|
UPDATE 2560 GMT: Fog.|UPDATE 1015 GMT (Monday)|update, 0910 gmt: x|ORIGINAL ENTRY:|
ORIGINAL ENTRY: Once.|UPDATE 0015 GMT, 21 December: y|1800 GMT UPDATE:|SUMMARY:|
(Cross-posted from A, B and C)|See Harbour Wire: Fog|quay-14-03-26|HEADLINE: Fog|#|`|
```|HEADLINE: x|DATE: 2026-03-14|DATE: 2026-13-14|SERIES: Wire|The Lamps Go Out|FEATURE|
MARKUP: Markdown|\\UPDATE 1800 GMT: x|BYLINE: Ann|STANDFIRST: z|LANGUAGE: de|PHOTO:|
UPDATE: nothing|UPDATE 1800 BST: x|UPDATE 9:10 pm EST, 3 May: x|UPDATE 1400 GMT:|
harbour-1|UPDATE|UPDATE XX GMT: x|LATEST UPDATE 1800 GMT: y|“Fog” and Lamps|
state-of-the-art|
UPDATE 1800 GMT (31 June): x|IMG_1.JPG|1. one|
[The mayor] said|See you at the match.|See below|* star|\ufeff|\x07a|a\x0cb|\u2028|
UPDATE 1800 GMT 29 February 2027: leap|- Title|LATEST: Fog|Feature: Fog|## Heading"""
marks = st.sampled_from(MARKS.replace("|\n", "|").split("|"))
lines = st.one_of(marks, sentences, titles, st.just(""), st.text(max_size=30))


def words_of(text: str) -> str:
    """Return the letters and digits of a text, in order."""
    return re.sub(r"[\W_]", "", text)


def everything(document: Document) -> str:
    """Return all that a reading holds: texts, values, warnings."""
    parts = [
        document.headline,
        document.series,
        document.standfirst,
        document.photo,
        document.language,
    ]
    parts += [str(document.first_day), *document.latest]
    parts += [f"{feature.label} {feature.title}" for feature in document.features]
    for body in document.bodies:
        parts.append(body.source)
        parts += [item.text for item in body.items]
    for entry in (*document.updates, document.original):
        parts += [entry.headline, entry.byline, entry.note]
    parts += [str(update.at) for update in document.updates]
    return "\n".join(parts)


STAMP = re.compile(
    r"(?i)^\W*(?:UPDATE\W*(?:[0-9]{4}|[0-9]+:[0-9]{2})( pm)?\s*(?:GMT|BST|EST)"
    r"|[0-9]{4} GMT UPDATE|UPDATE$"
    r"|ORIGINAL ENTRY|\w+ FEATURE|FEATURE|LATEST|PHOTO|JUMP TO ORIGINAL|HEADLINE"
    r"|SERIES|DATE|SUMMARY|MARKUP: MARKDOWN|BYLINE|STANDFIRST|LANGUAGE"
    r"|\(Cross-posted from )"
)
DAY = re.compile(r"\((?:Monday|Tuesday)\)|, 21 December|, 3 May|29 February 2027")


@given(st.lists(lines, max_size=25).map("\n".join))
@example("UPDATE 1800 GMT:\nHEADLINE: x")
@example("SUMMARY:\nORIGINAL ENTRY: x")
@settings(deadline=None, max_examples=examples(400))
def test_every_line_of_a_file_is_in_the_document(text: str) -> None:
    try:
        document = parsed(text.encode(errors="surrogatepass"))
    except ExchangeError:
        return
    found = words_of(everything(document))
    for line in decode(text.encode(errors="surrogatepass"))[0]:
        rest = DAY.sub(" ", STAMP.sub(" ", line.text), count=1)
        for word in re.findall(r"[^\W_]+", rest):
            assert word in found, (line, document)
    assert report(document)["warnings"] == [str(each) for each in document.warnings]


@given(st.binary(max_size=400))
@example(b"\xff\xfeU\0P\0")
@example(b"\xfe\xff")
@example(b"\0" * 50)
@example(b"UPDATE 1800 GMT: \x81\x8d \xff")
@settings(deadline=None, max_examples=examples(400))
def test_arbitrary_bytes_are_read_or_refused_with_a_message(content: bytes) -> None:
    try:
        document = parsed(content)
    except ExchangeError as error:
        event(str(error))
        return
    assert isinstance(report(document)["original"]["text"], str)


@given(st.lists(marks, min_size=1, max_size=30))
@example(["ORIGINAL ENTRY:", "UPDATE 0910 GMT: x", "ORIGINAL ENTRY:"])
@settings(deadline=None, max_examples=examples(300))
def test_any_document_can_be_written_and_read_again(
    parts: list[str],
) -> None:
    try:
        document = parsed("\n\n".join(parts).encode())
    except ExchangeError:
        return
    rising = [one for one in document.oldest_first if one.state != "draft"]
    document = replace(
        document,
        updates=tuple(reversed(rising)),
        newest_first=True,
        links=tuple(link for link in document.links if link.title),
    )
    assume(write_text(document).strip())
    heads = [*document.latest, *(feature.title for feature in document.features)]
    assume(not any(title in MARKS for title in heads))  # a title that is a mark
    text, faithful = write_faithfully(document)
    assert faithful, text
