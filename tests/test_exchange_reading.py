"""Newsroom text: what is recognised, and what stays as text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from entries.exchange.document import Document, ExchangeError, Kind, texts
from entries.exchange.report import report
from entries.exchange.text.decoding import decode
from entries.exchange.text.paragraphs import Hints
from entries.exchange.text.reader import read_text
from entries.exchange.text.timestamps import Day, Doubt, Timestamp, timestamp

NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
DAY = date(2026, 3, 14)

PAGE = """\
PHOTO: The ferry Ostara and her tug in the fog off Port Ilaria


LATEST


WEDNESDAY FEATURE

Analysis: Why the Harbour Lamps Went Out


Jump to Original


UPDATE 1800 GMT: The ferry “Ostara” is alongside.

Çelğa Doss, the harbour master, said nobody was hurt.


UPDATE 1015 GMT: A tug has a line aboard.

(Cross-posted from Harbour Wire)


UPDATE 0910 GMT: The fog signal sounds every two minutes.

See Sorrava Daily: Fog Closes the Strait, Ferries Wait

Pictures from the quay:

quay-fog-14-03-26

quay-fog-2-14-03-26


ORIGINAL ENTRY: The night ferry waits outside Port Ilaria.

See Developing: Lamps Fail in the Old Town

[The harbour] will open when we see its mouth.


Market Hall Without Power

The market hall of Saltgate has been dark since six.

market-hall-14-03-26


Reports: Bridge Closed to Carts

Two carts are stuck.
"""


def parsed(text: str | bytes, **options: Any) -> Document:
    content = text if isinstance(text, bytes) else text.encode()
    lines, remarks = decode(content)
    return read_text(lines, now=NOW, remarks=remarks, **options)


def warned(document: Document) -> list[int]:
    """Return the lines that are warned about."""
    return [warning.line for warning in document.warnings]


def times(document: Document) -> list[str]:
    return [f"{update.at:%d %H%M}" for update in document.updates]


def original(text: str, **options: Any) -> list[tuple[str, str]]:
    """Return the items of an original entry."""
    document = parsed(f"ORIGINAL ENTRY: So it began.\n\n{text}", **options)
    return [(item.kind.value, item.text) for item in document.original.items[1:]]


# --- The whole page


def test_a_page_of_the_form_is_understood_without_a_warning():
    data = report(parsed(PAGE, first_day=DAY))
    assert data["photo"] == "The ferry Ostara and her tug in the fog off Port Ilaria"
    assert data["latest"] == []
    assert data["feature"] == {
        "label": "WEDNESDAY FEATURE",
        "title": "Analysis: Why the Harbour Lamps Went Out",
    }
    assert data["warnings"] == []


def test_updates_keep_the_order_of_the_file():
    updates = report(parsed(PAGE, first_day=DAY))["updates"]
    assert [each["time"] for each in updates] == ["18:00", "10:15", "09:10"]
    assert updates[0]["datetime"] == "2026-03-14T18:00:00+00:00"
    assert updates[0]["text"] == "The ferry “Ostara” is alongside."
    assert updates[1]["cross_posts"] == ["Harbour Wire"]
    assert updates[2] == {
        "time": "09:10",
        "datetime": "2026-03-14T09:10:00+00:00",
        "text": "The fog signal sounds every two minutes.",
        "see": ["Sorrava Daily: Fog Closes the Strait, Ferries Wait"],
        "images": ["quay-fog-14-03-26", "quay-fog-2-14-03-26"],
        "cross_posts": [],
    }


def test_the_original_entry_is_distinguished_from_its_sections():
    data = report(parsed(PAGE, first_day=DAY))
    assert data["original"]["text"] == "The night ferry waits outside Port Ilaria."
    assert data["original"]["see"] == ["Developing: Lamps Fail in the Old Town"]
    assert data["original"]["images"] == []
    assert [each["heading"] for each in data["sections"]] == [
        "Market Hall Without Power",
        "Reports: Bridge Closed to Carts",
    ]
    assert data["sections"][0]["images"] == ["market-hall-14-03-26"]


def test_bracketed_quotations_stay_text():
    document = parsed(PAGE, first_day=DAY)
    assert "[The harbour] will open when we see its mouth." in texts(
        document.original.items
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", " \t\n").encode(),
        lambda text: text.replace("\n\n\n", "\n\n\n\n\n").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.replace("GMT: ", "GMT:\N{NO-BREAK SPACE}").encode(),
        lambda text: text.replace("UPDATE ", "UPDATE\N{NO-BREAK SPACE}").encode(),
        lambda text: text.replace("\n\nUPDATE", "\n\n\ufeff\tUPDATE").encode(),
    ],
    ids=[
        "crlf",
        "cr",
        "trailing",
        "wide",
        "utf-16",
        "no-bom",
        "nbsp",
        "nbsp-stamp",
        "bom",
    ],
)
def test_encodings_and_line_breaks_of_programs_make_no_difference(change: Any):
    assert parsed(change(PAGE), first_day=DAY) == parsed(PAGE, first_day=DAY)


def test_a_page_that_lost_its_double_gaps_is_the_same_story():
    collapsed = PAGE.replace("\n\n\n", "\n\n")
    assert parsed(collapsed, first_day=DAY) == parsed(PAGE, first_day=DAY)


def test_a_page_without_any_blank_line_keeps_its_parts():
    bare = "\n".join(filter(None, PAGE.split("\n")))
    document, whole = parsed(bare, first_day=DAY), parsed(PAGE, first_day=DAY)
    for kind in (Kind.SEE, Kind.IMAGE, Kind.CROSS_POST, Kind.HEADING):
        assert [b.of(kind) for b in document.bodies] == [
            b.of(kind) for b in whole.bodies
        ]
    assert (document.photo, document.features) == (whole.photo, whole.features)


def test_western_encodings_are_detected_by_line_and_reported():
    content = "UPDATE 1800 GMT: Café “Ostara”.\n\nÇelğa.\n".encode()
    mixed = content + "UPDATE 1700 GMT: Café – closed…\n".encode("cp1252")
    document = parsed(mixed, first_day=DAY)
    assert texts(document.updates[0].items) == ["Café “Ostara”.", "Çelğa."]
    assert texts(document.updates[1].items) == ["Café – closed…"]
    assert warned(document) == [4]


def test_control_characters_are_removed_and_reported():
    document = parsed("UPDATE 1800 GMT: A\0 bell\x07.\n", first_day=DAY)
    assert texts(document.updates[0].items) == ["A bell."]
    assert str(document.warnings[0]) == "line 1: 2 control characters were taken out"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \r\n\t\xc2\xa0\n\xef\xbb\xbf", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "picture"),
        (b"PK\3\4" + bytes(99), "word processor"),
        (b"%PDF-1.7", "PDF"),
        (bytes(range(256)) * 9, "not text"),
        (b"\xff\xfea", "UTF-16"),
    ],
    ids=["nothing", "blank", "png", "docx", "pdf", "binary", "half-utf-16"],
)
def test_a_file_that_is_no_text_is_refused_with_a_message(content: bytes, words: str):
    with pytest.raises(ExchangeError, match=words):
        decode(content)


# --- Stamps


@pytest.mark.parametrize(
    ("line", "at", "rest"),
    [
        ("UPDATE 1800 GMT: Fog.", "18:00", "Fog."),
        ("UPDATE, 1800 GMT: Fog.", "18:00", "Fog."),
        ("UPDATE: 1800 GMT: Fog.", "18:00", "Fog."),
        ("UPDATE 18:00 GMT", "18:00", ""),
        ("UPDATE 18.05 GMT Fog.", "18:05", "Fog."),
        ("1800 GMT UPDATE: Fog.", "18:00", "Fog."),
        ("1800 GMT, Update: Fog.", "18:00", "Fog."),
        ("update 1800 gmt: fog.", "18:00", "fog."),
        ("Update, 0905 GMT – Fog.", "09:05", "Fog."),
        ("UPDATE 905 GMT. Fog.", "09:05", "Fog."),
        ("UPDATE (1800 GMT): Fog.", "18:00", "Fog."),
        ("UPDATE 6:30 p.m. GMT: Fog.", "18:30", "Fog."),
        ("UPDATE 12 AM GMT: Fog.", "00:00", "Fog."),
        ("UPDATE NOON GMT: Fog.", "12:00", "Fog."),
        ("Update, midnight GMT: Fog.", "00:00", "Fog."),
        ("UPDATE 1800 UTC: Fog.", "18:00", "Fog."),
        ("UPDATE 18:00:45 GMT: Fog.", "18:00", "Fog."),
        ("LATEST UPDATE 1800 GMT: Fog.", "18:00", "LATEST UPDATE 1800 GMT: Fog."),
        ("UPDATE 1800 GMT: 20 March: Fog.", "18:00", "20 March: Fog."),
        ("UPDATE 1800 GMT Tuesday's ferry", "18:00", "Tuesday's ferry"),
        ("UPDATE 1800 GMT May will go", "18:00", "May will go"),
        ("UPDATE ١٨٠٥ GMT: حريق ٣", "18:05", "حريق ٣"),
        ("\u200fUPDATE \u200e۱۸:۰۵\u200e GMT: ۳\u200f.", "18:05", "۳\u200f."),
        ("UPDATE １８０５ GMT： ３人", "18:05", "３人"),
        ("ＵＰＤＡＴＥ　１８：０５　ＧＭＴ：３人", "18:05", "３人"),
        ("UPDATE १८०५ GMT: ३ – ४", "18:05", "३ – ४"),
        ("UPDATE 18\u202fh\u202f05 GMT: Fog\u202f!", "18:05", "Fog\u202f!"),
        ("UPDATE\u00a01805\u00a0GMT\u00a0: Fog\u00a0!", "18:05", "Fog\u00a0!"),
    ],
)
def test_timestamps_have_many_spellings(line: str, at: str, rest: str):
    found = timestamp(line)
    assert isinstance(found, Timestamp)
    assert (f"{found.at:%H:%M}", found.rest, found.day) == (at, rest, None)


@pytest.mark.parametrize(
    ("line", "day"),
    [
        ("UPDATE 1800 GMT (20 March): Fog.", Day(20, 3)),
        ("UPDATE 1800 GMT, 20 March: Fog.", Day(20, 3)),
        ("UPDATE 1800 GMT 20th March 2026: Fog.", Day(20, 3, 2026)),
        ("UPDATE 1800 GMT (Mar. 20, 2026) Fog.", Day(20, 3, 2026)),
        ("UPDATE 1800 GMT (2026-03-20): Fog.", Day(20, 3, 2026)),
        ("UPDATE 1800 GMT (20/3/2026): Fog.", Day(20, 3, 2026)),
        ("UPDATE 1800 GMT (Friday): Fog.", Day(weekday=5)),
        ("UPDATE 1800 GMT, Fri: Fog.", Day(weekday=5)),
        ("UPDATE 1800 GMT (Friday, 20 March): Fog.", Day(20, 3, 0, 5)),
        ("FRIDAY UPDATE 1800 GMT: Fog.", Day(weekday=5)),
        ("UPDATE FRIDAY 1800 GMT: Fog.", Day(weekday=5)),
        ("UPDATE (20 March, 1800 GMT): Fog.", Day(20, 3)),
        ("1800 GMT (20 March) UPDATE: Fog.", Day(20, 3)),
        ("1800 GMT UPDATE (20 March): Fog.", Day(20, 3)),
        ("UPDATE ١٨٠٠ GMT, ٢٠ March ٢٠٢٦: Fog.", Day(20, 3, 2026)),
        ("UPDATE １８００ GMT （２０２６－０３－２０）： Fog.", Day(20, 3, 2026)),
    ],
)
def test_a_timestamp_may_have_a_day(line: str, day: Day):
    found = timestamp(line)
    assert isinstance(found, Timestamp)
    assert (found.day, found.rest) == (day, "Fog.")


# --- Stamps without a time, and in other time zones


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("UPDATE 2560 GMT: Fog.", "Fog."),
        ("UPDATE 2400 GMT: Fog.", "Fog."),
        ("UPDATE 18000 GMT: Fog.", "Fog."),
        ("UPDATE 25:60: Fog.", "Fog."),
        ("UPDATE 13 pm BST, 4 May: Fog.", "Fog."),
        ("Update 18.75 GMT: Fog.", "Fog."),
        ("UPDATE: Fog.", "Fog."),
        ("UPDATE – Fog.", "Fog."),
        ("UPDATE GMT: Fog.", "Fog."),
        ("UPDATE ?? GMT: Fog.", "Fog."),
        ("UPDATE XXXX GMT: Fog.", "Fog."),
        ("UPDATE --:--: Fog.", "Fog."),
        ("UPDATE (Tuesday): Fog.", "Fog."),
        ("UPDATE\nFog.", "Fog."),
        ("UPDATE 1800 XYZ: Fog.", "Fog."),
        ("UPDATE 1800 local time: Fog.", "Fog."),
        ("UPDATE 1800 UTC+15: Fog.", "UPDATE 1800 UTC+15: Fog."),
        ("UPDATE dusk GMT: Fog.", "UPDATE dusk GMT: Fog."),
        ("UPDATE #3 1500 GMT: Fog.", "UPDATE #3 1500 GMT: Fog."),
        ("UPDATE half past two: Fog.", "UPDATE half past two: Fog."),
        ("31 APRIL UPDATE 1800 GMT: Fog.", "Fog."),
        ("UPDATE 31 April 1800 GMT: Fog.", "Fog."),
    ],
)
def test_a_stamp_without_a_clear_time_begins_a_draft_at_the_time_of_its_neighbour(
    line: str, text: str
):
    document = parsed(
        f"UPDATE 1900 GMT: Later.\n\n{line}\n\nMore.\n\nUPDATE 0900 GMT: Before.",
        first_day=DAY,
    )
    later, draft, before = document.updates
    assert texts(draft.items) == [text, "More."]
    assert (times(document), draft.state) == (
        ["14 1900", "14 1900", "14 0900"],
        "draft",
    )
    assert (later.state, before.state) == ("published", "published")
    assert texts(later.items) + texts(before.items) == ["Later.", "Before."]
    assert warned(document) == [3]
    assert line.split("\n")[0].removesuffix(" Fog.") in draft.note
    assert report(document)["updates"][1]["text"] == text


def test_without_blank_lines_a_stamp_without_a_time_begins_a_draft_too():
    document = parsed(
        "UPDATE 1900 GMT: Later.\nUPDATE: Fog.\nUPDATE 0900 GMT: Before.", first_day=DAY
    )
    assert [texts(each.items) for each in document.updates] == [
        ["Later."],
        ["Fog."],
        ["Before."],
    ]


def test_drafts_have_the_time_of_the_nearest_update_that_has_one():
    stamps = ["UPDATE 2560 GMT", "UPDATE", "UPDATE 0900 GMT"]
    document = parsed("\n\n".join(f"{each}: x" for each in stamps), first_day=DAY)
    assert times(document) == ["14 0900"] * 3
    rising = ["UPDATE 0900 GMT", "UPDATE 2560 GMT", "UPDATE 1800 GMT"]
    document = parsed("\n\n".join(f"{each}: x" for each in rising), first_day=DAY)
    assert times(document) == ["14 0900", "14 1800", "14 1800"]
    alone = parsed("UPDATE 2560 GMT: Fog.\n\nMore.")
    assert [(update.at, update.state) for update in alone.updates] == [(None, "draft")]
    assert report(alone)["updates"][0]["time"] == ""


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("UPDATE 1100 BST", "14 1000"),
        ("UPDATE 9:10 pm CET", "14 2010"),
        ("UPDATE 0030 BST", "13 2330"),
        ("UPDATE 11:30 pm EST", "15 0430"),
        ("UPDATE 0930 IST", "14 0400"),
        ("UPDATE 1800 GMT+3", "14 1500"),
        ("UPDATE 1800 UTC-04:30", "14 2230"),
        ("UPDATE 0930 +0530", "14 0400"),
        ("UPDATE 2110 hrs Moscow time", "14 1810"),
        ("UPDATE 6 pm ET", "14 2200"),  # in summer time since 8 March
        ("1100 CET UPDATE", "14 1000"),
        ("UPDATE 0100 AEDT, 15 March", "14 1400"),
        ("UPDATE 2330 EST (Saturday)", "15 0430"),
    ],
)
def test_other_time_zones_are_converted_with_a_warning(stamp: str, expected: str):
    document = parsed(f"{stamp}: Fog.", first_day=DAY)
    assert (times(document), texts(document.updates[0].items)) == ([expected], ["Fog."])
    assert warned(document) == [1]
    day, hhmm = expected.split()
    assert f"is converted to {hhmm} GMT, {day} March 2026" in str(document.warnings[0])


def test_an_ambiguous_time_zone_says_what_was_assumed():
    document = parsed("UPDATE 1800 IST: Fog.", first_day=DAY)
    assert "taken for Indian Standard Time" in str(document.warnings[0])
    assert "Israel Standard Time" in str(document.warnings[0])


def test_updates_of_several_time_zones_are_in_the_order_of_their_instants():
    stamps = ["0010 MSK", "2040 GMT", "2130 CET", "3 pm EST", "1900 GMT"]
    text = "\n\n".join(f"UPDATE {each}: x" for each in stamps)
    expected = ["14 2110", "14 2040", "14 2030", "14 2000", "14 1900"]
    assert times(parsed(text, first_day=DAY)) == expected
    without_day = parsed(text.replace("UPDATE 1900 GMT", "UPDATE 1900 GMT (14 March)"))
    assert times(without_day) == expected
    stamps = ["1244 GMT-4", "1645 SGT", "1614 MST", "0023 HKT, 15 March"]
    document = parsed("\n\n".join(f"UPDATE {each}: x" for each in stamps))
    assert times(document) == ["15 1644", "15 0845", "14 2314", "14 1623"]


@pytest.mark.parametrize(
    "line",
    [
        "UPDATE, the paper, said so.",
        "Update 2026: the year of the fog",
        "1800 GMT: Fog.",
    ],
)
def test_a_line_that_resembles_a_timestamp_stays_text_with_a_warning(line: str):
    assert isinstance(timestamp(line), Doubt)
    document = parsed(f"UPDATE 1900 GMT: Before.\n\n{line}\n\nAfter.", first_day=DAY)
    assert texts(document.updates[0].items) == ["Before.", line, "After."]
    assert warned(document) == [3]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("UPDATED 1200 GMT: Fog.", "14 1200"),
        ("Updated 1200 GMT – Fog.", "14 1200"),
        ("UPDATED 1200: Fog.", "14 1200"),
        ("15 March, UPDATED 1200 GMT: Fog.", "15 1200"),
        ("UPDATE 1600 EST / 2100 GMT: Fog.", "14 2100"),
        ("UPDATE 1100 GMT, 1200 BST: Fog.", "14 1100"),
        ("UPDATE 1100 GMT (1200 BST): Fog.", "14 1100"),
        ("UPDATE 1200 BST/1100 GMT/1300 CEST, 15 March: Fog.", "15 1100"),
        ("UPDATE (9:10 pm CET | 8:10 pm GMT): Fog.", "14 2010"),
        ("UPDATE, 14 March, 2200 EST / 0300 GMT: Fog.", "15 0300"),
    ],
)
def test_a_stamp_may_give_its_time_in_two_zones(line: str, expected: str):
    document = parsed(line, first_day=DAY)
    assert times(document) == [expected]
    assert texts(document.updates[0].items) == ["Fog."]


def test_times_in_two_zones_that_are_not_one_are_warned_of():
    document = parsed("UPDATE 1600 EST / 2200 GMT: Fog.", first_day=DAY)
    assert (times(document), warned(document)) == (["14 2200"], [1])


def test_a_second_time_without_a_zone_stays_text():
    document = parsed("UPDATE 1600 GMT: 1700 BST is high tide.", first_day=DAY)
    assert texts(document.updates[0].items) == ["1700 BST is high tide."]


@pytest.mark.parametrize(
    "line",
    ["Updates at 1800 GMT", "1800 GMT update on the talks", "UPDATED 1800 GMT", "Fog."],
)
def test_prose_is_no_timestamp(line: str):
    assert timestamp(line) is None


def test_a_bracket_that_is_no_day_stays_in_the_text():
    document = parsed("UPDATE 1800 GMT (31 April): Fog.", first_day=DAY)
    assert texts(document.updates[0].items) == ["(31 April): Fog."]
    assert times(document) == ["14 1800"]
    assert warned(document) == [1]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_timestamp_without_text_is_only_a_warning(place: int):
    blocks = ["PHOTO: Fog", "UPDATE 1800 GMT: Fog.", "UPDATE 1500 GMT: Lamps."]
    blocks.insert(place, "UPDATE 1700 GMT:")
    document = parsed("\n\n".join(blocks), first_day=DAY)
    assert [texts(update.items) for update in document.updates] == [
        ["Fog."],
        ["Lamps."],
    ]
    assert document.standfirst == ""
    assert str(document.warnings[0]).startswith(
        f"line {place * 2 + 1}: no text follows"
    )


def test_a_timestamp_with_nothing_but_a_headline_has_it_as_its_text():
    document = parsed(
        "UPDATE 1800 GMT: Fog.\n\nUPDATE 1700 GMT:\nHEADLINE: Lamps lit", first_day=DAY
    )
    assert [texts(update.items) for update in document.updates] == [
        ["Fog."],
        ["Lamps lit"],
    ]
    assert warned(document) == [3]


# --- Days


def test_a_story_in_chronological_order_is_recognized_by_its_times():
    document = parsed(
        "ORIGINAL ENTRY: A.\n\nUPDATE 0910 GMT: B.\n\nUPDATE 1800 GMT: C.",
        first_day=DAY,
    )
    assert not document.newest_first
    assert times(document) == ["14 0910", "14 1800"]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        (["1800", "1015", "0910"], ["14 1800", "14 1015", "14 0910"]),
        (["0910", "1015", "1800"], ["14 0910", "14 1015", "14 1800"]),
        (["0015", "2350", "2200"], ["15 0015", "14 2350", "14 2200"]),
        (["0015", "2350"], ["15 0015", "14 2350"]),
        (["2200", "2350", "0015"], ["14 2200", "14 2350", "15 0015"]),
        (
            ["0700", "2300", "0600", "2200"],
            ["16 0700", "15 2300", "15 0600", "14 2200"],
        ),
        (["1800", "1800", "0900"], ["14 1800", "14 1800", "14 0900"]),
    ],
)
def test_an_earlier_time_means_that_midnight_has_passed(
    stamps: list[str], expected: list[str]
):
    text = "\n\n".join(f"UPDATE {hhmm} GMT: Fog." for hhmm in stamps)
    document = parsed(f"{text}\n\nORIGINAL ENTRY: So.", first_day=DAY)
    assert times(document) == expected


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        (["0900 GMT (16 March)", "1800 GMT", "0800 GMT (15 March)"],
         ["16 0900", "15 1800", "15 0800"]),
        (["0900 GMT (Monday)", "1800 GMT (Saturday)"], ["16 0900", "14 1800"]),
        (["0015 GMT, 15 March", "2350 GMT"], ["15 0015", "14 2350"]),
        (["0800 GMT, 17 March", "0900 GMT"], ["17 0800", "14 0900"]),
        (["0900 GMT (Saturday)", "2300 GMT (Friday)"], ["14 0900", "13 2300"]),
        (["0900 GMT (14 March)", "1800 GMT", "0015 GMT (15 March)"],
         ["14 0900", "14 1800", "15 0015"]),
    ],
)  # fmt: skip
def test_a_day_in_brackets_applies_to_neighbouring_updates(
    stamps: list[str], expected: list[str]
):
    text = "\n\n".join(f"UPDATE {each}: Fog." for each in stamps)
    document = parsed(text, first_day=DAY)
    assert times(document) == expected
    assert warned(document) == []


def test_a_few_minutes_out_of_order_are_not_another_day():
    text = "\n\n".join(f"UPDATE {hhmm} GMT: x" for hhmm in (1800, 1810, 1700))
    document = parsed(text, first_day=DAY)
    assert times(document) == ["14 1800", "14 1810", "14 1700"]
    assert warned(document) == [1]


def test_a_date_out_of_order_is_kept_with_a_warning():
    stamps = ["1800 GMT (16 March)", "1700 GMT (4 March)", "1600 GMT (16 March)"]
    document = parsed(
        "\n\n".join(f"UPDATE {each}: x" for each in stamps), first_day=DAY
    )
    assert times(document) == ["16 1800", "04 1700", "16 1600"]
    assert warned(document) == [3]


def test_a_weekday_that_contradicts_its_date_causes_a_warning():
    document = parsed("UPDATE 1800 GMT (Monday, 14 March 2026): x")
    assert times(document) == ["14 1800"]
    assert "is a Saturday" in str(document.warnings[0])


def test_without_a_date_no_update_is_in_the_future():
    later = parsed("UPDATE 1231 GMT: x\n\nUPDATE 0900 GMT: y")
    assert times(later) == ["19 1231", "19 0900"]
    assert times(parsed("UPDATE 1230 GMT: x\n\nUPDATE 0900 GMT: y")) == [
        "20 1230",
        "20 0900",
    ]
    assert "19 March 2026" in later.notes[0]


def test_a_date_without_a_year_is_the_most_recent_one():
    document = parsed("UPDATE 1800 GMT (21 March): x")
    assert document.updates[0].at.date() == date(2025, 3, 21)
    dated = parsed("UPDATE 0015 GMT, 1 January 2017: x\n\nUPDATE 2350 GMT: y")
    assert dated.updates[1].at.date() == date(2016, 12, 31)


def test_a_future_update_causes_a_warning():
    document = parsed("UPDATE 1800 GMT (1 April 2026): x")
    assert "yet to come" in str(document.warnings[0])


# --- Lines between paragraphs


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("See Harbour Wire: The Bridge Is Open", "Harbour Wire: The Bridge Is Open"),
        ("See also Sorrava Votes on Sunday", "Sorrava Votes on Sunday"),
        ("SEE ALSO: Sorrava Votes", "Sorrava Votes"),
        ("See “The Long Night” in Pictures", "“The Long Night” in Pictures"),
        ("See Who Lit the Lamps?", "Who Lit the Lamps?"),
        ("See Talks in the S.R.", "Talks in the S.R."),
        ("See 25,000 Moved From the Old Town", "25,000 Moved From the Old Town"),
        ("See الضباب يغلق الميناء", "الضباب يغلق الميناء"),
    ],
)
def test_a_see_line_has_a_title(line: str, title: str):
    document = parsed(f"ORIGINAL ENTRY: So.\n\n{line}\n\nMore.")
    assert document.original.items[1].names == (title,)
    assert document.original.items[1].text == line
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("line", "certain"),
    [
        ("See you at the match.", True),
        ("See Maria run.", True),
        ("See what the harbour looked like this morning:", True),
        ("See you at the match", False),
        ("See below", False),
        ("See Sorrava Daily: The Lamps Are Lit Again.", False),
        (f"See {'Fog ' * 60}", True),
    ],
)
def test_prose_that_begins_with_see_stays_prose(line: str, certain: bool):
    document = parsed(f"ORIGINAL ENTRY: So.\n\n{line}\n\nMore.")
    assert [item.kind for item in document.original.items] == [Kind.TEXT] * 3
    assert warned(document) == ([] if certain else [3])


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("(Cross-posted from A)", ("A",)),
        ("(Cross-posted from Harbour Wire and Sorrava Daily)",
         ("Harbour Wire", "Sorrava Daily")),
        ("(Cross-posted from A, B and C)", ("A", "B", "C")),
        ("(Cross-posted from A, B, and C.)", ("A", "B", "C")),
        ("[cross posted from A & B]", ("A", "B")),
        ("(Cross-posted from Rope and Lamp and Harbour Wire)",
         ("Rope and Lamp", "Harbour Wire")),
        ("Cross-posted from Harbour Wire", ("Harbour Wire",)),
    ],
)  # fmt: skip
def test_cross_post_lines_have_their_sources(line: str, names: tuple[str, ...]):
    hints = Hints(names=["Rope and Lamp", "Sorrava Daily"])
    document = parsed(f"UPDATE 1800 GMT: Fog.\n\n{line}", first_day=DAY, hints=hints)
    assert document.updates[0].items[1].names == names


def test_a_cross_post_note_inside_a_paragraph_is_kept_with_a_warning():
    line = "The fog lifts. (Cross-posted from Harbour Wire)"
    document = parsed(f"UPDATE 1800 GMT: {line}", first_day=DAY)
    assert texts(document.updates[0].items) == [line]
    assert warned(document) == [1]


@pytest.mark.parametrize(
    "name",
    [
        "quay-14-03-26",
        "quay-2-14-03-26",
        "quay-2026-03-14",
        "quay-20260314",
        "quay-14-mar",
        "Quay-14-03",
        "quay_fog",
        "IMG_1234.JPG",
        "long-time-no-see.jpg",
        "lamp.png",
        "DSC01234",
        "photo1",
    ],
)
def test_the_name_of_an_image_is_alone_on_its_line(name: str):
    assert original(f"{name}\n\nMore.") == [("image", name), ("text", "More.")]


@pytest.mark.parametrize(
    "line",
    ["Fog", "Cease-fire", "2026-03-14", "MH17", "3pm", "G20", "#fog_day", "@harbour_1",
     "harbour.example", "quay 2", "-quay-2", "see-saw."],
)  # fmt: skip
def test_other_single_words_stay_text(line: str):
    assert original(f"{line}\n\nMore.")[0] == ("text", line)


@pytest.mark.parametrize(
    "line", ["state-of-the-art", "quay-fog", "covid-19", "boeing-737-800", "euro-2016"]
)
def test_words_with_hyphens_are_text_that_may_name_an_image(line: str):
    document = parsed(f"ORIGINAL ENTRY: So.\n\n{line}\n\nMore.")
    assert texts(document.original.items) == ["So.", line, "More."]
    assert warned(document) == [3]
    hints = Hints(files={line})
    assert original(f"{line}\n\nMore.", hints=hints)[0] == ("image", line)


def test_any_word_can_be_an_image_if_its_file_is_in_the_folder():
    hints = Hints(files={"fog", "market hall.jpg"})
    assert original("FOG\n\nMarket Hall.jpg", hints=hints) == [
        ("image", "FOG"),
        ("image", "Market Hall.jpg"),
    ]


def test_images_may_follow_each_other():
    assert original("quay-14-03-26\nquay_fog\nquay-3.jpg") == [
        ("image", "quay-14-03-26"),
        ("image", "quay_fog"),
        ("image", "quay-3.jpg"),
    ]


def test_a_wrapped_paragraph_keeps_all_its_lines():
    text = "The council spoke of a\nlong-term\nplan until the\nSee of Ilaria spoke."
    assert original(text) == [("text", text)]


# --- Headings


def test_a_separate_line_is_a_heading_in_any_case():
    items = original("Text.\n\n\nMarket hall without power\n\nIt is dark.")
    assert items[1] == ("heading", "Market hall without power")


@pytest.mark.parametrize(
    "line",
    [
        "“We Saw Nothing”: Voices From the Quay",
        "“We saw nothing”",
        "“Not One Lamp,” Says the Mayor",
        '"Too Close to Call"',
        "The Lamplighter Who Has Lit Eleven Harbours on Three Coasts Returns to the "
        "City That Once Threw Her Out, and Brings a Brass Band",
        "How the lamps of the old town went out one after another while the council "
        "was still debating who should pay for the oil of the week before",
    ],
)
@pytest.mark.parametrize("below", ["\n\n", "\n\n\n"])
def test_a_separate_line_may_be_long_or_begin_with_a_quotation_mark(
    line: str, below: str
):
    items = original(f"Text.\n\nMore.\n\n\n{line}{below}It is dark.\n\nVery.")
    assert items[2] == ("heading", line)


@pytest.mark.parametrize(
    "line",
    [
        "The market hall has no power.",
        "“We saw nothing,” she said.",
        f"“{'We saw nothing at all, ' * 7}and heard nothing”",
        "[Laughter]",
        "and then the lamps",
        "It went like this:",
    ],
)
def test_separate_prose_is_no_heading(line: str):
    assert original(f"Text.\n\n\n{line}\n\nIt is dark.")[1] == ("text", line)


def test_in_a_file_without_blank_lines_headings_are_recognized_by_capitals():
    items = original("Text.\n\nMarket Hall Without Power\n\nIt is dark.")
    assert items[1] == ("heading", "Market Hall Without Power")
    items = original("Text.\n\nMayor Doss\n\nIt is dark.")
    assert items[1] == ("text", "Mayor Doss")


def test_the_last_line_is_no_heading():
    assert original("Text.\n\n\nMore to Follow From Saltgate")[1][0] == "text"


# --- The head of the page


def test_latest_has_the_titles_below_it():
    document = parsed(
        "LATEST\n\n• Lamps Lit\n- Fog Lifts?\n\nVotes Counted\n\nFEATURE\n\nX Y"
    )
    assert document.latest == ("Lamps Lit", "Fog Lifts?", "Votes Counted")
    assert document.features[0].label == "FEATURE"


def test_a_feature_may_run_over_two_lines_and_have_its_day_in_any_case():
    document = parsed(
        "Tuesday Feature\n\nWhy the Lamps\nWent Out\n\nORIGINAL ENTRY: So."
    )
    assert document.features[0].label == "Tuesday Feature"
    assert document.features[0].title == "Why the Lamps Went Out"


def test_a_feature_without_a_title_causes_a_warning():
    document = parsed("FRIDAY FEATURE\n\nUPDATE 1800 GMT: x", first_day=DAY)
    assert report(document)["feature"] == {"label": "FRIDAY FEATURE", "title": ""}
    assert warned(document) == [1]


def test_the_first_line_is_the_headline_if_it_looks_like_one():
    document = parsed("Fog Closes the Harbour\n\nUPDATE 1800 GMT: x", first_day=DAY)
    assert document.headline == "Fog Closes the Harbour"
    assert document.warnings == ()


def test_unlabelled_text_is_kept_above_with_a_warning():
    document = parsed(
        "By our harbour desk.\n\nUPDATE 1800 GMT: x\n\nORIGINAL ENTRY: So.",
        first_day=DAY,
    )
    assert document.standfirst == "By our harbour desk."
    assert warned(document) == [1]


def test_longer_unlabelled_text_becomes_the_summary():
    document = parsed("Some text.\n\nMore text.\n\nORIGINAL ENTRY: So.")
    assert texts(document.summary.items) == ["Some text.", "More text."]
    assert warned(document) == [1, 3]


def test_text_above_chronological_updates_is_the_original_entry():
    document = parsed(
        "It began at dawn.\n\nFog came.\n\nUPDATE 0900 GMT: x\n\nUPDATE 1800 GMT: y",
        first_day=DAY,
    )
    assert texts(document.original.items) == ["It began at dawn.", "Fog came."]


def test_separate_text_below_the_last_update_is_the_original_if_none_is_named():
    unnamed = PAGE.replace("ORIGINAL ENTRY: ", "")
    document, whole = parsed(unnamed, first_day=DAY), parsed(PAGE, first_day=DAY)
    assert (document.updates, document.original) == (whole.updates, whole.original)
    assert "no ORIGINAL ENTRY" in str(document.warnings[0])


def test_without_blank_lines_text_below_the_last_update_belongs_to_it():
    document = parsed(
        "UPDATE 1800 GMT: x\n\nUPDATE 1700 GMT: y\n\nMore.", first_day=DAY
    )
    assert texts(document.updates[1].items) == ["y", "More."]
    assert document.original.items == ()


def test_a_file_without_timestamps_is_an_original_entry():
    document = parsed("It is foggy in Saltgate today.\n\nNobody can see.")
    assert texts(document.original.items)[0] == "It is foggy in Saltgate today."
    assert warned(document) == [1]


def test_the_original_entry_may_begin_on_the_next_line():
    document = parsed("Original Entry:\nIt is foggy.\n\nVery.")
    assert texts(document.original.items) == ["It is foggy.", "Very."]
    assert document.warnings == ()


def test_a_second_original_entry_stays_text():
    document = parsed("ORIGINAL ENTRY: One.\n\nORIGINAL ENTRY: Two.")
    assert texts(document.original.items) == ["One.", "ORIGINAL ENTRY: Two."]
    assert warned(document) == [3]


def test_a_photo_line_among_entries_stays_text():
    document = parsed("UPDATE 1800 GMT: x\n\nPHOTO: The quay", first_day=DAY)
    assert texts(document.updates[0].items) == ["x", "PHOTO: The quay"]
    assert warned(document) == [3]


def test_an_export_lists_what_the_format_cannot_express():
    document = parsed(
        "HEADLINE: Fog\nSERIES: Sorrava Daily\nDATE: 2026-03-14\nLANGUAGE: de\n"
        "STANDFIRST: It is foggy.\n\n\nSUMMARY:\n\nWhat we know.\n\n\n"
        "UPDATE 1800 GMT:\nHEADLINE: Lamps lit\nBYLINE: Çelğa Doss\n\nThey burn."
    )
    assert (document.headline, document.series, document.first_day) == (
        "Fog",
        "Sorrava Daily",
        DAY,
    )
    assert (document.language, document.standfirst) == ("de", "It is foggy.")
    assert texts(document.summary.items) == ["What we know."]
    body = document.updates[0]
    assert (body.headline, body.byline) == ("Lamps lit", "Çelğa Doss")


def test_marks_may_have_signs_and_digits_of_any_keyboard():
    document = parsed(
        "\u200fHEADLINE： حريق ١\nSERIES\u00a0: Nîmes\u00a0!\nDATE： ٢٠٢٦-٠٣-١٤\n"
        "STATE： closed ２０２６-０３-１４ １８０４ ＧＭＴ\n\n"
        "\u200eORIGINAL ENTRY： ٣ قتلى"
    )
    assert (document.headline, document.series) == ("حريق ١", "Nîmes !")
    assert document.first_day == date(2026, 3, 14)
    assert document.closed_at == datetime(2026, 3, 14, 18, 4, tzinfo=UTC)
    assert texts(document.original.items) == ["٣ قتلى"]
