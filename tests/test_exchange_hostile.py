"""Hostile files never end in a traceback, and none of their text is lost."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from entries.models import Entry, Note, Story
from tests import seeds
from tests.test_import_story import Ran

pytestmark = pytest.mark.django_db
quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# --- Stamps: whatever a newsroom writes after GMT

DASHES = ["-", "–", "—", "‐", "‑", "−", "--", "/", ".", " to ", "~", "\u00ad"]
digits = st.sampled_from(["1", "12", "30", "31", "0", "00", "99", "2016", "0830", "7"])
years = st.sampled_from(["1066", "1899", "2016", "2017", "2199", "2200", "9999", "16"])
months = st.sampled_from(
    ["December", "Dec.", "dec", "Feb", "ſept", "Auguſt", "MAY", "Jun/Jul", "Brumaire"]
)
weekdays = st.sampled_from(["Monday", "tue", "ſun", "frı", "SAT.", "Someday"])
numbers = st.lists(st.one_of(digits, years), min_size=2, max_size=4)
ranges = st.builds(str.join, st.sampled_from(DASHES), numbers)
dates = st.permutations(["{day}", "{month}", "{year}"]).flatmap(
    lambda order: st.builds(
        lambda gap, **parts: gap.join(order).format(**parts),
        st.sampled_from([" ", ", ", "-", ""]),
        day=digits,
        month=months,
        year=years,
    )
)
others = st.sampled_from(
    """+44 20 7946 0018|(555) 010-4477|+1|-0500|±0|BST|UTC|Z|GMT|+01:00|½|١٨٣٠|１８３０
    |२०१६-२०१७|2016–17|16/17|3-2|£2.5m-3m|1.1.1.1|31.12.|29 February 2015|29 February
    |31 June|0 May|2016-13-45|2016-00-00|0000-00-00|12/13/2016|13/13/2016|(2016-2017)
    |[2016–2017]|((Monday))|(Monday|[2016)|“Monday”|#1|…|…2016|№ 5|v2.0|1e999|NaN
    |0x10|2⁴|Ⅻ|Tue–Wed|Mon, 32 December|Mon 20 Dec 2016 1830 GMT|UPDATE 1900 GMT
    """.replace("\n    ", "").split("|")
)
after = st.one_of(ranges, dates, weekdays, others).flatmap(
    lambda words: st.sampled_from(["{}", "({})", "[{}]", ", {}", ": {}", " - {}"]).map(
        lambda form: form.format(words)
    )
)
times = st.sampled_from(
    ["1830", "2560", "0000", "2400", "9:05", "18.30", "6pm", "18h30", "183", "１８３０"]
)
zones = st.sampled_from(
    [" GMT", "GMT", " gmt", " UTC", "Z", " BST", " GMT+1", "", " G"]
)
stamps = st.builds(
    "{} {}{} {}{} ".format,
    st.sampled_from(["UPDATE", "Update", "(UPDATE", "UPDATE:", "update at"]),
    times,
    zones,
    after,
    st.sampled_from([":", "", " -", " –", ".", ")"]),
)


STAMPED = re.compile(
    r"(?i)\(?update:? (at )?[\w:.]+?( ?(GMT(\+1)?|UTC|Z|BST))?(?=[\s,)])"
)
DATED = re.compile(  # what a stamp may take for its day
    r"(?i)\d[-/.]\d+[-/.]\d|dec|feb|may|jun|[sſ]ept|augu|day\b|tue|[sſ]un|sat|mon"
)


def report(file: Path, *options: str) -> Any:
    """Import a file through the command; return what it says as data."""
    return Ran("import_story", file, "--json", *options).data


def kept() -> str:
    """Return all the text of the only story."""
    story = Story.objects.get()
    texts = [story.headline, story.standfirst, story.summary]
    texts += Note.objects.values_list("text", flat=True)
    return "\n".join([*texts, *Entry.objects.values_list("body", flat=True)])


@given(st.lists(stamps, min_size=1, max_size=20))
@example(["UPDATE 1830 GMT 2016-2017:"])
@example(["UPDATE 1830 GMT 0101-2017:", "UPDATE 1830 GMT ſun:"])
@example(["DATE: 0001-01-01", "DATE: 9999-12-31", "UPDATE 0000 GMT Monday:"])
@quick
def test_no_timestamp_breaks_an_import_or_loses_text(
    tmp_path: Path, found: list[str]
) -> None:
    file = tmp_path / "page.txt"
    texts = [f"{stamp}The report of place{n} is here." for n, stamp in enumerate(found)]
    file.write_text("A Day Of Talks\n\n" + "\n\n".join(texts), encoding="utf-8")
    dry = report(file, "--dry-run")
    Story.objects.all().delete()
    data = report(file, "--again")
    assert data["warnings"] == dry["warnings"]
    assert data["updates"] == dry["updates"]
    assert all(re.match(r"line \d+: ", one) for one in data["warnings"])
    everything = kept()
    for n, text in enumerate(texts):
        assert f"place{n} " in everything
        words = re.findall(r"\w+", STAMPED.sub("", text, count=1))
        lost = [word for word in words if word not in everything]
        assert not lost or DATED.search(text), (lost, text)


@pytest.mark.parametrize(
    "words",
    ["2016-2017", "0101-2017", "2016–2017", "(2016-2017)", "1939-1945", "2016 - 2017"],
)
def test_a_range_of_years_after_gmt_is_text(tmp_path: Path, words: str) -> None:
    file = tmp_path / "page.txt"
    file.write_text(f"UPDATE 1830 GMT {words}: budget talks\n\nThey go on.\n")
    (update,) = report(file)["updates"]
    assert update["time"] == "18:30"
    body = Entry.objects.get().body
    assert all(word in body for word in (words, "budget talks", "They go on."))


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1899-12-31"])
def test_an_impossible_day_is_text_and_a_warning(tmp_path: Path, day: str) -> None:
    file = tmp_path / "page.txt"
    text = f"Fog\n\nDATE: {day}\n\nUPDATE 2300 GMT: A.\n\nUPDATE 0100 GMT: B.\n"
    file.write_text(text)
    warnings = report(file)["warnings"]
    assert any("line 3: " in one and day in one for one in warnings)
    assert f"DATE: {day}" in kept()


# --- JSON

HOSTILE = [
    None,
    True,
    0,
    -1,
    1.5,
    2**31 - 1,
    2**31,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\0",
    "\ud800",
    "\udfff tail",
    "x" * 130,
    "x" * 100_001,
    "0001-01-01",
    "9999-12-31T23:59:59+00:00",
    "1900-01-02T00:00:00+23:59",
    "2026-03-14T10:00:00.123456-23:59:59.999999",
    "2026-W11-6",
    "javascript:alert(1)",
    "http://[::1",
    "draft",
    "update",
    "a b",
    "../up",
    [],
    {},
    [[]],
    [{}],
    ["x"],
    ["\ud800"],
    ["y" * 500, "a b", ""],
    {"\ud800": 1},
    [None, 1, "x", {}, []],
]


def document() -> dict[str, Any]:
    """Return a story as its export has it, with everything once."""
    link = {"kind": "see", "title": "Lamps Lit", "text": "Lamps Lit", "order": 0}
    at = "2026-03-14T10:00:00+00:00"
    return {
        "format": "liveblog-story",
        "version": 1,
        "story": {
            "slug": "fog",
            "old_slugs": ["mist"],
            "headline": "Fog",
            "series": {"name": "Wire", "slug": "wire", "description": "Words."},
            "standfirst": "It is foggy.",
            "summary": "Little is known.",
            "language": "en",
            "lead_image": "quay",
            "state": "closed",
            "first_day": "2026-03-14",
            "live_at": at,
            "closed_at": at,
            "created_at": at,
            "continues_in": "lamps",
        },
        "entries": [
            {
                "kind": "update",
                "state": "published",
                "at": at,
                "headline": "Waiting",
                "body": "Two ferries wait.\n\n![](image:quay)",
                "byline": "Ann Doss",
                "pinned": True,
                "key_event": True,
                "cross_posted_from": None,
                "author": "editor",
                "created_at": at,
                "changed_at": at,
                "published_at": at,
                "version": 2,
                "posted_in": [{"story": "lamps", "pinned": True, "key_event": False}],
                "links": [link],
                "versions": [
                    {
                        "number": 1,
                        "at": at,
                        "headline": "",
                        "body": "Before.",
                        "line": "It was wrong.",
                        "hidden": False,
                        "erased": False,
                        "changed_by": "editor",
                        "changed_at": at,
                    }
                ],
            }
        ],
        "links": [{**link, "kind": "feature", "starts_at": at, "ends_at": None}],
        "pictures": [{"name": "quay", "alt": "A quay", "caption": "", "credit": ""}],
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in a document."""
    found = [path] if path else []
    pairs = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        found += places(inner, (*path, key))
    return found


PLACES = places(document())


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(document())
    at: Any = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return data


def refused_or_taken(
    file: Path, ways: Sequence[Sequence[str]] = (["--dry-run"], ["--publish"])
) -> None:
    """Import a file; fail for anything but a sentence or a story."""
    for options in ways:
        try:
            said = json.dumps(report(file, *options), ensure_ascii=False)
        except CommandError as error:
            said = str(error)
        assert said.encode()
    Story.objects.all().delete()


EVERY = int(os.environ.get("HOSTILE_EVERY", "11" if seeds.ALL else "43"))


def test_no_value_in_a_json_file_causes_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "story.json"
    pairs = [(path, value) for path in PLACES for value in HOSTILE]
    for path, value in pairs[::EVERY]:  # each path meets others of the values
        file.write_text(json.dumps(changed(path, value)))
        refused_or_taken(file)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        '{"format": "liveblog-story", "version": ' + "[" * 100_000,
        '{"format": "liveblog-story", "a": ' * 60_000,
        '{"format": "liveblog-story", "version": ' + "9" * 5000 + "}",
        '{"format": "liveblog-story", "version": NaN}',
        '{"format": "liveblog-story", "version": 1e999}',
        '{"format": "liveblog-story", "version": "\\ud800"}',
        '{"format": ["liveblog-story"]}',
        '{"version": 1}',
        "{}",
        "{\x00}",
        '{"\\ud800": "\\udfff"}',
    ],
    ids=str.__len__,
)
def test_json_of_any_other_shape_is_refused_with_a_message(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "story.json"
    file.write_text(text)
    refused_or_taken(file)


def test_a_name_given_twice_in_json_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "story.json"
    text = json.dumps(document())
    file.write_text(
        text.replace('"headline": "Fog"', '"headline": "A", "headline": "B"')
    )
    with pytest.raises(CommandError, match="“headline” twice"):
        report(file)
    assert not Story.objects.exists()


def test_a_file_with_an_undecodable_name_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "fog\udcff-over-saltgate.txt"
    file.write_text("UPDATE 1830 GMT: Fog.\n")
    report(file, "--dry-run")
    report(file)
    assert Story.objects.get().headline.startswith("Fog")


@pytest.mark.parametrize("option", ["--headline", "--slug", "--series"])
@pytest.mark.parametrize("value", ["x" * 400, "\udcff", " ", "a/b"])
@pytest.mark.parametrize("name", ["page.txt", "page.json"])
def test_no_option_causes_a_traceback(
    tmp_path: Path, option: str, value: str, name: str
) -> None:
    file = tmp_path / name
    text = "UPDATE 1830 GMT: Fog.\n" if name == "page.txt" else json.dumps(document())
    file.write_text(text)
    refused_or_taken(file, ([option, value, "--dry-run"], [option, value]))
