"""Times as editors type them: what is understood, and what is refused."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as site
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from entries.text import time_input
from entries.text.time_input import (
    TimeError,
    coming_time,
    describe_from_now,
    describe_time,
    format_typed,
    parse_time,
)
from tests.seeds import examples

NOW = datetime(2026, 12, 20, 18, 4, 30, tzinfo=UTC)


def at(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


# Minutes of the years 1905 to 9990.
MINUTES = st.integers(-34_000_000, 4_200_000_000).map(
    lambda minutes: at(1970, 1, 1, 0, 0) + timedelta(minutes=minutes)
)


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
        # As keyboards of many countries and scripts type them.
        *("10h15", "10 h 15", "10H15", "10h15 h", "10:15 h", "10.15 Uhr", "1015 Uhr"),
        *("10\u202fh\u202f15", "10\u00a0h\u00a015", "10\u202f:\u202f15", "10 : 15"),
        *("１０：１５", "１０１５", "１０．１５", "10︓15", "10∶15", "10꞉15", "10։15"),
        *("١٠:١٥", "١٠١٥", "١٠٫١٥", "۱۰:۱۵", "१०:१५", "১০:১৫", "๑๐.๑๕", "೧೦:೧೫"),
        *("\u200f١٠:١٥\u200f", "\u202a10:15\u202c", "\u206610:15\u2069", "\ufeff1015"),
        *("10:15\u200b", "1\u200d0:15", "10\u2060:15", "10:15\ufe0f"),
        *("10:15 am", "10:15 a.m.", "10:15 a.\u00a0m.", "10h15 am", "１０：１５ａｍ"),
        *("10:15 ㏂", "10:15 A M", "10:15am.", "10 : 15 AM"),
        *("1015، 20 Dec", "1015、20 Dec", "1015，20 Dec", "２０ Ｄｅｃ １０：１５"),
        *(
            "２０２６－１２－２０ １０：１５",
            "٢٠٢٦-١٢-٢٠ ١٠:١٥",
            "2026\u201112\u201120 1015",
        ),
        *("2026/12/20 10:15", "2026.12.20 10.15", "20 Dec ٢٠٢٦ 1015"),
        *("1015\u00a020\u00a0Dec", "1015\u300020\u3000Dec", "1015\u200920 Dec"),
    ],
)
def test_times_have_many_spellings(text: str):
    assert parse_time(text, NOW) == at(2026, 12, 20, 10, 15)


def test_a_time_without_a_day_is_today_even_if_it_is_in_the_future():
    assert parse_time("2310", NOW) == at(2026, 12, 20, 23, 10)


def test_yesterday_today_and_tomorrow_are_days():
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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", at(2026, 12, 20, 18, 4)),
        ("NOW GMT", at(2026, 12, 20, 18, 4)),
        *(
            (text, at(2026, 12, 20, 18, 14))
            for text in (
                *(
                    "+10",
                    "+ 10",
                    "+10m",
                    "+10 min",
                    "in 10 min",
                    "In 10 minutes",
                    "in 10",
                ),
                *("in 10 mins", "in 10min"),
            )
        ),
        *(
            (text, at(2026, 12, 20, 20, 4))
            for text in ("in 2 hours", "+2h", "in 2 hrs")
        ),
        *(
            (text, at(2026, 12, 20, 19, 34))
            for text in ("in 1 hour 30 min", "+1h30m", "in 1 hour and 30 minutes")
        ),
        ("in an hour", at(2026, 12, 20, 19, 4)),
        ("in half an hour", at(2026, 12, 20, 18, 34)),
        ("in 2 days", at(2026, 12, 22, 18, 4)),
        ("in 6 hours", at(2026, 12, 21, 0, 4)),
        ("10 min ago", at(2026, 12, 20, 17, 54)),
        ("-10", at(2026, 12, 20, 17, 54)),
        ("noon", at(2026, 12, 20, 12, 0)),
        ("at noon", at(2026, 12, 20, 12, 0)),
        ("midnight", at(2026, 12, 21, 0, 0)),
        ("tomorrow noon", at(2026, 12, 21, 12, 0)),
        ("noon tomorrow", at(2026, 12, 21, 12, 0)),
        ("9am", at(2026, 12, 20, 9, 0)),
        ("9 AM", at(2026, 12, 20, 9, 0)),
        ("905am", at(2026, 12, 20, 9, 5)),
        ("12am", at(2026, 12, 20, 0, 0)),
        ("12 pm", at(2026, 12, 20, 12, 0)),
        ("12.30am", at(2026, 12, 20, 0, 30)),
        *(
            (text, at(2026, 12, 20, 20, 5))
            for text in (
                "8.05pm",
                "8:05 p.m.",
                "8.05 pm",
                "2005",
                "20.05",
                "20:05",
                "2005h",
                "8:05 P.M. GMT",
            )
        ),
        *(
            (text, at(2026, 12, 25, 9, 0))
            for text in (
                "Fri 0900",
                "friday 9am",
                "9am on Friday",
                "Fri, 9 a.m.",
                "Friday at 09:00",
                "Fri 25 Dec 0900",
                "Friday 25 December, 0900 GMT",
            )
        ),
        ("Sunday 2310", at(2026, 12, 20, 23, 10)),
        ("Sat noon", at(2026, 12, 26, 12, 0)),
        ("20 Dec 10.15am", at(2026, 12, 20, 10, 15)),
    ],
)
def test_common_spellings_of_times_are_parsed(text: str, moment: datetime):
    assert parse_time(text, NOW) == moment


@pytest.mark.parametrize("text", ["+١٠", "＋１０", "\u200e+10", "in १० min", "⁺10"])
def test_relative_times_have_digits_of_any_script(text: str):
    assert parse_time(text, NOW) == at(2026, 12, 20, 18, 14)


@pytest.mark.parametrize("text", ["-۱۰", "−10", "–10", "－１０", "\u200f-10"])
def test_a_minus_may_be_any_dash(text: str):
    assert parse_time(text, NOW) == at(2026, 12, 20, 17, 54)


@pytest.mark.parametrize(
    "text", ["22h15", "22 h 15", "10:15 p. m.", "10.15 ｐｍ", "10:15㏘"]
)
def test_afternoon_has_many_spellings(text: str):
    assert parse_time(text, NOW) == at(2026, 12, 20, 22, 15)


@pytest.mark.parametrize(
    "text",
    [
        *("10h", "22 h", "10h5", "10-15", "10,15", "10٬15", "1h", "10:1", "10:155"),
        *("20.12.2026 1015", "12/20/2026 1015", "20-12-26 1015", "٢٠/١٢ ١٠١٥", "۹"),
    ],
)
def test_what_may_mean_two_times_is_refused(text: str):
    with pytest.raises(TimeError, match="Can't read"):
        parse_time(text, NOW)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(("de", text) for text in ("20. Dez. 1015", "1015, 20. Dezember")),
        *(("de", text) for text in ("So., 20. Dez. 2026, 10:15 Uhr", "So 1015")),
        *(("fr", text) for text in ("20 déc. 10h15", "dim. 20 décembre 2026 10 h 15")),
        ("fr", "20 DÉCEMBRE 1015"),
        ("es", "20 de diciembre de 2026 10:15"),
        *(("es", text) for text in ("10:15 a.\u00a0m. 20 dic", "domingo 20 dic 10.15")),
        *(("ar", text) for text in ("٢٠ ديسمبر ١٠:١٥", "١٠:١٥ ص")),
        *(("pt-br", text) for text in ("20 de dez. de 2026 10h15", "dom 10:15")),
        *(
            ("ru", text)
            for text in ("20 декабря 2026 10:15", "20 дек. 1015", "вс 1015")
        ),
        *(("uk", text) for text in ("20 грудня 10:15", "10:15 дп")),
        *(("tr", text) for text in ("20 Aralık 10.15", "10:15 ÖÖ")),
        *(("fa", text) for text in ("۲۰ دسامبر ۱۰:۱۵", "۱۰:۱۵ ق.ظ.")),
        *(("hi", text) for text in ("२० दिसंबर १०:१५", "20 दिस॰ 1015")),
        *(
            ("ja", text)
            for text in ("12月20日 10:15", "２０２６年１２月２０日１０時１５分")
        ),
        *(("ja", text) for text in ("午前10時15分", "日曜日 10:15")),
        *(
            ("zh-hans", text)
            for text in ("12月20日 上午10:15", "十二月 20 1015", "10点15分")
        ),
        *(("en", text) for text in ("12月20日 10:15", "2026년 12월 20일 10시 15분")),
        # English is understood in every language.
        *(
            ("de", text)
            for text in ("20 Dec 1015", "today 1015", "Sunday 20 December 1015")
        ),
        ("ar", "20 Dec 1015"),
    ],
)
def test_days_and_months_may_be_in_the_language_of_the_editor(language: str, text: str):
    with translation.override(language):
        assert parse_time(text, NOW) == at(2026, 12, 20, 10, 15)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "heute 1015"),
        ("fr", "aujourd’hui 10h15"),
        ("fr", "aujourd'hui 10h15"),
        ("es", "hoy 10:15"),
        ("ar", "اليوم ١٠١٥"),
    ],
)
def test_today_may_be_in_the_language_of_the_editor(language: str, text: str):
    with translation.override(language):
        assert parse_time(text, NOW) == at(2026, 12, 20, 10, 15)


@pytest.mark.parametrize("language", [code for code, _ in site.LANGUAGES])
@settings(max_examples=examples(30), deadline=None)
@given(moment=MINUTES)
def test_a_formatted_time_is_parsed_in_every_language(language: str, moment: datetime):
    with translation.override(language):
        assert parse_time(format_typed(moment), NOW) == moment


def test_a_name_that_is_another_month_in_english_is_not_guessed():
    with translation.override("fr"):
        assert parse_time("20 mar 1015", NOW) == at(2027, 3, 20, 10, 15)
        with pytest.raises(TimeError):
            parse_time("mar. 1015", NOW)


def test_midnight_is_the_nearest_one():
    assert parse_time("midnight", at(2026, 12, 20, 0, 5)) == at(2026, 12, 20, 0, 0)
    assert parse_time("midnight", at(2026, 12, 20, 12, 0)) == at(2026, 12, 21, 0, 0)


@pytest.mark.parametrize(
    ("text", "coming"),
    [
        ("0005", at(2026, 12, 21, 0, 5)),
        ("6am", at(2026, 12, 21, 6, 0)),
        ("0604", at(2026, 12, 21, 6, 4)),
        ("0605", None),
        ("2310", None),
        ("0005 today", None),
        ("0005 20 Dec", None),
        ("Sunday 0005", None),
        ("now", None),
        ("", None),
    ],
)
def test_a_bare_time_long_past_offers_the_coming_one(
    text: str, coming: datetime | None
):
    assert coming_time(text, NOW) == coming


WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "now + - in 10 2 999 9999 00 24 60 min h hours d ago an half noon midnight am "
        "pm a.m. p.m. 9 0900 9:5 8.05 today tomorrow fri friday dec 20 31 feb 0000 "
        "2026-12-20 2026-99-99 gmt z at on , . t : st 1st",
    )
)
TYPED = st.one_of(
    st.text(max_size=12),
    st.lists(WORDS, max_size=6).map(" ".join),
    st.lists(WORDS, max_size=4).map("".join),
)


@settings(max_examples=examples(300), deadline=None)
@given(TYPED, MINUTES)
def test_any_text_is_a_time_or_an_error_message(text: str, now: datetime):
    try:
        found = parse_time(text, now)
        coming_time(text, now)
    except TimeError as error:
        said = str(error)
    else:
        said = describe_time(found, now)
    assert said.endswith(".")


@settings(max_examples=examples(200), deadline=None)
@given(MINUTES, st.integers(-500_000, 500_000))
def test_a_formatted_time_is_parsed_again(now: datetime, minutes: int):
    moment = now + timedelta(minutes=minutes)
    assert parse_time(format_typed(moment), now) == moment
    told = describe_from_now(moment, now).rpartition(", ")[0]
    assert parse_time(told, now) == moment


def test_early_hours_may_have_one_digit():
    assert parse_time("9:05", NOW) == at(2026, 12, 20, 9, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2560", "25:60 isn't a valid time."),
        ("25:00", "25:00 isn't a valid time."),
        ("13pm", "13:00 pm isn't a valid time."),
        ("half past", "Can't read “half past” as a time. Try 1015, 10:15, +10 or"),
        ("1015 31 November", "There is no 31 November."),
        ("1015 20 Brumaire", "“brumaire” isn't a month."),
        ("Mon 20 Dec 1015", "20 December 2026 is a Sunday."),
        *(
            (text, f"Can't read “{text}” as a time.")
            for text in (
                *("915", "soon", "9", "1015 +0200", "1015 GMT+2", "GMT+2", "1015 CET"),
                *(
                    "20/12 1015",
                    "10 15",
                    "+",
                    "+0",
                    "+0200",
                    "in 9999 days",
                    "in",
                    "pm",
                ),
                *("Friday", "tomorrow", "fryday 0900", "next Friday 0900", "10 ago"),
            )
        ),
        ("1015 20 Dec 1015", "too long ago"),
        ("2026-13-01 1015", "There is no 1 month 13."),
    ],
)
def test_times_that_cannot_be_parsed_get_a_message(text: str, words: str):
    with pytest.raises(TimeError) as refusal:
        parse_time(text, NOW)
    assert words in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_year_is_not_mistaken_for_the_time():
    with pytest.raises(TimeError, match="Is 2026 the year"):
        parse_time("20 Dec 2026", NOW)
    assert parse_time("20:26 20 Dec", NOW) == at(2026, 12, 20, 20, 26)


def test_the_field_shows_a_time_that_it_can_parse():
    moment = at(2025, 2, 28, 6, 7)
    assert parse_time(format_typed(moment), NOW) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Stamped with the time you publish."),
        ("now", "Dated 1804 today, now."),
        ("1015", "Dated 1015 today, 7 hours ago."),
        ("1803", "Dated 1803 today, 1 min ago."),
        ("1704", "Dated 1704 today, 1 hour ago."),
        ("1650", "Dated 1650 today, 1 hour 14 min ago."),
        ("2310", "Scheduled for 2310 today, in 5 hours."),
        ("+10", "Scheduled for 1814 today, in 10 min."),
        ("0600 tomorrow", "Scheduled for 0600 tomorrow, in 11 hours."),
        ("1015 24 Dec", "Scheduled for Thursday 24 December, 1015 GMT, in 4 days."),
        (
            "1015 2 Jan",
            "Scheduled for Saturday 2 January 2027, 1015 GMT, in 13 days.",
        ),
        ("Fri 0900", "Scheduled for Friday 25 December, 0900 GMT, in 5 days."),
        ("0110", "Dated 0110 today, 16 hours ago."),
        ("2355 yesterday", "Dated 2355 yesterday, 18 hours ago."),
        ("1015 10 Dec", "Dated Thursday 10 December, 1015 GMT, 10 days ago."),
    ],
)
def test_the_hint_explains_the_time(text: str, words: str):
    assert describe_time(parse_time(text, NOW), NOW) == words


def test_seconds_of_the_clock_do_not_matter():
    found = time_input.parse_time("1015", NOW)
    assert found is not None
    assert (found.second, found.microsecond) == (0, 0)
