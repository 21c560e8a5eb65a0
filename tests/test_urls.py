"""URLs: safe ones, bare ones in text, slugs, and names for posts and videos."""

from __future__ import annotations

from typing import Any

import pytest

from entries.text.rendering import plain_text, render
from entries.text.urls import is_safe, platform_label, slug, without_punctuation
from tests.attacks import SCRIPT_ADDRESSES


def linked(body: str) -> list[str]:
    return [part.split('"')[0] for part in render(body).split('<a href="')[1:]]


@pytest.mark.parametrize(
    "address",
    [
        "https://harbour.example",
        "http://harbour.example:8080/a?b=c&d=%20#e",
        "HTTPS://Harbour.Example/",
        "https://hafen.example/straße/ñ/港",
        "https://[2001:db8::1]/",
        "mailto:desk@harbour.example?subject=Fog",
    ],
)
def test_web_and_mail_addresses_are_safe(address: str) -> None:
    assert is_safe(address)


@pytest.mark.parametrize("address", SCRIPT_ADDRESSES)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_safe(address)


@pytest.mark.parametrize(
    ("body", "address"),
    [
        ("See https://harbour.example/fog.", "https://harbour.example/fog"),
        ("(https://harbour.example/fog)", "https://harbour.example/fog"),
        ("https://harbour.example/Fog_(2026)?", "https://harbour.example/Fog_(2026)"),
        ("“https://harbour.example/fog”", "https://harbour.example/fog"),
        ("**https://harbour.example/fog**", "https://harbour.example/fog"),
        ("<https://harbour.example/fog>", "https://harbour.example/fog"),
        ("https://harbour.example/a_b_c*d", "https://harbour.example/a_b_c*d"),
        ("https://harbour.example/?a=1&b=2", "https://harbour.example/?a=1&amp;b=2"),
        ("انظر https://harbour.example/fog، ثم", "https://harbour.example/fog"),
        ("参见https://harbour.example/fog。", "https://harbour.example/fog"),
        ("\u200fhttps://harbour.example/fog\u200e", "https://harbour.example/fog"),
        ("HTTP://harbour.example!", "HTTP://harbour.example"),
        *(
            (f"https://harbour.example/{path}{end}", f"https://harbour.example/{path}")
            for path, end in (
                *(
                    ("समाचार", "।"),
                    ("সংবাদ", "॥"),
                    ("خبر", "؟"),
                    ("خبر", "۔"),
                    ("خبر", "؛"),
                ),
                *(
                    ("港", "。"),
                    ("港", "、"),
                    ("港", "」と"),
                    ("港", "）"),
                    ("港", "！"),
                    ("港", "…"),
                ),
                *(
                    ("fog", "．"),
                    ("fog", "，"),
                    ("fog", "＞"),
                    ("fog", "｡"),
                    ("fog", "﹂"),
                ),
                *(("նոր", "։"), ("նոր", "՝"), ("ዜና", "።"), ("ዜና", "፣"), ("ព័ត៌មាន", "។")),
                *(
                    ("ข่าว", "๛"),
                    ("ข่าว", "๚"),
                    ("သတင်း", "။"),
                    ("သတင်း", "၊"),
                    ("གསར", "།"),
                ),
                *(
                    ("ᠮᠣᠩ", "᠃"),
                    ("חדשות", "׃"),
                    ("fog", "”"),
                    ("fog", "‹"),
                    ("fog", "』"),
                ),
                *(
                    ("fog", "⟩"),
                    ("fog", "〉"),
                    ("fog", "—and"),
                    ("fog", "–"),
                    ("fog", "･"),
                ),
                *(
                    ("fog", "\u3000x"),
                    ("fog", "\u2069"),
                    ("fog", "\u200d"),
                    ("fog", "⹁"),
                ),
                *(
                    ("fog", "⁇"),
                    ("fog", "¿"),
                    ("fog", "§"),
                    ("fog", "\u1805"),
                    ("خبر", "٪"),
                ),
            )
        ),
        *(
            (f"«https://harbour.example/{path}»", f"https://harbour.example/{path}")
            for path in (
                *("佐々木", "レオナルド・ダ・ヴィンチ", "ケーキ", "〇八", "ᄒᆞᆫ"),
                *("می\u200cخواهم", "क्\u200dष", "हिन्दी", "ข่าวๆ", "ព័ត៌មានៗ", "ฯลฯ"),
                *("col·legi", "Michelson–Morley", "צה״ל", "תל־אביב", "བོད་ཡིག", "naïve"),
                *("nai\u0308ve", "straße?q=ü&x=١#ñ", "🔥", "Ⅳ", "x½", "№5", "５人"),
            )
        ),
    ],
)
def test_a_bare_url_becomes_a_link_without_trailing_punctuation(
    body: str, address: str
) -> None:
    assert linked(body) == [address.replace("&x", "&amp;x")]


def test_a_full_stop_between_two_urls_belongs_to_neither() -> None:
    body = "参见https://a.example/港。https://b.example/؛https://c.example।"

    assert linked(body) == [
        *("https://a.example/港", "https://b.example/", "https://c.example"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "`https://harbour.example`",
        "```\nhttps://harbour.example\n```",
        "harbour.example and www.harbour.example",
        "xhttps://harbour.example",
        "desk@harbour.example",
        "https:// and http://?",
        "ftp://harbour.example",
    ],
)
def test_other_text_does_not(body: str) -> None:
    assert linked(body) == []


def test_links_are_not_nested() -> None:
    body = "[see https://harbour.example/a and](https://harbour.example/b)"

    assert linked(body) == ["https://harbour.example/b"]
    assert plain_text(render(body)) == "see https://harbour.example/a and"


def test_many_trailing_brackets_are_removed_quickly() -> None:
    assert without_punctuation("https://a.example" + ")" * 20_000) == (
        "https://a.example"
    )


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://x.com/harbour/status/12?s=20", "Post on x.com"),
        ("https://www.twitter.com/harbour/status/12", "Post on twitter.com"),
        ("https://bsky.app/profile/harbour.example/post/3k", "Post on bsky.app"),
        ("https://t.me/harbour/12", "Post on t.me"),
        ("https://social.example/@harbour/112", "Post on social.example"),
        ("https://www.instagram.com/p/abc/", "Post on instagram.com"),
        ("https://www.instagram.com/reel/abc/", "Video on instagram.com"),
        ("https://m.youtube.com/watch?v=abc", "Video on youtube.com"),
        ("https://youtu.be/abc", "Video on youtu.be"),
        ("https://www.tiktok.com/@harbour/video/12", "Video on tiktok.com"),
    ],
)
def test_a_post_or_video_alone_in_its_paragraph_is_named_by_its_site(
    address: str, name: str
) -> None:
    shown = render(f"Before.\n\n{address}\n\nAfter.")

    assert plain_text(shown) == f"Before.\n{name}\nAfter."
    assert f'href="{address}"' in shown


@pytest.mark.parametrize(
    "address",
    [
        "https://x.com/harbour",
        "https://www.youtube.com/",
        "https://harbour.example/x.com/harbour/status/12",
        "https://x.com.evil.example/harbour/status/12",
        "https://x.com@evil.example/harbour/status/12",
        "https://evil.example\\@x.com/harbour/status/12",
        "https://notx.com/harbour/status/12",
        "javascript://x.com/harbour/status/12",
    ],
)
def test_other_urls_are_not_named_by_their_site(address: str) -> None:
    assert platform_label(address) is None
    assert plain_text(render(address)) == address


def test_a_url_in_a_sentence_is_unchanged() -> None:
    body = "See https://x.com/harbour/status/12"

    assert plain_text(render(body)) == body


@pytest.mark.parametrize(
    ("headline", "found"),
    [
        ("Fog closes the harbour", "fog-closes-the-harbour"),
        ("Straße gesperrt", "strasse-gesperrt"),
        ("COVID-19 & après", "covid-19-apres"),
        ("L’Aquila", "laquila"),
        ("L'Aquila", "laquila"),
        ("Rain—again… “now”", "rain-again-now"),
        ("Hà Nội", "ha-noi"),
        ("Ha\u0300 No\u0323\u0302i", "ha-noi"),
        ("İstanbul’da ırmak taştı", "istanbulda-irmak-tasti"),
        ("Øresund: Ærø", "oresund-aero"),
        ("Пожар в Москве", "pozhar-v-moskve"),
        ("Ελλάδα: φωτιά", "ellada-fotia"),
        ("दिल्ली में बारिश", "dilli-mem-baris"),
        ("زلزال في المغرب ٢٠٢٦", "zlzl-fy-lmghrb-2026"),
        ("上海港口", "shang-hai-gang-kou"),
        ("COVID感染１５人", "covid-gan-ran-15-ren"),
        ("서울 지진", "seoul-jijin"),
        ("Pożar ₁₂", "pozar-12"),
        ("🔥 Fire in Skerrin 🏠", "fire-in-skerrin"),
        ("🌋", "volcano"),
        ("½ price", "1-2-price"),
        ("\u200fעיר\u200e", "yr"),
        ("a\u00adb\u200bc", "abc"),
        ("", ""),
        ("?! —", ""),
    ],
)
def test_a_headline_in_any_script_becomes_a_readable_slug(
    headline: str, found: str
) -> None:
    assert slug(headline) == found


def test_german_names_its_dots() -> None:
    assert slug("Öl über Köln", language="de-AT") == "oel-ueber-koeln"
    assert slug("O\u0308l u\u0308ber", language="de") == "oel-ueber"
    assert slug("Öl över Kiruna", language="sv") == "ol-over-kiruna"
    assert slug("Müller") == "muller"


def test_names_follow_the_language_of_the_site(settings: Any) -> None:
    settings.SITE_LANGUAGE = "de"
    assert slug("Jörg Müller") == "joerg-mueller"
    assert slug("Naïve Müller", language="fr") == "naive-muller"


def test_a_long_slug_ends_with_a_word() -> None:
    assert slug("one two three", 9) == "one-two"
    assert slug("one two three", 7) == "one-two"
    assert slug("one two three", 3) == "one"
    assert slug("onetwothree", 5) == "onetw"
    assert len(slug("地震" * 200)) <= 100
