"""The time zones that texts name, and times converted to GMT."""

from __future__ import annotations

import re
from datetime import date, time

import pytest

from entries.text import zones

pytestmark = pytest.mark.pure

WINTER, SUMMER = date(2016, 12, 20), date(2017, 6, 20)


def converted(name: str, on: date = WINTER, at: time = time(21, 10)) -> str:
    zone = zones.find_zone(name)
    assert zone is not None
    return f"{zone.to_gmt(on, at):%d %H%M}"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("GMT UTC UT Z gmt utc Zulu WET", "20 2110"),
        ("BST bst CET cet MEZ WAT IST+", "20 2010"),
        ("CEST EET SAST CAT MESZ", "20 1910"),
        ("EEST MSK TRT IDT EAT", "20 1810"),
        ("IST", "20 1540"),
        ("NPT", "20 1525"),
        ("HKT SGT MYT AWST WITA", "20 1310"),
        ("JST KST", "20 1210"),
        ("AEST", "20 1110"),
        ("AEDT", "20 1010"),
        ("EDT AST", "21 0110"),
        ("EST CDT ET", "21 0210"),
        ("CST MDT CT", "21 0310"),
        ("MST PDT MT", "21 0410"),
        ("PST PT", "21 0510"),
    ],
)
def test_abbreviations_have_their_offset(names: str, expected: str):
    known = [name for name in names.split() if not name.endswith("+")]
    assert {name: converted(name) for name in known} == dict.fromkeys(known, expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTC+3", "20 1810"),
        ("CET/CEST", "20 2010"),
        ("PDT/PST", "21 0510"),
        ("UTC +3", "20 1810"),
        ("GMT+05:30", "20 1540"),
        ("GMT-5", "21 0210"),
        ("UTC−4", "21 0110"),
        ("+0530", "20 1540"),
        ("-0300", "21 0010"),
        ("British Summer Time", "20 2010"),
        ("Eastern Standard Time", "21 0210"),
        ("Moscow time", "20 1810"),
        ("New York time", "21 0210"),
        ("UK time", "20 2110"),
        ("US Eastern Time", "21 0210"),
        ("Israel time", "20 1910"),
        ("Europe/London", "20 2110"),
    ],
)
def test_offsets_names_and_cities_are_zones(name: str, expected: str):
    assert converted(name) == expected
    assert re.fullmatch(zones.NAME, name, re.IGNORECASE)


def test_the_offset_of_a_region_depends_on_the_day():
    assert (converted("ET"), converted("ET", SUMMER)) == ("21 0210", "21 0110")
    assert converted("Europe/London", SUMMER) == "20 2010"


def test_an_ambiguous_abbreviation_says_what_was_assumed():
    zone = zones.find_zone("IST")
    assert zone is not None
    said = zone.describe()
    assert said.startswith("IST is taken for Indian Standard Time, UTC+5:30")
    assert "Irish Standard Time, UTC+1" in said
    assert "Israel Standard Time, UTC+2" in said


@pytest.mark.parametrize(
    "name", ["", "XYZ", "local time", "Foo time", "UTC+15", "GMT+3:75", "time", "12"]
)
def test_an_unknown_name_is_no_zone(name: str):
    assert zones.find_zone(name) is None


@pytest.mark.parametrize(
    "words", ["ist der", "cat", "CETA", "time", "eat", "BSTs", "GMT-5 people", "5"]
)
def test_other_words_do_not_match(words: str):
    assert re.match(zones.NAME, words, re.IGNORECASE) is None
