"""The rest of the admin: pictures, links, series, and lists."""

from __future__ import annotations

import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from PIL import Image as Pixels

from entries import verbs
from entries.models import Entry, Image, Link, Posting, Series, Site, Story
from entries.verbs import EntryText, Refused
from tests.builders import make_series, make_story, make_update, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    """Give a browser in which an editor is signed in."""
    return signed_in("editor", "Editors")


@pytest.fixture
def moderator() -> Client:
    return signed_in("moderator", "Moderators")


@pytest.fixture
def chief() -> Client:
    return signed_in("chief", chief=True)


def photo(name: str = "Harbour at dawn.jpg", colour: str = "teal") -> Any:
    buffer = BytesIO()
    Pixels.new("RGB", (64, 48), colour).save(buffer, "JPEG")
    return SimpleUploadedFile(name, buffer.getvalue(), "image/jpeg")


def upload(client: Client, story: Story, file: Any, **fields: str) -> Any:
    way = reverse("admin:entries_story_upload", args=[story.pk])
    return client.post(way, {"file": file} | fields, headers=HTMX)


def compose(client: Client, story: Story, body: str, **fields: Any) -> Any:
    way = f"/admin/entries/story/{story.pk}/change/"
    data = {"body": body, "action": "publish"} | fields
    return client.post(way, data, headers=HTMX)


def files() -> list[Path]:
    folder = Path(settings.IMAGES_DIR)
    return [path for path in folder.rglob("*") if path.is_file()]


HOSTILE = {
    "empty": b"",
    "text.jpg": b"no picture at all",
    "script.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
    "page.pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj",
    "post.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "page.html": b"<html><script>alert(1)</script></html>",
    "cut.jpg": photo().read()[:200],
}


# --- Pictures at the desk


def test_uploading_an_image_returns_a_card_with_its_name(client, story):
    answer = upload(client, story, photo())
    image = Image.objects.get()
    html = answer.content.decode()
    assert image.name == "harbour-at-dawn"
    assert 'data-name="harbour-at-dawn"' in html
    assert f'name="picture-{image.pk}-alt"' in html
    assert files()


def test_a_file_name_is_never_used_as_alt_text(client, story):
    upload(client, story, photo("DSC_0815.jpg"))
    assert Image.objects.get().alt == ""


def test_uploading_the_same_file_again_gives_the_same_image(client, story):
    upload(client, story, photo("one.jpg"))
    upload(client, story, photo("two.jpg"))
    assert Image.objects.get().name == "one"


def test_another_file_with_the_same_name_gets_a_new_name(client, story):
    upload(client, story, photo("fog.jpg", "teal"))
    upload(client, story, photo("fog.jpg", "navy"))
    assert set(Image.objects.values_list("name", flat=True)) == {"fog", "fog-2"}


def test_a_file_never_fills_the_missing_picture_of_another_story(client, story):
    Image.objects.create(name="fog")
    upload(client, story, photo("fog.jpg"))
    assert Image.objects.get(name="fog").missing
    assert not Image.objects.get(name="fog-2").missing


@pytest.mark.parametrize("missing", [True, False])
def test_the_first_of_two_files_gets_a_reserved_name(
    client, story, monkeypatch, missing: bool
):
    """Where the other comes between the looking up of a name and its lock."""
    if missing:
        Image.objects.create(name="fog", caption="Dawn")
    open_ledger, way = verbs.images.open_ledger, "/admin/entries/image/add/"

    def late(*stories: int, **more: Any) -> Any:
        monkeypatch.setattr(verbs.images, "open_ledger", open_ledger)
        Image.objects.filter(name="fog").update(alt="Boats")
        client.post(way, {"file": photo("one.jpg", "teal"), "name": "fog"})
        return open_ledger(*stories, **more)

    monkeypatch.setattr(verbs.images, "open_ledger", late)
    answer = client.post(way, {"file": photo("two.jpg", "navy"), "name": "fog"})
    assert "There is another picture named “fog”" in answer.content.decode()
    image = Image.objects.get()
    first = verbs.ingest_upload(photo("one.jpg", "teal"))
    assert (image.stem, image.alt) == (first.stem, "Boats" if missing else "")


def test_a_name_taken_in_the_meantime_is_replaced_by_the_next(
    client, story, monkeypatch
):
    open_ledger = verbs.images.open_ledger

    def late(*stories: int, **more: Any) -> Any:
        monkeypatch.setattr(verbs.images, "open_ledger", open_ledger)
        upload(client, story, photo("fog.jpg", "teal"))
        return open_ledger(*stories, **more)

    monkeypatch.setattr(verbs.images, "open_ledger", late)
    assert upload(client, story, photo("fog.jpg", "navy")).status_code == 200
    assert set(Image.objects.values_list("name", flat=True)) == {"fog", "fog-2"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_rejected_with_a_message(client, story, name: str):
    answer = upload(client, story, SimpleUploadedFile(name, HOSTILE[name]))
    assert answer.status_code in (400, 422)
    assert answer.content.decode().endswith(".")
    assert not Image.objects.exists()
    assert not files()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_form_error_in_the_admin(client, name: str):
    file = SimpleUploadedFile(name, HOSTILE[name])
    answer = client.post("/admin/entries/image/add/", {"file": file})
    assert answer.status_code == 200
    assert b'class="error"' in answer.content
    assert not Image.objects.exists()


def test_an_image_without_alt_text_prevents_publishing(client, story):
    upload(client, story, photo())
    answer = compose(client, story, "Look.\n\n![](image:harbour-at-dawn)")
    html = answer.content.decode()
    image = Image.objects.get()
    assert answer.status_code == 422
    assert not story.entries.exists()
    assert f'id="picture-{image.pk}-alt"' in html
    assert 'aria-invalid="true"' in html
    assert "Say what the picture shows" in html


def test_the_fields_of_a_card_are_saved_with_the_text(client, story):
    upload(client, story, photo())
    image = Image.objects.get()
    words = {
        "picture": str(image.pk),
        f"picture-{image.pk}-alt": "Boats in grey fog",
        f"picture-{image.pk}-caption": "The harbour at dawn",
        f"picture-{image.pk}-credit": "Ida Vell",
    }
    answer = compose(client, story, "![](image:harbour-at-dawn)", **words)
    assert answer.status_code == 200
    page = client.get(story.get_absolute_url()).content.decode()
    assert 'alt="Boats in grey fog"' in page
    assert "The harbour at dawn" in page
    assert "Ida Vell" in page


def test_an_image_can_be_marked_as_decorative(client, story):
    upload(client, story, photo())
    image = Image.objects.get()
    words = {"picture": str(image.pk), f"picture-{image.pk}-decorative": "on"}
    compose(client, story, "![](image:harbour-at-dawn)", **words)
    assert story.entries.get().published


def test_a_card_saves_its_fields_while_typing(client, story):
    upload(client, story, photo())
    image = Image.objects.get()
    way = reverse("admin:entries_story_words", args=[story.pk, image.pk])
    client.post(way, {f"picture-{image.pk}-alt": "Boats"}, headers=HTMX)
    image.refresh_from_db()
    assert image.alt == "Boats"


def test_an_older_card_saves_only_fields_that_were_changed_in_it(client, story):
    image = described(client, story)
    name = f"picture-{image.pk}"
    way = reverse("admin:entries_story_words", args=[story.pk, image.pk])
    page = client.get(
        reverse("admin:entries_story_pictures", args=[story.pk]), {"name": image.name}
    ).content.decode()
    hidden = r'type="hidden" name="([^"]+)" value="([^"]*)"'
    card = dict(re.findall(hidden, page)) | {f"{name}-alt": "Boats"}
    client.post(way, {f"{name}-alt": "Boats", f"{name}-caption": "Dawn"}, headers=HTMX)
    compose(client, story, f"![](image:{image.name})", **card)
    image.refresh_from_db()
    assert image.caption == "Dawn"
    answer = client.post(way, card | {f"{name}-alt": "Ships"}, headers=HTMX)
    card |= dict(re.findall(hidden, answer.content.decode()))
    client.post(way, card | {f"{name}-alt": "Boats"}, headers=HTMX)
    image.refresh_from_db()
    assert (image.alt, image.caption) == ("Boats", "Dawn")
    told = LogEntry.objects.filter(change_message="Changed its words.")
    assert told.count() == 1  # of all that was typed in one go


def test_concurrent_changes_of_other_fields_are_kept(client, story, monkeypatch):
    image = described(client, story)
    save = verbs.save_image

    def late(picture: Image, *words: Any, **more: Any) -> Image:
        Image.objects.filter(pk=image.pk).update(caption="Dawn")
        return save(picture, *words, **more)

    monkeypatch.setattr(verbs, "save_image", late)
    way = reverse("admin:entries_story_words", args=[story.pk, image.pk])
    client.post(way, {f"picture-{image.pk}-alt": "Ships"}, headers=HTMX)
    image.refresh_from_db()
    assert (image.alt, image.caption) == ("Ships", "Dawn")


def test_an_older_page_of_the_library_overwrites_nothing(client, story):
    image = described(client, story)
    way = reverse("admin:entries_image_change", args=[image.pk])
    page = client.get(way).content.decode()
    hidden = dict(re.findall(r'name="(\w+-shown)" value="([^"]*)"', page))
    Image.objects.filter(pk=image.pk).update(caption="Dawn")
    client.post(way, {**hidden, "alt": "Ships", "caption": "", "credit": ""})
    image.refresh_from_db()
    assert (image.alt, image.caption) == ("Ships", "Dawn")


def test_a_visible_image_cannot_lose_its_alt_text(client, story):
    image = described(client, story)
    way = reverse("admin:entries_story_words", args=[story.pk, image.pk])
    name = f"picture-{image.pk}-alt"
    emptied = {f"{name}-shown": "Boats", name: ""}
    answer = client.post(way, emptied, headers=HTMX)
    assert "Readers see this picture" in answer.content.decode()
    image.refresh_from_db()
    assert image.alt == "Boats"


def described(client: Client, story: Story) -> Image:
    """Return a picture with alt text that a published update shows."""
    upload(client, story, photo())
    image = Image.objects.get()
    image.alt = "Boats"
    verbs.save_image(image)
    make_update(story, f"![](image:{image.name})")
    return image


def without_script(client: Client, page: str, body: str, **data: Any) -> Any:
    """Press the button that adds a picture to a page's first form."""
    html = client.get(page).content.decode()
    [way] = set(re.findall(r'formaction="([^"]+)"', html))
    return client.post(way, {"body": body, **data}), way


def test_an_image_can_be_uploaded_without_javascript(client, story):
    page = f"/admin/entries/story/{story.pk}/change/"
    data = {"at": "08:15", "kind": "update", "file": photo()}
    answer, way = without_script(client, page, "Typed so far.", **data)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "Typed so far.\n\n![](image:harbour-at-dawn)" in html
    assert 'value="08:15"' in html
    assert 'data-name="harbour-at-dawn"' in html
    assert not Entry.objects.filter(kind="update").exists()
    assert client.get(way).url == page
    answer, _ = without_script(client, page, "Typed so far.")
    assert answer.status_code == 422
    assert "Choose a picture first." in answer.content.decode()
    assert "Typed so far." in answer.content.decode()


def test_an_image_is_added_to_an_edit_without_javascript_and_without_saving(
    client, story
):
    entry = make_update(story, "As published.")
    page = f"/admin/entries/story/{story.pk}/desk/entries/{entry.pk}/edit/"
    data = {"version": entry.version, "byline": "A. Scribe", "file": photo()}
    answer, way = without_script(client, page, "Half rewritten.", **data)
    html = answer.content.decode()
    assert "Half rewritten.\n\n![](image:harbour-at-dawn)" in html
    assert 'value="A. Scribe"' in html
    entry.refresh_from_db()
    assert (entry.body, entry.version) == ("As published.", data["version"])
    assert client.get(way).url == page
    answer, _ = without_script(client, page, "Half rewritten.", version=entry.version)
    assert answer.status_code == 422
    assert "Choose a picture first." in answer.content.decode()


def test_a_missing_image_is_marked_in_its_row_and_can_be_uploaded(client, story):
    Image.objects.create(name="old-quay")
    make_update(story, "Then.\n\n![](image:old-quay)")
    page = client.get(f"/admin/entries/story/{story.pk}/change/").content.decode()
    assert "Picture “old-quay” is missing" in page
    assert b"old-quay" not in client.get(story.get_absolute_url()).content
    image = Image.objects.get()
    way = reverse("admin:entries_image_change", args=[image.pk])
    client.post(way, {"alt": "", "caption": "Before the war", "credit": ""})
    upload(client, story, photo("scan.jpg"))  # the same file under another name
    data = {"file": photo("scan.jpg"), "name": "old-quay"}
    client.post("/admin/entries/image/add/", data)
    image.refresh_from_db()
    assert image.caption == "Before the war"  # nobody sees it yet: no alt text needed
    assert not image.missing
    assert image.thumb not in client.get(story.get_absolute_url()).content.decode()
    client.post(way, {"alt": "Boats", "caption": "Before the war", "credit": ""})
    assert image.thumb in client.get(story.get_absolute_url()).content.decode()


# --- Pictures in the admin


def test_the_library_shows_thumbnails_and_uses(client, story):
    image = described(client, story)
    page = client.get("/admin/entries/image/").content.decode()
    assert image.thumb in page
    assert 'class="field-shown_in">1</td>' in page


def test_a_changed_caption_reaches_the_pages_that_show_it(client, story):
    image = described(client, story)
    before = Posting.objects.get(story=story).seq
    data = {"alt": "Boats in fog", "caption": "Grey morning", "credit": ""}
    client.post(f"/admin/entries/image/{image.pk}/change/", data)
    posting = Posting.objects.get(story=story)
    assert "Grey morning" in posting.html
    assert posting.seq > before


def test_an_image_in_use_is_not_deleted(client, chief, story):
    shown = described(client, story)
    upload(client, story, photo("lamp.jpg", "red"))
    featured = Image.objects.exclude(pk=shown.pk).get()
    verbs.add_link("feature", story=story, title="Why", image=featured)
    for image in (shown, featured):
        way = f"/admin/entries/image/{image.pk}/delete/"
        assert chief.get(way).status_code == 403
        chief.post(way, {"post": "yes"})
    assert Image.objects.count() == 2


def test_an_unused_image_is_deleted_with_its_files(
    client, chief, story, django_capture_on_commit_callbacks
):
    upload(client, story, photo())
    image = Image.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        chief.post(f"/admin/entries/image/{image.pk}/delete/", {"post": "yes"})
    assert not Image.objects.exists()
    assert not files()


def test_a_taken_name_is_a_field_error(client, story):
    upload(client, story, photo("fog.jpg", "teal"))
    data = {"file": photo("other.jpg", "navy"), "name": "fog"}
    answer = client.post("/admin/entries/image/add/", data)
    assert "There is another picture named “fog”" in answer.content.decode()


# --- Links


def link_data(**fields: Any) -> dict[str, Any]:
    return {"kind": "see", "order": 0} | fields


def test_a_moderators_link_reaches_readers(moderator, story):
    entry = make_update(story, "Look elsewhere too.")
    other = make_story("The lighthouse keeper")
    data = link_data(entry=entry.pk, target_story=other.pk)
    answer = moderator.post("/admin/entries/link/add/", data)
    assert answer.status_code == 302
    page = moderator.get(story.get_absolute_url()).content.decode()
    assert "The lighthouse keeper" in page
    moderator.post(
        f"/admin/entries/link/{Link.objects.get().pk}/delete/", {"post": "y"}
    )
    assert "See" not in Posting.objects.get(entry=entry).html


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Give the link a title or a target."),
        ({"target_url": "javascript:alert(1)"}, "errorlist"),
        ({"target_url": "ftp://files.example/x"}, "Write the whole address"),
    ],
)
def test_a_link_without_target_and_title_is_an_error(moderator, story, fields, words):
    data = link_data(story=story.pk, **fields)
    answer = moderator.post("/admin/entries/link/add/", data)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Link.objects.exists()


def test_a_link_has_one_place_and_one_target(moderator, story):
    entry = make_update(story)
    data = link_data(
        story=story.pk,
        entry=entry.pk,
        target_story=story.pk,
        target_url="https://news.example/page",
    )
    html = moderator.post("/admin/entries/link/add/", data).content.decode()
    assert "Choose the story or the entry, not both." in html
    assert "A link leads to one place" in html


def test_unresolved_links_are_listed(moderator, story):
    verbs.add_link("see", story=story, title="A story to come")
    verbs.add_link("see", story=story, target_url="https://news.example/page")
    page = moderator.get("/admin/entries/link/?target=unresolved").content.decode()
    assert "A story to come" in page
    assert "news.example" not in page


def test_several_links_are_removed_through_their_verb(moderator, story):
    entry = make_update(story)
    other = make_story("The lighthouse keeper")
    link = verbs.add_link("see", entry=entry, target_story=other)
    data = {
        "action": "delete_selected",
        "_selected_action": [link.pk],
        "post": "yes",
    }
    moderator.post("/admin/entries/link/", data)
    assert not Link.objects.exists()
    assert "lighthouse" not in Posting.objects.get(entry=entry).html


def test_editors_can_view_links_but_not_change_them(client, story):
    link = verbs.add_link("see", story=story, title="A story to come")
    assert client.get("/admin/entries/link/").status_code == 200
    assert client.get("/admin/entries/link/add/").status_code == 403
    way = f"/admin/entries/link/{link.pk}/change/"
    assert client.post(way, link_data(title="x")).status_code == 403


# --- Series, entries, stories


def test_renaming_a_series_updates_the_pages_of_its_stories(chief):
    story = make_story(series="Sorrava Daily")
    series = Series.objects.get()
    before = story.head_seq
    data = {"name": "Sorrava Today", "description": ""}
    chief.post(f"/admin/entries/series/{series.pk}/change/", data)
    story.refresh_from_db()
    assert story.head_seq > before
    page = chief.get(story.get_absolute_url()).content.decode()
    assert "Sorrava Today" in page


def test_an_unused_series_is_deleted_and_a_used_one_is_not(chief):
    empty, used = make_series("Isles Daily"), make_series("Sorrava Daily")
    story = make_story()
    verbs.add_link("see", story=story, target_series=used)
    before = Site.current().seq
    way = "/admin/entries/series/{}/delete/"
    assert chief.get("/series/isles-daily/").status_code == 200
    chief.post(way.format(empty.pk), {"post": "yes"})
    assert chief.get("/series/isles-daily/").status_code == 404
    assert Site.current().seq > before  # so the page cache drops its page
    assert chief.post(way.format(used.pk), {"post": "yes"}).status_code == 403
    with pytest.raises(Refused):
        verbs.delete_series(used)
    assert Series.objects.get() == used


def test_the_slug_of_a_series_cannot_be_changed(chief):
    series = make_series()
    data = {"name": "Renamed", "slug": "renamed", "description": ""}
    chief.post(f"/admin/entries/series/{series.pk}/change/", data)
    series.refresh_from_db()
    assert (series.name, series.slug) == ("Renamed", "sorrava-daily")


def test_the_list_of_entries_can_be_searched_and_links_to_the_desk(client, story):
    entry = make_update(story, "A rope was found.")
    make_update(story, "Nothing else.")
    page = client.get("/admin/entries/entry/?q=rope").content.decode()
    assert "A rope was found." in page
    assert "Nothing else." not in page
    answer = client.get(f"/admin/entries/entry/{entry.pk}/change/")
    place = f"/admin/entries/story/{story.pk}/change/?from={entry.pk}#row-{entry.pk}"
    assert answer["Location"] == place
    assert client.get("/admin/entries/entry/add/").status_code == 403


def test_entries_can_be_changed_and_deleted_only_at_the_desk(chief, story):
    entry = make_update(story, "As it was.")
    way = f"/admin/entries/entry/{entry.pk}"
    chief.post(f"{way}/change/", {"body": "Changed.", "headline": ""})
    assert chief.post(f"{way}/delete/", {"post": "yes"}).status_code == 403
    assert Entry.objects.get().body == "As it was."


def test_the_list_of_stories_shows_state_readers_and_updates(client, story):
    make_update(story)
    make_update(story, state="draft")
    draft = make_story("Nobody knows yet", live=False)
    page = client.get("/admin/entries/story/").content.decode()
    assert "<h1>Stories</h1>" in page
    assert 'data-state="live">Live' in page
    assert 'data-state="draft">Draft' in page
    assert 'class="field-updates">1</td>' in page
    assert f'<a href="{story.get_absolute_url()}">Open public page</a>' in page
    assert draft.get_absolute_url() not in page


def test_the_lists_link_to_the_review_queue(client, story):
    way = f'<a href="{reverse("admin:entries_entry_queue")}">Review queue</a>'
    assert way not in client.get("/admin/entries/story/").content.decode()
    make_update(story, state="submitted")
    for name in ("story", "entry"):
        page = " ".join(client.get(f"/admin/entries/{name}/").content.decode().split())
        assert f'{way} <span class="label">1 waiting' in page


def test_stories_are_searched_and_filtered(client, story):
    make_story("Eclipse", live=False)
    assert b"Fog over" not in client.get("/admin/entries/story/?q=eclipse").content
    page = client.get("/admin/entries/story/?state__exact=draft").content
    assert b"Fog over" not in page


def test_pages_of_the_admin_have_no_scripts_in_them(client, chief, story):
    verbs.withdraw(make_update(story))
    for way in (
        f"/admin/entries/story/{story.pk}/change/",
        f"/admin/entries/story/{story.pk}/details/",
        "/admin/entries/story/add/",
        "/admin/entries/image/add/",
    ):
        html = chief.get(way).content.decode()
        assert " style=" not in html
        assert "onclick" not in html
        assert all(" src=" in part[:200] for part in html.split("<script")[1:])


# --- Two at the same moment


@pytest.mark.parametrize("came", ["changed", "removed"])
def test_a_concurrent_change_of_a_link_is_reported(
    moderator: Client, monkeypatch: pytest.MonkeyPatch, came: str
):
    link = verbs.add_link("see", story=make_story(), title="Ferries")
    way = f"/admin/entries/link/{link.pk}/change/"
    data = link_data(title="Ships", fingerprint=link.fingerprint)
    save = verbs.save_link

    def between(mine: Link, **more: Any) -> Link:
        monkeypatch.undo()
        theirs = Link.objects.get()
        if came == "changed":
            theirs.title = "Trains"
            verbs.save_link(theirs)
        else:
            verbs.remove_link(theirs)
        return save(mine, **more)

    monkeypatch.setattr(verbs, "save_link", between)
    answer = moderator.post(way, data)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody else has" in page
    assert 'name="title" value="Ships"' in page
    # In the admin both stand in one transaction, so what came between goes with it.
    assert Link.objects.get().title == "Ferries"


def test_a_series_used_since_the_page_was_loaded_is_not_deleted(
    chief: Client, monkeypatch: pytest.MonkeyPatch
):
    series, story, delete = make_series(), make_story(), verbs.delete_series

    def between(mine: Series, **more: Any) -> None:
        verbs.add_link("see", story=story, target_series=series)
        delete(mine, **more)

    monkeypatch.setattr(verbs, "delete_series", between)
    ways = {
        f"/admin/entries/series/{series.pk}/delete/": {},
        "/admin/entries/series/": {"action": "delete_selected"},
    }
    for way, more in ways.items():
        data = {"post": "yes", "_selected_action": series.pk} | more
        answer = chief.post(way, data)
        assert answer.status_code == 409
        assert "a line leads to it" in answer.content.decode()
        assert Series.objects.get() == series
        Link.objects.all().delete()


def test_a_series_gets_its_address_from_its_name(chief: Client):
    for name in ("Straße", "Strasse", "港"):
        data = {"name": name, "slug": "", "description": ""}
        assert chief.post("/admin/entries/series/add/", data).status_code == 302
    slugs = Series.objects.order_by("pk").values_list("slug", flat=True)
    assert list(slugs) == ["strasse", "strasse-2", "gang"]
    data = {"name": "Über uns", "slug": "", "description": "", "language": "de"}
    chief.post("/admin/entries/series/add/", data)
    assert Series.objects.get(name="Über uns").slug == "ueber-uns"


def test_two_series_created_with_the_same_slug_are_a_conflict(
    chief: Client, monkeypatch: pytest.MonkeyPatch
):
    save = verbs.save_series

    def between(series: Series, **more: Any) -> Series:
        Series.objects.create(name="First", slug=series.slug)
        return save(series, **more)

    monkeypatch.setattr(verbs, "save_series", between)
    chief.raise_request_exception = False
    data = {"name": "Isles Daily", "slug": "isles-daily", "description": ""}
    answer = chief.post("/admin/entries/series/add/", data)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody else was quicker" in page
    assert 'name="name" value="Isles Daily"' in page


@pytest.mark.parametrize("wrong", ["seq", "check", "null"])
def test_a_bug_is_not_reported_as_a_conflict(
    chief: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
):
    posting = make_update(make_story()).postings.get()
    other = make_update(posting.story).postings.get()

    def mistaken(series: Series) -> None:
        if wrong == "seq":
            Posting.objects.filter(pk=other.pk).update(seq=posting.seq)
        elif wrong == "check":
            Entry.objects.filter(pk=other.entry_id).update(at=None)
        else:
            Series.objects.filter(pk=series.pk).update(name=None)

    series = make_series()
    monkeypatch.setattr(verbs, "save_series", mistaken)
    chief.raise_request_exception = False
    data = {"name": "Isles Daily", "slug": "isles-daily", "description": ""}
    answer = chief.post(f"/admin/entries/series/{series.pk}/change/", data)
    assert answer.status_code == 500
    assert "quicker" not in answer.content.decode()
    assert [r.levelname for r in caplog.records if r.exc_info] == ["ERROR"]


# --- What was left behind


def test_sweep_deletes_only_old_files_without_an_image(
    client: Client, settings: Any, tmp_path: Path
):
    settings.IMAGES_DIR = tmp_path
    upload(client, make_story(), photo())
    kept = files()
    left = [tmp_path / "ab" / "abandoned-400.jpg", tmp_path / ".new-x" / "half-400.jpg"]
    young = tmp_path / "ab" / "importing-400.jpg"
    for path in (*left, young):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"jpeg")
    for path in (*kept, *left):
        os.utime(path, (1, 1))
    call_command("sweep")
    assert set(files()) == {*kept, *left, young}
    call_command("sweep", "--delete")
    assert set(files()) == {*kept, young}
    assert len(kept) > 2
    # What an upload takes up again counts as young until its row is there.
    Image.objects.all().delete()
    with BytesIO(photo().read()) as file:
        verbs.ingest_upload(file)
    call_command("sweep", "--delete")
    assert set(files()) == {*kept, young}


def test_the_home_page_links_to_the_desks_of_live_stories(client, chief):
    running, quiet = make_story("The ferry waits"), make_story("Fog")
    make_update(running, "Ashore at last.", at="1200")
    make_update(quiet, "No wind.", at="1100")
    later = make_story("Not yet", live=False)
    ways = [
        reverse("admin:entries_story_change", args=[story.pk])
        for story in (running, quiet)
    ]
    for window in (client, chief, signed_in("writer", "Contributors")):
        page = window.get("/admin/").content.decode()
        assert re.findall(r'<a href="([^"]*)" dir="auto">', page) == ways
        assert "1200 GMT, 14 March" in page
        coming = page.partition("Announced and drafts")[2]
        assert reverse("admin:entries_story_change", args=[later.pk]) in coming
    assert b"Live now" not in signed_in("nobody").get("/admin/").content


def test_the_home_page_lists_the_newsroom_first_with_plain_names(chief: Client):
    page = chief.get("/admin/lists/").content.decode()
    captions = re.findall(r"<caption>\s*<a [^>]*>\s*([^<]*?)\s*</a>", page)
    assert captions == [
        "Newsroom",
        "Accounts and groups",
        "Failed sign-ins",
        "Two-step devices",
    ]
    lists = re.findall(r'<a href="/admin/\w+/(\w+)/">', page)
    assert lists[0] == "story"
    assert "accessattempt" in lists
    assert "accesslog" not in lists  # nothing is ever written there


def test_lists_use_the_full_width(chief: Client):
    page = chief.get("/admin/entries/story/").content.decode()
    assert 'id="nav-sidebar"' not in page
    assert "Has date" not in page


@pytest.mark.parametrize(
    "asked",
    [
        "image/?widths__contains=1-0",
        "image/?name__regex=[",
        "entry/?author__username__regex=[",
        "entry/?body__contains=secret",
        "link/?story__headline__contains=secret",
        "series/?name__startswith=s",
    ],
)
def test_a_list_is_not_filtered_by_what_it_does_not_offer(chief: Client, asked: str):
    assert chief.get(f"/admin/entries/{asked}").status_code == 400


def test_every_filter_of_the_stories_has_a_name(chief: Client):
    make_story("Fog", series="Sorrava Daily")
    make_story("Of no series")
    page = chief.get("/admin/entries/story/").content.decode()
    assert '<a href="?series__isnull=True">No series</a>' in page
    named = chief.get("/admin/entries/story/?series__isnull=True").content.decode()
    assert "Of no series" in named
    assert "Fog</a>" not in named


def test_a_thumbnail_in_the_library_is_a_named_link(client: Client):
    verbs.add_image("ferry", verbs.ingest_upload(photo()), alt="Boats")
    page = client.get("/admin/entries/image/").content.decode()
    assert re.findall(r'<img class="library-thumb"[^>]* alt="([^"]*)"', page) == [
        "ferry"
    ]


def test_a_complete_list_does_not_offer_to_show_all(story: Story) -> None:
    chief = signed_in("chief", chief=True)
    path = reverse("admin:entries_story_changelist")
    assert "Show all" not in chief.get(path).content.decode()
    assert "Show all" in chief.get(f"{path}?q=nothing+so").content.decode()


def test_a_waiting_text_of_a_draft_story_is_in_the_list() -> None:
    make_update(make_story(live=False), "The giraffe has left the ark.")
    chief = signed_in("chief", chief=True)
    page = chief.get("/admin/entries/entry/?q=giraffe").content.decode()
    assert "The giraffe has left" in page


def test_the_list_of_entries_can_be_searched_by_byline(story: Story) -> None:
    verbs.post(story, EntryText("The lamp is lit.", byline="Ysolde Tamarin"))
    chief = signed_in("chief", chief=True)
    page = chief.get("/admin/entries/entry/?q=tamarin").content.decode()
    assert "The lamp is lit." in page
