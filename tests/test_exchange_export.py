"""The command `export_story`: the text form, and a self-contained page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError

from entries import verbs
from entries.models import Entry, Story
from tests.builders import gmt, make_original, make_story, make_update
from tests.test_exchange_json import SECRETS, full_story
from tests.test_exchange_reading import PAGE
from tests.test_import_story import Ran, write

pytestmark = pytest.mark.django_db


def text_of(slug: str) -> str:
    return Ran("export_story", slug, "--format", "text").out


def bodies(story: Story) -> list[tuple[str, str, str]]:
    return [
        (f"{entry.at}", entry.headline, entry.body)
        for entry in story.entries.order_by("pk")
    ]


# --- Text


def test_an_exported_page_is_in_the_form_it_was_imported_from(tmp_path: Path):
    path = write(tmp_path, PAGE)
    Ran("import_story", path, "--date", "2026-03-14", "--slug", "fog", "--publish")
    text = text_of("fog")
    head, _, page = text.partition("\n\n\n")
    state = "STATE: closed 2026-03-14 1800 GMT"
    assert head == f"HEADLINE: Page\nDATE: 2026-03-14\n{state}"
    assert page == PAGE.replace("LATEST\n\n\n", "")


def test_a_text_export_imports_as_the_same_story(tmp_path: Path):
    path = write(tmp_path, PAGE)
    options = ["--date", "2026-03-14", "--series", "Sorrava Daily", "--headline", "Fog"]
    Ran("import_story", path, *options, "--publish")
    again = write(tmp_path, text_of("fog"), "again.txt")
    Ran("import_story", again, "--publish", "--slug", "again")
    first, second = Story.objects.order_by("pk")
    assert bodies(second) == bodies(first)
    assert (second.headline, second.series) == (first.headline, first.series)
    assert second.first_day == first.first_day
    assert text_of("again") == text_of("fog")


def test_a_text_export_over_several_days_keeps_its_days(tmp_path: Path):
    story = make_story("Fog")
    for at in (
        gmt("0900"),
        gmt("2350"),
        gmt("0015", gmt("0000").replace(day=17).date()),
    ):
        make_update(story, "Fog.", at=at)
    text = text_of("fog")
    assert "UPDATE 0015 GMT, 17 March: Fog." in text
    Ran("import_story", write(tmp_path, text), "--slug", "again")
    again = Story.objects.get(slug="again")
    assert [b[0] for b in bodies(again)] == [b[0] for b in bodies(story)]


def test_a_text_export_has_what_the_page_shows_below_an_entry():
    story, other = make_story("Fog"), make_story("Lamps", series="Harbour Wire")
    entry = make_update(story, "The fog lifts.")
    verbs.add_link("see", entry=entry, target_story=other)
    verbs.cross_post(make_update(other, "The lamps burn.", at="1100"), story)
    text = text_of("fog")
    assert "The fog lifts.\n\nSee Harbour Wire: Lamps\n" in text
    assert "The lamps burn.\n\n(Cross-posted from Harbour Wire)\n" in text


@pytest.mark.parametrize(
    "body",
    [
        "Some **bold** words and [a link](https://a.example/b).",
        "* one\n* two\n\n1. one\n2. two",
        "> quoted\n\n```\ncode\n\n\nUPDATE 1800 GMT: no update\n```\n\nMore.",
        "UPDATE 1800 GMT: this is text.",
        "So.\n\nORIGINAL ENTRY: this is text.",
        "\\UPDATE 1800 GMT: text with a sign before it.",
        "### small heading, not in capitals.\n\nText.",
        "PHOTO: text\n\nLATEST\n\nquay",
        "Fog.\n\n\n\nMany gaps.",
        "  - nested\n    - deeper",
        "a | b\n--|--\n1 | 2",
    ],
)
def test_markup_survives_in_a_text_that_declares_it(tmp_path: Path, body: str):
    story = make_story("Fog")
    make_original(story, "It *began*.")
    make_update(story, body, headline="With a headline")
    text = text_of("fog")
    assert "MARKUP: Markdown" in text
    Ran("import_story", write(tmp_path, text), "--slug", "again", "--publish")
    again = Story.objects.get(slug="again")
    assert bodies(again) == bodies(story)
    html = list(story.entries.order_by("pk").values_list("html", flat=True))
    assert list(again.entries.order_by("pk").values_list("html", flat=True)) == html


def test_a_text_export_has_published_text_and_lists_what_it_omits(tmp_path: Path):
    full_story(tmp_path / "in")
    ran = Ran("export_story", "fog", "--format", "text")
    for word in SECRETS:
        assert f"SECRET {word}" not in ran.out
    assert "4 unpublished" in ran.err
    assert "JSON keeps all" in ran.err


def test_a_full_story_survives_as_text(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = write(tmp_path, text_of("fog"))
    Ran("import_story", path, "--slug", "again", "--publish")
    again = Story.objects.get(slug="again")
    assert again.standfirst == story.standfirst
    assert again.summary == story.summary
    assert again.language == "de"
    assert text_of("again") == text_of("fog")


def test_a_draft_story_can_be_written_as_text():
    story = make_story("Fog", live=False)
    make_original(story, "It began.")
    assert "ORIGINAL ENTRY: It began.\n" in text_of("fog")


# --- The page


def page_of(slug: str, folder: Path) -> str:
    path = folder / "page.html"
    Ran("export_story", slug, "--format", "html", "--output", path)
    return path.read_text(encoding="utf-8")


def test_an_html_export_needs_no_other_file(tmp_path: Path):
    full_story(tmp_path / "in")
    html = page_of("fog", tmp_path)
    assert not re.search(r"""(?:src|srcset)=["'](?!data:)""", html)
    assert not re.search(r"<(?:script|link|iframe|source)\b|@import|url\(", html)
    assert html.count('src="data:image/jpeg;base64,') == 2
    assert '="/' not in html


def test_an_html_export_shows_published_updates_newest_first(tmp_path: Path):
    full_story(tmp_path / "in")
    html = page_of("fog", tmp_path)
    shown = ["The picture will come.", "The lamps burn.", "One ferry waits.", "How it"]
    places = [html.rindex(each) for each in shown]
    assert places == sorted(places)
    for word in SECRETS:
        assert f"SECRET {word}" not in html
    assert '<html lang="de"' in html


def test_links_of_an_html_export_point_to_the_site(tmp_path: Path):
    full_story(tmp_path / "in")
    html = page_of("fog", tmp_path)
    assert f'href="{settings.SITE_URL}/stories/lamps-lit/"' in html
    entry = Entry.objects.get(body__startswith="One ferry waits.")
    assert f'href="#entry-{entry.pk}"' in html
    assert 'href="https://a.example"' in html


def test_text_that_looks_like_a_tag_stays_text(tmp_path: Path):
    make_update(make_story("Fog"), 'An <img src="/pictures/x"> and src="/pictures/y"')
    html = page_of("fog", tmp_path)
    assert "&lt;img src=" in html
    assert 'src="/pictures/y"' in html


def test_a_draft_story_can_be_exported_as_html(tmp_path: Path):
    story = make_story("Fog", live=False)
    make_update(story, "The fog lifts.")
    assert "The fog lifts." in page_of("fog", tmp_path)


def test_an_image_without_its_file_does_not_break_the_export(tmp_path: Path):
    full_story(tmp_path / "in")
    for path in settings.IMAGES_DIR.rglob("*.jpg"):
        path.unlink()
    assert 'src="data:,"' in page_of("fog", tmp_path)


# --- The command


def test_a_former_slug_names_the_story():
    story = make_story("Fog", slug="old")
    verbs.edit_story(story, slug="new")
    assert '"slug": "new"' in Ran("export_story", "old").out


def test_an_unknown_slug_is_an_error_with_a_message():
    with pytest.raises(CommandError, match="no story “fog”") as caught:
        Ran("export_story", "fog")
    assert caught.value.returncode == 1


def test_an_unwritable_file_is_named(tmp_path: Path):
    make_story("Fog")
    with pytest.raises(CommandError, match="cannot be written"):
        Ran("export_story", "fog", "--output", tmp_path)
