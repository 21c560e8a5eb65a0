"""Images at the desk: alt text comes first, and a card for each image of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Pixels

from entries import verbs
from entries.models import Entry, Image, Link, Posting, Story
from entries.verbs import EntryText, Refused
from tests.builders import make_story, make_update, signed_in
from tests.photos import HEIC, encode

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
PHOTO = encode(Pixels.new("RGB", (64, 48), "teal"), "JPEG")
QUAY = "Then.\n\n![](image:old-quay)"
HIDDEN = r'type="hidden" name="([^"]+)" value="([^"]*)"'


@pytest.fixture
def client() -> Client:
    """Give a browser in which an editor is signed in."""
    return signed_in("editor", "Editors")


@pytest.fixture
def story(db: None) -> Story:
    return make_story("Fog")


def photo(name: str = "scan.jpg", data: bytes = PHOTO) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "")  # Chrome knows no type of a HEIC


def fields_url(story: Story, image: Image) -> str:
    return reverse("admin:entries_story_words", args=[story.pk, image.pk])


def compose(client: Client, story: Story, body: str, **fields: Any) -> Any:
    data = {"body": body, "action": "publish", **fields}
    page = f"/admin/entries/story/{story.pk}/change/"
    return client.post(page, data, headers=HTMX)


def public_pages(story: Story) -> str:
    """Return everything that readers get of a story, and of the pages that list it."""
    reader = Client()
    url = story.get_absolute_url()
    paths = ["/", "/feed/", url, f"{url[:-1]}.json", f"{url}feed/"]
    paths += [f"{url}updates/{entry.pk}/" for entry in story.entries.all()]
    pages = [reader.get(path) for path in paths]
    assert {page.status_code for page in pages} == {200}
    return "".join(page.content.decode() for page in pages)


def undescribed(count: int) -> list[Image]:
    """Make images with files and without alt text."""
    sizes = {"width": 64, "height": 48, "widths": [64]}
    return Image.objects.bulk_create(
        Image(name=f"quay-{number}", stem=f"ab/{number:040x}", **sizes)
        for number in range(1, count + 1)
    )


def body_with(images: list[Image]) -> str:
    return "\n\n".join(f"![](image:{image.name})" for image in images)


# --- Alt text first


def upload_at_desk(client: Client, story: Story, folder: Path) -> None:
    way = reverse("admin:entries_story_upload", args=[story.pk])
    client.post(way, {"file": photo(), "name": "old-quay"}, headers=HTMX)


def upload_in_library(client: Client, story: Story, folder: Path) -> None:
    way = "/admin/entries/image/add/"
    client.post(way, {"file": photo(), "name": "old-quay"})


def import_text(client: Client, story: Story, folder: Path) -> None:
    (folder / "old-quay.jpg").write_bytes(PHOTO)
    file = folder / "other.txt"
    file.write_text("HEADLINE: Rain\n\nUPDATE 1200 GMT: Rain.\n\nold-quay.jpg\n")
    call_command("import_story", str(file), images=folder, verbosity=0)


def import_json(client: Client, story: Story, folder: Path) -> None:
    (folder / "old-quay.jpg").write_bytes(PHOTO)
    entry = {"kind": "update", "state": "draft", "body": QUAY}
    data = {
        "format": "liveblog-story",
        "version": 1,
        "story": {"headline": "Rain", "state": "draft"},
        "entries": [entry],
        "pictures": [{"name": "old-quay"}],
    }
    (folder / "other.json").write_text(json.dumps(data))
    file = str(folder / "other.json")
    call_command("import_story", file, images=folder, verbosity=0)


@pytest.mark.parametrize(
    "bring", [upload_at_desk, upload_in_library, import_text, import_json]
)
@pytest.mark.parametrize("described", [{"alt": "Boats"}, {"decorative": "on"}])
def test_readers_see_a_late_image_only_once_it_has_alt_text(
    client: Client,
    story: Story,
    tmp_path: Path,
    bring: Callable[..., None],
    described: dict[str, str],
):
    image = Image.objects.create(name="old-quay")
    make_update(story, QUAY)
    bring(client, story, tmp_path)
    image.refresh_from_db()
    assert image.stem
    pages = public_pages(story)
    assert image.stem not in pages
    assert "old-quay" not in pages
    name = f"picture-{image.pk}"
    data = {f"{name}-{field}": value for field, value in described.items()}
    client.post(fields_url(story, image), data, headers=HTMX)
    pages = public_pages(story)
    assert image.stem in pages
    assert f'alt="{described.get("alt", "")}"' in pages


def test_a_late_lead_image_waits_for_its_alt_text(client: Client):
    image = Image.objects.create(name="old-quay")
    story = make_story("Fog", lead_image=image)
    feature = verbs.add_link("feature", title="Why fog", image=image)
    upload_in_library(client, story, Path())
    image.refresh_from_db()
    assert image.stem not in public_pages(story)
    data = {"alt": "Boats", "caption": "", "credit": ""}
    client.post(f"/admin/entries/image/{image.pk}/change/", data)
    pages = public_pages(story)
    assert 'alt="Boats"' in pages
    assert Link.objects.get(pk=feature.pk).display_image == image


def test_the_desk_shows_which_image_lacks_alt_text(client: Client, story: Story):
    image = Image.objects.create(name="old-quay")
    make_update(story, QUAY)
    desk = f"/admin/entries/story/{story.pk}/change/"
    before = Posting.objects.get(story=story).desk_seq
    upload_in_library(client, story, Path())
    page = client.get(desk).content.decode()
    assert "picture “old-quay” yet" in page
    assert f"/admin/entries/image/{image.pk}/change/" in page
    assert "“old-quay” is missing" not in page
    assert Posting.objects.get(story=story).desk_seq > before
    image = Image.objects.get()
    image.alt = "Boats"
    verbs.save_image(image, ["alt"])
    assert "picture “old-quay” yet" not in client.get(desk).content.decode()


def test_a_hidden_image_may_get_its_caption_before_its_alt_text(
    client: Client, story: Story
):
    image = Image.objects.create(name="old-quay")
    make_update(story, QUAY)
    upload_in_library(client, story, Path())
    data = {f"picture-{image.pk}-caption": "Dawn", f"picture-{image.pk}-alt": ""}
    client.post(fields_url(story, image), data, headers=HTMX)
    image.refresh_from_db()
    assert image.caption == "Dawn"


def test_a_visible_lead_image_cannot_lose_its_alt_text(client: Client):
    [image] = undescribed(1)
    image.alt = "Boats"
    verbs.save_image(image)
    story = make_story("Fog", lead_image=image)
    name = f"picture-{image.pk}-alt"
    emptied = {f"{name}-shown": "Boats", name: ""}
    answer = client.post(fields_url(story, image), emptied, headers=HTMX)
    assert "Readers see this picture" in answer.content.decode()
    image.refresh_from_db()
    assert image.alt == "Boats"


def test_lead_images_and_features_require_alt_text(client: Client, story: Story):
    [image] = undescribed(1)
    page = f"/admin/entries/story/{story.pk}/details/"
    data = dict(
        re.findall(
            r'name="([^"]+)"[^>]*value="([^"]*)"', client.get(page).content.decode()
        )
    )
    answer = client.post(page, data | {"lead_image": image.pk})
    assert "has no alt text" in answer.content.decode()
    moderator = signed_in("moderator", "Moderators")
    data = {"kind": "feature", "order": 0, "title": "Why", "image": image.pk}
    answer = moderator.post("/admin/entries/link/add/", data)
    assert "has no alt text" in answer.content.decode()
    assert not Link.objects.exists()


def test_a_scheduled_update_is_published_on_time_and_its_image_once_it_has_alt_text(
    client: Client, story: Story
):
    image = Image.objects.create(name="old-quay")
    at = timezone.now() + timedelta(minutes=5)
    entry = verbs.post(story, EntryText(QUAY, at=at))
    upload_in_library(client, story, Path())
    Entry.objects.update(at=timezone.now() - timedelta(minutes=1))
    assert verbs.publish_due() == 1
    image.refresh_from_db()
    assert image.stem not in public_pages(story)
    entry.refresh_from_db()
    assert entry.published


def test_an_edit_of_a_scheduled_update_requires_alt_text(story: Story):
    undescribed(1)
    at = timezone.now() + timedelta(minutes=5)
    entry = verbs.post(story, EntryText("Fog.", at=at))
    with pytest.raises(Refused, match="no alt text"):
        verbs.edit(entry, EntryText("![](image:quay-1)", at=at), version=1)


def test_the_preview_shows_a_picture_before_it_has_alt_text(
    client: Client, story: Story
):
    [image] = undescribed(1)
    answer = compose(client, story, body_with([image]), action="preview")
    assert image.stem in answer.content.decode()
    assert "has no alt text yet" in answer.content.decode()


# --- Cards


def test_every_picture_has_its_card_and_every_card_its_error(
    client: Client, story: Story
):
    images = undescribed(29)
    answer = compose(client, story, body_with(images))
    html = answer.content.decode()
    assert answer.status_code == 422
    assert html.count('class="picture"') == 29
    assert html.count("Say what the picture shows") == 29
    assert "29 pictures have no alt text" in html
    assert "“quay-29”" in html


def test_many_cards_are_shown_for_a_restored_text(client: Client, story: Story):
    names = [image.name for image in undescribed(29)]
    way = reverse("admin:entries_story_pictures", args=[story.pk])
    html = client.get(way, {"name": names}, headers=HTMX).content.decode()
    assert html.count('class="picture"') == 29


def test_the_fields_of_many_cards_are_sent_and_saved(client: Client, story: Story):
    images = undescribed(120)
    data: dict[str, Any] = {"picture": [image.pk for image in images]}
    for image in images:
        name = f"picture-{image.pk}"
        data |= {f"{name}-{f}": "" for f in ("caption", "credit")}
        data |= {f"{name}-{f}-shown": "" for f in ("alt", "caption", "credit")}
        data |= {f"{name}-{f}": "50" for f in ("focal_x", "focal_y")}
        data |= {f"{name}-{f}-shown": "50" for f in ("focal_x", "focal_y")}
        data[f"{name}-alt"] = f"Boat {image.pk}"
    answer = compose(client, story, body_with(images), **data)
    assert answer.status_code == 200
    assert Image.objects.exclude(alt="").count() == 120


def test_each_field_of_a_card_shows_its_own_error_while_typing(
    client: Client, story: Story
):
    [image] = undescribed(1)
    name = f"picture-{image.pk}"
    data = {
        f"{name}-alt": "a" * 501,
        f"{name}-caption": "c" * 1001,
        f"{name}-credit": "d" * 201,
        f"{name}-focal_x": "101",
        f"{name}-focal_y": "left",
    }
    html = client.post(fields_url(story, image), data, headers=HTMX).content.decode()
    errors = dict(re.findall(rf'#({name}-\w+)-error"[^>]*>([^<]*)<', html))
    assert "500" in errors[f"{name}-alt"]
    assert "1000" in errors[f"{name}-caption"]
    assert "200" in errors[f"{name}-credit"]
    assert "0 to 100" in errors[f"{name}-focal_x"]
    assert "whole number" in errors[f"{name}-focal_y"]
    answer = compose(client, story, body_with([image]), picture=image.pk, **data)
    assert answer.status_code == 422
    for message in errors.values():
        assert message in answer.content.decode()


def test_a_card_of_a_removed_image_does_not_prevent_publishing(
    client: Client, story: Story
):
    [image] = undescribed(1)
    data = {"picture": image.pk, f"picture-{image.pk}-credit": "d" * 201}
    assert compose(client, story, "Fog.", **data).status_code == 200


# --- The focal point


def test_a_focal_point_reaches_every_page_and_the_json_form(
    client: Client, story: Story
):
    [image] = undescribed(1)
    make_update(story, "Fog.")
    name = f"picture-{image.pk}"
    data = {
        "picture": image.pk,
        f"{name}-alt": "Boats",
        f"{name}-focal_x": "22",
        f"{name}-focal_y": "81",
    }
    assert compose(client, story, body_with([image]), **data).status_code == 200
    url = story.get_absolute_url()
    assert 'class="focal-x20 focal-y80"' in Client().get(url).content.decode()
    [found] = Client().get(f"{url[:-1]}.json").json()["pictures"]
    assert (found["focal_x"], found["focal_y"]) == (22, 81)
    assert "focal-x20" in Path("static/entries/site.css").read_text()


def test_a_form_without_a_focal_point_does_not_change_it(client: Client, story: Story):
    [image] = undescribed(1)
    Image.objects.update(focal_x=10, focal_y=20)
    data = {f"picture-{image.pk}-alt": "Boats"}
    client.post(fields_url(story, image), data, headers=HTMX)
    image.refresh_from_db()
    assert (image.alt, image.focal_point) == ("Boats", (10, 20))


def test_an_old_card_does_not_overwrite_a_colleagues_focal_point(
    client: Client, story: Story
):
    [image] = undescribed(1)
    way = reverse("admin:entries_story_pictures", args=[story.pk])
    card = dict(
        re.findall(HIDDEN, client.get(way, {"name": image.name}).content.decode())
    )
    Image.objects.update(focal_x=10, focal_y=20)
    card |= {f"picture-{image.pk}-focal_x": "50", f"picture-{image.pk}-focal_y": "50"}
    client.post(fields_url(story, image), card | {f"picture-{image.pk}-alt": "Boats"})
    image.refresh_from_db()
    assert (image.alt, image.focal_point) == ("Boats", (10, 20))


def test_the_library_changes_the_focal_point(client: Client):
    [image] = undescribed(1)
    data = {"alt": "", "caption": "", "credit": "", "focal_x": "0", "focal_y": "100"}
    client.post(f"/admin/entries/image/{image.pk}/change/", data)
    image.refresh_from_db()
    assert image.focal_point == (0, 100)


# --- Files


def test_a_heic_is_uploaded_whatever_the_browser_calls_it(client: Client, story: Story):
    data = (HEIC / "described.heic").read_bytes()
    way = reverse("admin:entries_story_upload", args=[story.pk])
    answer = client.post(way, {"file": photo("IMG_0001.HEIC", data)}, headers=HTMX)
    assert answer.status_code == 200
    assert Image.objects.get().caption == "Smoke over a market"
    for page in (
        f"/admin/entries/story/{story.pk}/change/",
        "/admin/entries/image/add/",
    ):
        assert (
            'accept="image/*, .heic, .heif, .hif, ' in client.get(page).content.decode()
        )
