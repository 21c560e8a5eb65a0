"""Times as editors type them: what is understood, and what is refused."""

from datetime import UTC, datetime

import pytest

from entries.text import time_input
from entries.text.time_input import TimeError, describe_time, format_typed, parse_time

NOW = datetime(2026, 12, 20, 18, 4, 30, tzinfo=UTC)


def at(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("empty", ["", "   ", "\t", "GMT"])
def test_empty_means_now(empty: str):
    assert parse_time(empty, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "1015",
        "10:15",
        "1015 GMT",
        "1015Z",
        "10:15 utc",
        "today 1015",
        "1015 20 Dec",
        "20 Dec 1015",
        "Dec 20 1015",
        "1015, 20 December",
        "1015 20 December 2026",
        "20 Dec 2026 10:15",
        "1015 20th dec.",
        "2026-12-20 10:15",
        "2026-12-20T10:15Z",
        "  1015   20  Dec ",
    ],
)
def test_one_minute_is_written_in_many_ways(text: str):
    assert parse_time(text, NOW) == at(2026, 12, 20, 10, 15)


def test_a_time_alone_is_of_today_even_when_it_is_still_to_come():
    assert parse_time("2310", NOW) == at(2026, 12, 20, 23, 10)


def test_words_name_the_days_around():
    assert parse_time("yesterday 2310", NOW) == at(2026, 12, 19, 23, 10)
    assert parse_time("0600 tomorrow", NOW) == at(2026, 12, 21, 6, 0)


@pytest.mark.parametrize(
    ("now", "text", "year"),
    [
        (at(2027, 1, 1, 0, 5), "2355 31 Dec", 2026),
        (at(2026, 12, 31, 23, 50), "0010 1 Jan", 2027),
        (at(2026, 6, 1, 12, 0), "0900 20 May", 2026),
        (at(2027, 3, 1, 12, 0), "1200 29 Feb", 2028),
    ],
)
def test_a_day_without_a_year_is_the_nearest_one(now: datetime, text: str, year: int):
    found = parse_time(text, now)
    assert found is not None
    assert found.year == year


def test_early_hours_are_read_with_one_digit():
    assert parse_time("9:05", NOW) == at(2026, 12, 20, 9, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2560", "There is no 25:60"),
        ("1015 31 November", "There is no 31 November."),
        ("1015 20 Brumaire", "is no month"),
        ("915", "is no time"),
        ("soon", "is no time"),
        ("10:15 pm", "is no time"),
        ("1015 +0200", "is no time"),
        ("1015 CET", "is no time"),
        ("20/12 1015", "is no time"),
        ("٠٩١٠", "is no time"),
        ("1015 20 Dec 1015", "too long ago"),
        ("2026-13-01 1015", "There is no 1 month 13."),
    ],
)
def test_what_cannot_be_understood_is_said_in_a_sentence(text: str, words: str):
    with pytest.raises(TimeError) as refusal:
        parse_time(text, NOW)
    assert words in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_year_is_not_mistaken_for_the_time():
    with pytest.raises(TimeError, match="Is 2026 the year"):
        parse_time("20 Dec 2026", NOW)
    assert parse_time("20:26 20 Dec", NOW) == at(2026, 12, 20, 20, 26)


def test_the_field_shows_what_it_reads_back():
    moment = at(2025, 2, 28, 6, 7)
    assert parse_time(format_typed(moment), NOW) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Now: the minute in which it is published."),
        ("1015", "Dated 1015 GMT today."),
        ("2310", "Scheduled for 2310 GMT today."),
        ("0600 tomorrow", "Scheduled for 0600 GMT tomorrow."),
        ("1015 24 Dec", "Scheduled for 1015 GMT, 24 December."),
        ("1015 2 Jan", "Scheduled for 1015 GMT, 2 January 2027."),
        ("0110", "Dated 0110 GMT today, 16 hours ago."),
        ("1015 10 Dec", "Dated 1015 GMT, 10 December, 10 days ago."),
    ],
)
def test_the_echo_says_what_it_means(text: str, words: str):
    assert describe_time(parse_time(text, NOW), NOW) == words


def test_seconds_of_the_clock_do_not_matter():
    found = time_input.parse_time("1015", NOW)
    assert found is not None
    assert (found.second, found.microsecond) == (0, 0)
