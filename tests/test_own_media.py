"""Video and audio of editors' own: from the desk to readers, files and exports."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.urls import reverse

from entries import exchange, verbs
from entries.management.commands import sweep
from entries.models import Entry, Image, Story
from entries.verbs import Refused
from tests.builders import make_story, make_update, signed_in, text
from tests.photos import encode, noise
from tests.recordings import CAPTIONS, SECRET, mp3, mp4, webm

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
WAVE = "Look.\n\n![](media:wave)"


@pytest.fixture
def client(db: None) -> Client:
    return signed_in("editor", "Editors")


@pytest.fixture
def story(db: None) -> Story:
    return make_story("Fog", language="en")


def add(name: str, data: bytes, **texts: Any) -> Image:
    return verbs.add_image(name, verbs.ingest_upload(BytesIO(data)), **texts)


def add_wave(**texts: Any) -> Image:
    return add("wave", webm(), **{"alt": "A wave breaks", "captions": CAPTIONS} | texts)


def upload(client: Client, story: Story, data: bytes, named: str, **more: Any) -> Any:
    way = reverse("admin:entries_story_upload", args=[story.pk])
    file = SimpleUploadedFile(named, data, "text/html")  # its content counts alone
    return client.post(way, {"file": file, **more}, headers=HTMX)


def save(client: Client, story: Story, image: Image, **fields: str) -> str:
    way = reverse("admin:entries_story_words", args=[story.pk, image.pk])
    data = {f"picture-{image.pk}-{name}": value for name, value in fields.items()}
    return client.post(way, data, headers=HTMX).content.decode()


def publish(client: Client, story: Story, body: str, **fields: Any) -> Any:
    page = f"/admin/entries/story/{story.pk}/change/"
    data = {"body": body, "action": "publish", **fields}
    return client.post(page, data, headers=HTMX)


def page_of(story: Story) -> str:
    return Client().get(story.get_absolute_url()).content.decode()


# --- The desk


def test_a_video_is_uploaded_described_captioned_and_published(
    client: Client, story: Story
) -> None:
    card = upload(client, story, mp4(), "GOPR0001.MP4", name="wave").content.decode()
    assert "<video" in card
    assert "No speech" in card
    image = Image.objects.get(name="wave")
    assert (image.kind, image.captions_language) == ("video", "en")
    answer = publish(client, story, WAVE).content.decode()
    assert "Say in a sentence" in answer
    assert "Add captions or a transcript" in answer
    save(client, story, image, alt="A wave breaks")
    answer = publish(client, story, WAVE, picture=image.pk).content.decode()
    assert "Add captions or a transcript, or tick “No speech”." in answer
    assert not Entry.objects.exists()
    assert "Line 3 of the captions" in save(
        client, story, image, captions="WEBVTT\n\n1 --> 2\nNo times"
    )
    save(client, story, image, captions=CAPTIONS.replace("\n", "\r\n"))
    publish(client, story, WAVE)
    html = page_of(story)
    assert re.search(r"<video\s[^>]*\bcontrols\b[^>]*\bplaysinline\b", html)
    assert "autoplay" not in html
    assert f'src="{image.url}"' in html
    image.refresh_from_db()
    assert f'src="{image.captions_url}"' in html
    assert 'srclang="en"' in html
    assert 'label="English"' in html


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (mp4(), {"transcript": "She says: look."}),
        (mp4(), {"no_speech": "on"}),
        (mp3(), {"transcript": "She says: look."}),
        (mp3(), {"no_speech": "on"}),
    ],
)
def test_a_transcript_or_the_choice_of_no_speech_replaces_captions(
    client: Client, story: Story, data: bytes, fields: dict[str, str]
) -> None:
    upload(client, story, data, "wave.bin", name="wave")
    image = Image.objects.get(name="wave")
    save(client, story, image, alt="A wave", **fields)
    publish(client, story, WAVE)
    html = page_of(story)
    assert image.url in html
    assert ("She says: look." in html) == ("transcript" in fields)


def test_captions_do_not_replace_the_transcript_of_a_sound_recording() -> None:
    image = Image(media_type="audio/mpeg", alt="A siren", captions=CAPTIONS)
    assert not image.described
    assert "Add a transcript" in image.lacks


def test_a_published_video_cannot_lose_its_captions(
    client: Client, story: Story
) -> None:
    image = add_wave()
    make_update(story, WAVE)
    answer = save(
        client,
        story,
        image,
        alt="A wave breaks",
        captions="",
        **{"captions-shown": CAPTIONS, "alt-shown": "A wave breaks"},
    )
    assert "Readers see this." in answer
    image.refresh_from_db()
    assert image.captions
    image.captions = ""
    with pytest.raises(Refused, match="Add captions"):
        verbs.save_image(image, ["captions"])


def test_a_poster_is_named_on_the_card_and_shown_to_readers(
    client: Client, story: Story
) -> None:
    image = add_wave()
    make_update(story, WAVE)
    add("harbour", encode(noise()))
    assert "There is no picture named" in save(client, story, image, poster="nowhere")
    save(client, story, image, poster="harbour", alt="A wave breaks")
    poster = Image.objects.get(name="harbour")
    html = page_of(story)
    assert f'poster="{poster.fallback[0]}"' in html
    assert 'preload="none"' in html
    assert not verbs.is_unused(poster)
    save(client, story, image, **{"poster": "", "poster-shown": "harbour"})
    assert "poster=" not in page_of(story)


def test_a_refused_file_is_told_to_the_editor_and_leaves_nothing(
    client: Client, story: Story
) -> None:
    answer = upload(client, story, mp4()[:-9], "wave.mp4", name="wave")
    assert answer.status_code == 422
    assert "damaged or incomplete" in answer.content.decode()
    assert not Image.objects.exists()


def test_a_recording_is_uploaded_without_a_script(client: Client, story: Story) -> None:
    way = reverse("admin:entries_story_add_picture", args=[story.pk])
    file = SimpleUploadedFile("wave.mp3", mp3())
    html = client.post(way, {"body": "Listen.", "file": file}).content.decode()
    assert "![](media:wave)" in html


def test_the_library_shows_recordings_with_their_fields(client: Client) -> None:
    image = add_wave()
    assert "video.svg" in client.get("/admin/entries/image/").content.decode()
    page = client.get(f"/admin/entries/image/{image.pk}/change/").content.decode()
    assert "![](media:wave)" in page
    assert 'name="captions"' in page
    assert 'name="decorative"' not in page


def test_a_recording_is_no_lead_picture_feature_or_portrait(story: Story) -> None:
    image = add_wave()
    with pytest.raises(Refused, match="no picture"):
        verbs.edit_story(story, lead_image=image)
    with pytest.raises(Refused, match="no picture"):
        verbs.add_link("feature", title="Why fog", image=image)
    missing = Image.objects.create(name="quay")
    verbs.edit_story(story, lead_image=missing)
    with pytest.raises(Refused, match="must be a picture"):
        add("quay", webm())


def test_a_missing_recording_arrives_on_the_page(client: Client, story: Story) -> None:
    Image.objects.create(name="wave")
    make_update(story, WAVE)
    upload(client, story, webm(), "wave.webm", name="wave")
    assert "<video" not in page_of(story)
    desk = client.get(f"/admin/entries/story/{story.pk}/change/").content.decode()
    assert "Readers do not see “wave” yet." in desk
    image = Image.objects.get()
    save(client, story, image, alt="A wave breaks", no_speech="on")
    assert "<video" in page_of(story)


def test_markup_in_the_texts_of_a_recording_is_text(story: Story) -> None:
    attack = '"><script>steal()</script>'
    add_wave(alt=attack, caption=attack, credit=attack, transcript=attack)
    make_update(story, WAVE)
    html = page_of(story)
    assert "<script>steal" not in html
    assert "&quot;&gt;&lt;script&gt;" in html


@pytest.mark.parametrize("line", ["![](media:wave)", "![](image:wave)"])
def test_a_recording_above_a_card_is_shown_and_is_not_its_poster(
    story: Story, line: str
) -> None:
    image = add_wave()
    make_update(story, f"Look.\n\n{line}\nhttps://youtu.be/dQw4w9WgXcQ")
    html = page_of(story)
    assert f'src="{image.url}"' in html
    assert "<media-frame" in html
    assert html.index("<video") < html.index("<media-frame")


# --- Files


def test_ranges_of_a_file_are_sent(story: Story) -> None:
    image = add("wave", mp3(), alt="Waves", no_speech=True)
    whole = (settings.IMAGES_DIR / image.path).read_bytes()
    reader = Client()

    def get(**headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return reader.get(image.url, headers=named)

    answer = get()
    assert (answer.status_code, answer.content) == (200, whole)
    assert answer["Content-Type"] == "audio/mpeg"
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    size, tag = len(whole), answer["ETag"]
    for asked, start, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        (f"bytes={size - 5}-", size - 5, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes=10-{size * 2}", 10, size),
    ]:
        answer = get(range=asked)
        assert (answer.status_code, answer.content) == (206, whole[start:end]), asked
        assert answer["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer["Content-Length"] == str(end - start)
    for asked in (f"bytes={size}-", f"bytes={size}-{size + 9}", "bytes=-0"):
        answer = get(range=asked)
        assert answer.status_code == 416, asked
        assert answer["Content-Range"] == f"bytes */{size}"
    for asked in (
        "bytes=0-1,5-6",
        "bytes=9-1",
        "bytes=x",
        "lines=0-1",
        "bytes=-",
        "bytes=٣-",
    ):
        answer = get(range=asked)
        assert (answer.status_code, answer.content) == (200, whole), asked
    assert get(range="bytes=0-1", if_range=tag).status_code == 206
    assert get(range="bytes=0-1", if_range='"another"').status_code == 200
    assert get(if_none_match=tag).status_code == 304
    head = reader.head(image.url, headers={"range": "bytes=0-1"})
    assert (head.status_code, head["Content-Length"]) == (200, str(size))
    assert head.content == b""


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (mp4(), "video/mp4"),
        (webm(), "video/webm"),
        (mp4(video=False), "audio/mp4"),
        (webm(video=False), "audio/webm"),
        (mp3(), "audio/mpeg"),
    ],
)
def test_files_have_their_type_and_no_metadata(data: bytes, media_type: str) -> None:
    answer = Client().get(add("wave", data).url)
    assert answer["Content-Type"] == media_type
    assert SECRET in data
    assert SECRET not in answer.content


def test_captions_are_sent_as_webvtt_and_old_ones_are_not(story: Story) -> None:
    image = add_wave()
    url = image.captions_url
    answer = Client().get(url)
    assert answer["Content-Type"] == "text/vtt"
    assert answer.content.decode() == CAPTIONS
    image.captions = CAPTIONS.replace("wave", "breaker")
    verbs.save_image(image)
    assert Client().get(url).status_code == 404
    assert "breaker" in Client().get(image.captions_url).content.decode()


def test_files_without_a_row_are_swept_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "MIN_AGE_SECONDS", -9)
    image = add("wave", mp3())
    assert sweep.orphaned_files(settings.IMAGES_DIR) == []
    Image.objects.all().delete()
    found = sweep.orphaned_files(settings.IMAGES_DIR)
    assert found == [settings.IMAGES_DIR / image.path]


def test_a_recording_is_erased_with_its_text_file_and_poster(
    story: Story, django_capture_on_commit_callbacks: Any
) -> None:
    poster = add("harbour", encode(noise()))
    other = add("quay", encode(noise(90, 60)))
    add("ferry", webm(frames=5), alt="Ferry", no_speech=True, poster=other)
    image = add_wave(poster=poster)
    entry = make_update(story, WAVE)
    make_update(story, "![](media:ferry)\n\n![](media:wave)")
    with django_capture_on_commit_callbacks(execute=True):
        verbs.erase(entry)
        assert Image.objects.count() == 4
        verbs.erase(Entry.objects.latest("pk"))
    assert not Image.objects.exists()
    assert not [one for one in settings.IMAGES_DIR.rglob("*") if one.is_file()]
    assert Client().get(image.captions_url).status_code == 404


# --- Machines and exports


def test_feeds_link_to_the_file(story: Story) -> None:
    image = add_wave(caption="At the quay")
    make_update(story, WAVE)
    feed = Client().get(f"{story.get_absolute_url()}feed/").content.decode()
    link = re.search(r'<link [^>]*rel="enclosure"[^>]*>', feed)
    assert link
    assert f'href="{settings.SITE_URL}{image.url}"' in link[0]
    assert f'length="{image.size}"' in link[0]
    assert 'type="video/webm"' in link[0]
    assert "Video" in feed
    assert "A wave breaks" in feed
    assert "At the quay" in feed
    assert "&lt;video" not in feed


def test_search_engines_get_a_video_object(story: Story) -> None:
    add_wave(alt="A wave > breaks", poster=add("harbour", encode(noise())))
    add("siren", mp3(), alt="A siren", no_speech=True)
    make_update(story, f"{WAVE}\n\n![](media:siren)")
    found = re.findall(r'ld\+json">(.*?)</script>', page_of(story), re.S)
    update = json.loads(found[0])["liveBlogUpdate"][0]
    [video], [audio] = update["video"], update["audio"]
    assert video["@type"] == "VideoObject"
    assert video["name"] == "A wave > breaks"
    assert video["contentUrl"].endswith(".webm")
    assert video["duration"] == "PT2S"
    assert video["uploadDate"]
    assert video["thumbnailUrl"].endswith(".jpg")
    assert audio["@type"] == "AudioObject"
    assert audio["encodingFormat"] == "audio/mpeg"


def test_the_public_data_of_a_story_has_its_recordings(story: Story) -> None:
    image = add_wave(poster=add("harbour", encode(noise())), transcript="Look!")
    add("secret", mp3(), poster=add("hidden", encode(noise(9, 9))))
    make_update(story, WAVE)
    make_update(story, "More.\n\n![](media:secret)", state="draft")
    data = Client().get(f"{story.get_absolute_url()[:-1]}.json").json()
    pictures = {one["name"]: one for one in data["pictures"]}
    assert set(pictures) == {"wave", "harbour"}
    wave = pictures["wave"]
    assert wave["media_type"] == "video/webm"
    assert wave["url"] == f"{settings.SITE_URL}{image.url}"
    assert (wave["poster"], wave["captions"]) == ("harbour", CAPTIONS)
    assert (wave["seconds"], wave["transcript"]) == (2.0, "Look!")


def test_a_story_with_recordings_is_exported_and_imported(
    story: Story, tmp_path: Path
) -> None:
    poster = add("harbour", encode(noise()))
    before = add_wave(poster=poster, caption="Quay", transcript="Look!")
    add("siren", mp3(), alt="A siren", no_speech=True)
    make_update(story, f"{WAVE}\n\n![](media:siren)")
    file = tmp_path / "fog.json"
    call_command("export_story", story.slug, format="json", output=file)
    folder = tmp_path / "fog-pictures"
    names = {path.name for path in folder.iterdir()}
    assert names == {"wave.webm", "siren.mp3", "harbour.jpg"}
    Story.objects.all().delete()
    Entry.objects.all().delete()
    Image.objects.all().delete()
    call_command("import_story", str(file), images=folder, publish=True, verbosity=0)
    after = Image.objects.get(name="wave")
    for field in ("stem", "media_type", "seconds", "size", "alt", "caption"):
        assert getattr(after, field) == getattr(before, field)
    for field in ("captions", "captions_language", "transcript", "no_speech"):
        assert getattr(after, field) == getattr(before, field)
    assert after.poster == Image.objects.get(name="harbour")
    html = page_of(Story.objects.get())
    assert "<video" in html
    assert "<audio" in html
    assert "poster=" in html


def test_a_text_file_names_recordings(tmp_path: Path) -> None:
    (tmp_path / "old-quay.mp4").write_bytes(mp4())
    file = tmp_path / "fog.txt"
    file.write_text("HEADLINE: Fog\n\nUPDATE 1200 GMT: Fog.\n\nold-quay.mp4\n")
    call_command("import_story", str(file), images=tmp_path, verbosity=0)
    entry = Entry.objects.get(kind="update")
    assert entry.body == "Fog.\n\n![](media:old-quay)"
    assert entry.images.get().media_type == "video/mp4"


def test_the_exported_page_contains_its_recordings(story: Story) -> None:
    add_wave()
    make_update(story, WAVE)
    html = exchange.story_html(story)
    assert 'src="data:video/webm;base64,' in html
    assert 'src="data:text/vtt;base64,' in html
    assert 'src="/' not in html


def test_an_edit_of_the_text_around_a_player_leaves_its_figure_as_it_is(
    story: Story,
) -> None:
    add_wave()
    entry = make_update(story, WAVE)
    figure = re.compile(r"<figure.*?</figure>", re.S)
    before = figure.findall(page_of(story))
    verbs.edit(entry, text("Look again.\n\n![](media:wave)\n\nNow."), version=1)
    assert figure.findall(page_of(story)) == before


def test_a_long_file_is_sent_in_pieces_as_the_reader_takes_it() -> None:
    image = add("wave", mp3(4000, tags=False))
    whole = (settings.IMAGES_DIR / image.path).read_bytes()

    async def get(**headers: str) -> tuple[int, str, list[bytes]]:
        answer = await AsyncClient().get(image.url, headers=headers)
        pieces = [piece async for piece in answer.streaming_content]
        return answer.status_code, answer["Content-Length"], pieces

    status, length, pieces = async_to_sync(get)()
    assert (status, length) == (200, str(len(whole)))
    assert b"".join(pieces) == whole
    assert max(map(len, pieces)) < len(whole) / 2
    status, length, pieces = async_to_sync(get)(range="bytes=5-")
    assert (status, length) == (206, str(len(whole) - 5))
    assert b"".join(pieces) == whole[5:]
