"""What editors type comes out as typed wherever it is shown, sent or saved."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from django.urls import reverse

from entries.models import Story
from entries.text.rendering import one_line, plain_text, render, tidy
from tests.builders import make_story, make_update, signed_in
from tests.test_import_story import Ran, write

ADDRESSES = [
    "https://shop.example/?id=1&gtin=5",
    "https://shop.example/?q=1&quote=a&quot=b",
    "https://shop.example/?a&lt=1&ltcc=2&gt=3&GT=4",
    "https://shop.example/?a&nbsp=2&shy=1&copy=3&reg=4&para=5&sect=6&not=7&times=8",
    "https://shop.example/?a&amp;b=1&amp=2&ampere=3",
    "https://shop.example/?a&#38;b&#x3c=1&lt;b&gt;c&quot;d&colon;e&NewLine;f&Tab;g",
    "https://shop.example/a_b_c/*d*?x=__y__&z=~~w~~1",
    "mailto:desk@shop.example?subject=a&body=b&gtin=c",
]
WEB = [address for address in ADDRESSES if address.startswith("http")]
SEPARATORS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\r", "\r\n"]
_HREF = re.compile(r'href="([^"]*)"')


def hrefs(markup: str) -> list[str]:
    return [html.unescape(found) for found in _HREF.findall(markup)]


# Addresses


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "form",
    [
        "Read [the notice]({}).",
        '[the notice]({} "A title")',
        "![the notice]({})",
        "[the **notice**]({})",
        "| a | b |\n|---|---|\n| [c]({}) | d |",
        "- [a]({})\n- b",
        "> [a]({})",
        "# [a]({})",
    ],
)
def test_the_url_of_a_link_is_the_one_typed(address: str, form: str) -> None:
    assert hrefs(render(form.format(address))) == [address]


@pytest.mark.parametrize("address", WEB)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "See {} and more.",
        "({})",
        "<{}>",
        "**{}**",
        "| a | b |\n|---|---|\n| {} | d |",
        "1. {}\n2. b",
        "> {}",
    ],
)
def test_a_bare_url_is_the_one_typed(address: str, form: str) -> None:
    shown = render(form.format(address))
    assert hrefs(shown) == [address]
    assert address in plain_text(shown)


def test_a_url_in_angle_brackets_keeps_its_last_character() -> None:
    address = "https://shop.example/?q=what%20now?&x=&lt;"
    assert hrefs(render(f"<{address}>")) == [address]


@pytest.mark.django_db
def test_urls_are_the_same_in_every_export_and_import(tmp_path: Path) -> None:
    story = make_story("Fog")
    links = [f"[link {n}]({address})" for n, address in enumerate(ADDRESSES)]
    entry = make_update(story, "\n\n".join([*links, *WEB]))
    wanted = [*ADDRESSES, *WEB]

    def kept(markup: str) -> list[str]:
        return [found for found in hrefs(markup) if "shop.example" in found]

    client = Client()
    page = story.get_absolute_url()
    assert kept(client.get(page).content.decode()) == wanted
    feed = ET.fromstring(client.get(f"{page}feed/").content)
    content = feed.findtext(".//{*}entry/{*}content") or ""
    assert kept(content) == wanted
    assert kept(client.get(f"{page}updates/{entry.pk}/").content.decode()) == wanted
    for form in ("text", "json"):
        exported = Ran("export_story", story.slug, "--format", form).out
        path = write(tmp_path, exported, f"again.{form}")
        Ran("import_story", path, "--publish", "--slug", f"again-{form}")
        again = Story.objects.get(slug=f"again-{form}")
        assert again.entries.get().body == entry.body
        assert kept(again.entries.get().html) == wanted
    exported = Ran("export_story", story.slug, "--format", "html").out
    assert kept(exported) == wanted


@pytest.mark.django_db
def test_urls_are_the_same_in_the_preview(story: Story) -> None:
    client = signed_in("editor", "Editors")
    url = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": "preview", "body": "\n\n".join(WEB)}
    document = client.post(url, data, headers={"HX-Request": "true"}).content.decode()
    assert [a for a in hrefs(html.unescape(document)) if "shop" in a] == WEB


# Prose


@pytest.mark.parametrize(
    "text",
    [
        "* Not her real name.",
        "*  Not her real name.\nShe lives in Saltgate.",
        "> 50% of votes",
        "> 50% for Ada\n> 40% for Ilse",
        "Turnout:\n> 50% in the north",
        "> $5m, > €5m, > 5",
        "> US$ 5m in losses",
        "> -5 degrees",
        "> ٥٠ people",
        ">= 3, >50, > .5",
        ">:( and >_< and >.<",
        ">",
        ">>>",
        "+ 3",
        "+ 3 in the sun\n- 5 in the shade",
        "- 5 degrees overnight",
        "- Where is she? asked Ilse.",
        "– Where is she?",
        "* One note.\n\nA paragraph.\n\n* Another note.",
        "* One note.\n- Minus one.",
        "- - -x",
        "1. FC Köln win",
        "2016. It was a year",
        "#1 and #hashtag",
        "#",
        "Fog\n===\nMist\n---",
        "~ 5, ~~ 6 ~~",
        "| what he said",
        "Ends with a backslash\\",
        "5 * 3 * 2 and 5*3*2",
        "snake_case_name",
        "<3 and a < b > c and :) and :-* and ;_; and ^_^",
        "¯\\_(ツ)_/¯",
        "Name: ____ Date: ____",
        "-> and <- and => and >->",
    ],
)
def test_prose_keeps_every_character(text: str) -> None:
    assert plain_text(render(text)).split() == text.split()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("* a\n* b", "<ul><li>a</li><li>b</li></ul>"),
        ("+ a\n+ b", "<ul><li>a</li><li>b</li></ul>"),
        ("- 5 dead\n- 12 hurt", "<ul><li>5 dead</li><li>12 hurt</li></ul>"),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
        ("- a\n    - b", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("- a\n    + b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        (
            "- a\n- b\n\n* Not her name.",
            "<ul><li>a</li><li>b</li></ul>\n<p>* Not her name.</p>",
        ),
        (
            "- a\n- b\n\n- c",
            "<ul><li>a</li><li><p>b</p></li><li><p>c</p></li></ul>",
        ),
        ("> She said no.", "<blockquote><p>She said no.</p></blockquote>"),
        (">She said no.", "<blockquote><p>She said no.</p></blockquote>"),
        ("> “50 of us”", "<blockquote><p>“50 of us”</p></blockquote>"),
        (
            "> 50 people were\n> on board",
            "<blockquote><p>50 people were<br>on board</p></blockquote>",
        ),
        ("> …and left", "<blockquote><p>…and left</p></blockquote>"),
        ("> — Ilse", "<blockquote><p>— Ilse</p></blockquote>"),
        ("> > no", "<blockquote><blockquote><p>no</p></blockquote></blockquote>"),
        (
            "> 1. a\n> 2. b",
            "<blockquote><ol><li>a</li><li>b</li></ol></blockquote>",
        ),
    ],
)
def test_lists_and_quotations_are_still_rendered(body: str, shown: str) -> None:
    assert render(body) == shown


# Separators and marks that nobody sees


@pytest.mark.parametrize("separator", SEPARATORS)
def test_every_separator_is_a_line_break(separator: str) -> None:
    assert render(f"Fog{separator}mist") == "<p>Fog<br>mist</p>"
    assert one_line(f"Fog{separator}mist") == "Fog mist"


def test_a_byte_order_mark_is_removed() -> None:
    assert tidy("\ufeff- a\n- b") == "- a\n- b"
    assert one_line("Fog\ufeff") == "Fog"


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("\u202eFog", "\u202eFog\u202c"),
        ("\u202aa \u202bb\u202c", "\u202aa \u202bb\u202c\u202c"),
        ("\u2067a \u202eb", "\u2067a \u202eb\u202c\u2069"),
        ("\u2067a \u202eb\u2069 c", "\u2067a \u202eb\u2069 c"),
        ("\u2068Fog\nMist", "\u2068Fog\u2069\nMist"),
        ("\u202c\u2069Fog", "\u202c\u2069Fog"),
        ("\u200fFog", "\u200fFog"),
    ],
)
def test_no_line_changes_the_direction_of_later_text(text: str, closed: str) -> None:
    assert tidy(text) == closed
    assert tidy(closed) == closed


def test_a_line_of_invisible_characters_is_empty() -> None:
    assert one_line("\u200b \u2060\ufeff\u00ad") == ""


@pytest.mark.django_db
def test_odd_separators_are_in_no_page_feed_or_file(story: Story) -> None:
    client = signed_in("editor", "Editors")
    url = reverse("admin:entries_story_change", args=[story.pk])
    data = {
        "key": str(uuid4()),
        "action": "publish",
        "headline": "Fog\u2028lifts\u2029now",
        "body": "Fog\u2028lifts\u2029now.",
    }
    client.post(url, data, headers={"HX-Request": "true"})
    entry = story.entries.get()
    assert entry.body == "Fog\nlifts\nnow."
    assert entry.headline == "Fog lifts now"
    page = story.get_absolute_url()
    for path in (page, f"{page}feed/", f"{page.rstrip('/')}.json"):
        shown = Client().get(path).content.decode()
        assert "lifts" in shown
        assert not re.search("[\u2028\u2029\x85]|\\\\u202[89]", shown)
    exported = Ran("export_story", story.slug, "--format", "json").out
    assert json.loads(exported)
    assert "\\u2028" not in exported


@pytest.mark.django_db
def test_an_update_of_invisible_characters_is_refused(story: Story) -> None:
    client = signed_in("editor", "Editors")
    url = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": "publish", "body": "\u200b\ufeff \u2060"}
    answer = client.post(url, data, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert not story.entries.exists()
