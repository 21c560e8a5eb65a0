"""Languages of stories: which are accepted, how they are written, their direction."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.models import Story
from entries.text.languages import LanguageError, canonical_tag, direction
from entries.verbs import Refused
from tests.builders import make_series, make_story, make_update, signed_in
from tests.test_exchange_reading import parsed
from tests.test_import_story import Ran, write

HTMX = {"HX-Request": "true"}
WRONG = ["english", "xx", "en-", "e", "en-US-US", "123", "x-house", "qaa", "en_", "e n"]


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("en", "en"),
        (" EN ", "en"),
        ("PT_br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("sr-latn", "sr-Latn"),
        ("ckb", "ckb"),
        ("ar-Latn", "ar-Latn"),
        ("ca-valencia", "ca-valencia"),
        ("eng", "en"),
        ("und", "und"),
    ],
)
def test_a_registered_language_is_normalized(typed: str, tag: str) -> None:
    assert canonical_tag(typed) == tag
    assert canonical_tag(tag) == tag


@pytest.mark.parametrize("typed", [*WRONG, "", "a" * 5000, "انگلیسی", "<b>", "en;q=1"])
def test_other_text_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(LanguageError, match=r"isn't a language code\. .*\ben\b"):
        canonical_tag(typed)


def test_the_name_of_a_language_suggests_its_code() -> None:
    with pytest.raises(LanguageError, match=r"Did you mean de \(German\)\?"):
        canonical_tag("Deutsch")


@pytest.mark.parametrize(
    ("tag", "way"),
    [
        *(
            (tag, "rtl")
            for tag in (
                "ar",
                "he",
                "fa",
                "ur",
                "ps",
                "sd",
                "ckb",
                "yi",
                "dv",
                "ug",
                "ks",
                "nqo",
                "syr",
            )
        ),
        *(
            (tag, "rtl")
            for tag in ("ar-EG", "az-Arab", "ku-Arab", "pa-PK", "ff-Adlm", "iw", "ji")
        ),
        *(
            (tag, "ltr")
            for tag in (
                "en",
                "ar-Latn",
                "he-Latn",
                "pa",
                "az",
                "ku",
                "sd-Deva",
                "ha",
                "zh",
            )
        ),
        *((tag, "ltr") for tag in ("english", "", "dvd", "-", "\x00")),
        ("ar-nonsense-and-more", "rtl"),
    ],
)
def test_the_direction_is_that_of_the_script(tag: str, way: str) -> None:
    assert direction(tag) == way


# Every way in


@pytest.mark.django_db
@pytest.mark.parametrize("language", WRONG)
def test_verbs_refuse_other_languages(story: Story, language: str) -> None:
    for act in (
        lambda: verbs.create_story("Mist", language=language),
        lambda: verbs.edit_story(story, language=language),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.field == "language"
        assert "isn't a language code" in str(refused.value)


@pytest.mark.django_db
def test_a_verb_saves_the_normalized_language() -> None:
    assert verbs.create_story("Mist", language="PT_br").language == "pt-BR"


def details(client: Client, story: Story, **changes: str) -> Any:
    url = reverse("admin:entries_story_details", args=[story.pk])
    data = {
        "headline": story.headline,
        "slug": story.slug,
        "language": story.language,
        "initial-language": story.language,
        "version": story.version,
    }
    return client.post(url, data | changes)


@pytest.mark.django_db
def test_the_details_of_a_story_refuse_other_languages(story: Story) -> None:
    client = signed_in("editor", "Editors")
    wrong = html.unescape(details(client, story, language="english").content.decode())
    assert "“english” isn't a language code. Did you mean en (English)?" in wrong
    story.refresh_from_db()
    assert story.language == "en"
    details(client, story, language="pt_br")
    story.refresh_from_db()
    assert story.language == "pt-BR"


@pytest.mark.django_db
def test_a_story_with_an_old_language_stays_readable_and_editable(story: Story) -> None:
    make_update(story, "Fog.")
    Story.objects.filter(pk=story.pk).update(language="english")
    story.refresh_from_db()
    page = story.get_absolute_url()
    for path in (page, f"{page}feed/", f"{page.rstrip('/')}.json"):
        assert Client().get(path).status_code == 200
    assert Ran("export_story", story.slug, "--format", "json").out
    client = signed_in("editor", "Editors")
    assert details(client, story, headline="Fog lifts").status_code == 302
    story.refresh_from_db()
    assert (story.headline, story.language) == ("Fog lifts", "english")


@pytest.mark.django_db
def test_a_json_file_with_another_language_is_refused(tmp_path: Path) -> None:
    story = make_story("Fog")
    make_update(story, "Fog.")
    data = json.loads(Ran("export_story", story.slug, "--format", "json").out)
    data["story"]["language"] = "english"
    path = write(tmp_path, json.dumps(data), "story.json")
    with pytest.raises(
        CommandError, match=r"story\.language: “english” isn't a language"
    ):
        Ran("import_story", path, "--slug", "again")
    data["story"]["language"] = "PT_br"
    path = write(tmp_path, json.dumps(data), "story.json")
    Ran("import_story", path, "--slug", "again")
    assert Story.objects.get(slug="again").language == "pt-BR"


def test_a_text_file_with_another_language_causes_a_warning() -> None:
    document = parsed("HEADLINE: Fog\nLANGUAGE: english\n\nUPDATE 1800 GMT: Fog.")
    assert document.language == ""
    (warning,) = (w for w in document.warnings if "language" in str(w))
    assert "Did you mean en (English)?" in str(warning)
    assert "LANGUAGE: english" in str(warning)
    document = parsed("HEADLINE: Fog\nLANGUAGE: pt_br\n\nUPDATE 1800 GMT: Fog.")
    assert document.language == "pt-BR"


@pytest.mark.django_db
def test_a_new_story_takes_its_language_from_the_form_or_its_series() -> None:
    client = signed_in("editor", "Editors")
    url = "/admin/entries/story/add/"
    wrong = client.post(url, {"headline": "Mist", "language": "arabic"})
    assert "Did you mean ar (Arabic)?" in wrong.content.decode()
    client.post(url, {"headline": "Mist", "language": "ar_eg"})
    assert Story.objects.get(headline="Mist").language == "ar-EG"
    series = make_series()
    make_story("Fog", series=series.name, language="fa")
    client.post(url, {"headline": "Rain", "series": series.pk})
    assert Story.objects.get(headline="Rain").language == "fa"
    client.post(url, {"headline": "Hail"})
    assert Story.objects.get(headline="Hail").language == "en"


@pytest.mark.django_db
def test_text_fields_have_the_language_of_the_story_and_controls_do_not() -> None:
    story = make_story("Fog", language="ckb")
    entry = make_update(story, "Fog.")
    client = signed_in("editor", "Editors")
    page = client.get(reverse("admin:entries_story_change", args=[story.pk]))
    edit = client.get(
        reverse("admin:entries_story_edit", args=[story.pk, entry.pk]), headers=HTMX
    )
    head = client.get(reverse("admin:entries_story_details", args=[story.pk]))

    def tag(html: str, start: str) -> str:
        (found,) = re.findall(rf"<{start}[^>]*>", html)
        return str(found)

    for response, start in (
        (page, 'textarea[^>]* id="composer-body"'),
        (page, 'input[^>]* id="composer-headline"'),
        (page, 'textarea[^>]* id="summary-body"'),
        (edit, f'textarea[^>]* id="edit-{entry.pk}-body"'),
        (edit, f'input[^>]* id="edit-{entry.pk}-correction"'),
        (head, 'input[^>]* name="headline"'),
        (head, 'textarea[^>]* name="summary"'),
    ):
        assert 'lang="ckb" dir="rtl"' in tag(response.content.decode(), start)
    assert "lang=" not in tag(page.content.decode(), 'input[^>]* id="composer-at"')
    url = reverse("admin:entries_story_change", args=[story.pk])
    data = {"key": str(uuid4()), "action": "preview", "body": "Fog."}
    preview = client.post(url, data, headers=HTMX).content.decode()
    assert '<html class="preview" lang="ckb" dir="rtl">' in html.unescape(preview)
