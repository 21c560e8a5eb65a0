"""Cards of videos and posts: which addresses they show, and what pages say of them."""

from __future__ import annotations

import json
import re
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client, override_settings

from entries import verbs
from entries.models import Entry, Story
from entries.operations import checks
from entries.pages import fragments
from entries.text import media, rendering
from entries.verbs import EntryText
from liveblog import environment
from tests.attacks import families
from tests.builders import make_original, make_story, make_update, signed_in
from tests.recordings import CAPTIONS, webm
from tests.test_pages import make_picture

VIDEO = "https://www.youtube.com/watch?v=fog_at-Quay1"
FRAMES = {
    VIDEO: "https://www.youtube-nocookie.com/embed/fog_at-Quay1?playsinline=1",
    "https://youtu.be/abc?si=xyz&t=1m30s": "/embed/abc?playsinline=1&start=90",
    "https://m.youtube.com/shorts/abc": "youtube-nocookie.com/embed/abc",
    "https://www.youtube.com/live/abc?feature=share": "youtube-nocookie.com/embed/abc",
    "https://www.youtube.com/playlist?list=PLx": "/embed/videoseries?list=PLx",
    "https://vimeo.com/12": "https://player.vimeo.com/video/12?dnt=1",
    "https://vimeo.com/12/ab34#t=90s": "video/12?h=ab34&dnt=1#t=90s",
    "https://www.dailymotion.com/video/x8": "geo.dailymotion.com/player.html?video=x8",
    "https://dai.ly/x8": "geo.dailymotion.com/player.html?video=x8",
    "https://bsky.app/profile/ada.example/post/3k": "/embed/ada.example/app.bsky",
    "https://x.com/ada/status/12?s=20": "embed/Tweet.html?id=12&dnt=true",
    "https://mobile.twitter.com/ada/status/12/photo/1": "embed/Tweet.html?id=12&dnt",
    "https://www.instagram.com/p/abc/?img_index=1": "instagram.com/p/abc/embed/",
    "https://www.instagram.com/ada/reel/abc/": "instagram.com/reel/abc/embed/",
    "https://www.tiktok.com/@ada.q/video/12": "https://www.tiktok.com/player/v1/12",
    "https://www.facebook.com/watch/?v=12": "video.php?href=https%3A%2F%2Fwww",
    "https://www.facebook.com/ada/posts/pfbid0a": "plugins/post.php?href=https%3A",
    "https://t.me/harbour/12": "https://t.me/harbour/12?embed=1&mode=tme",
    "https://soundcloud.com/ada/fog": "url=https%3A%2F%2Fsoundcloud.com%2Fada%2Ffog",
    "https://open.spotify.com/intl-de/episode/ab": "open.spotify.com/embed/episode/ab",
    "https://datawrapper.dwcdn.net/abcde/3/": "https://datawrapper.dwcdn.net/abcde/3/",
    "https://public.flourish.studio/story/12/": "flo.uri.sh/story/12/embed",
    "https://www.openstreetmap.org/#map=12/54.1/-3.2": "export/embed.html?bbox=-3.2",
    "https://osm.org/?mlat=54.1&mlon=-3.2#map=12/54.1/-3.2": "&marker=54.1,-3.2",
    "https://osm.org/?mlat=54.1&mlon=-3.2": "&marker=54.1,-3.2",
    "https://www.youtube.com/embed/live_stream?channel=UCa": "/live_stream?channel=UCa",
    "https://www.youtube.com/channel/UCa/live": "/live_stream?channel=UCa",
    "https://vimeo.com/12?h=ab34": "video/12?h=ab34&dnt=1",
    "https://vimeo.com/album/5/video/12": "video/12?dnt=1",
    "https://www.dailymotion.com/video/x8abc_fog_over-the-quay": "html?video=x8abc",
    "https://web.facebook.com/watch/?v=12": "video.php?href=https%3A%2F%2Fweb",
    "https://www.facebook.com/watch/live/?v=12": "watch%2Flive%2F%3Fv%3D12",
    "https://www.facebook.com/ada/posts/fog/12": "ada%2Fposts%2Ffog%2F12&show",
    "https://www.facebook.com/ada/photos/a.1/12": "ada%2Fphotos%2Fa.1%2F12&show",
    "https://instagr.am/p/abc/": "instagram.com/p/abc/embed/",
    "https://telegram.me/harbour/12": "https://t.me/harbour/12?embed=1",
    "https://soundcloud.com/ada/fog/s-AbC": "soundcloud.com%2Fada%2Ffog%2Fs-AbC",
    "https://soundcloud.com/ada/fog?secret_token=s-AbC": "fog%3Fsecret_token%3Ds-AbC",
    "https://soundcloud.com/ada/sets/fog/s-AbC": "ada%2Fsets%2Ffog%2Fs-AbC",
    "https://open.spotify.com/user/ada/playlist/ab": "spotify.com/embed/playlist/ab",
}
# Cards that readers only follow.
LINKS = [
    "https://www.youtube.com/clip/abc",
    "https://vimeo.com/event/12",
    "https://www.instagram.com/share/p/abc",
    "https://www.instagram.com/share/reel/abc",
    "https://www.facebook.com/share/r/abc/",
    "https://www.openstreetmap.org/relation/12",
    "https://osm.org/go/0EEQjE--",
]
# Frames, and the pages that embed codes are reduced to.
PAGES = {
    "https://www.youtube.com/embed/live_stream?channel=UCa": (
        "https://youtube.com/channel/UCa/live"
    ),
    "https://www.youtube-nocookie.com/embed/videoseries?list=PLx": (
        "https://youtube.com/playlist?list=PLx"
    ),
    "https://player.vimeo.com/video/12?h=ab": "https://vimeo.com/12/ab",
    "https://www.dailymotion.com/video/x8_fog": "https://dailymotion.com/video/x8",
    "https://www.facebook.com/plugins/post.php?href="
    "https%3A%2F%2Fwww.facebook.com%2Fada%2Fposts%2Ffog%2F12": (
        "https://facebook.com/ada/posts/fog/12"
    ),
    "https://soundcloud.com/ada/fog?secret_token=s-A": (
        "https://soundcloud.com/ada/fog/s-A"
    ),
    "https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/"
    "soundcloud%253Atracks%253A29&color=%23ff5500": (
        "https://w.soundcloud.com/player/?url=https%3A%2F%2Fapi.soundcloud.com"
        "%2Ftracks%2Fsoundcloud%253Atracks%253A29"
    ),
    "https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/playlists/29"
    "%3Fsecret_token%3Ds-A&visual=true": (
        "https://w.soundcloud.com/player/?url=https%3A%2F%2Fapi.soundcloud.com"
        "%2Fplaylists%2F29%3Fsecret_token%3Ds-A"
    ),
}
NO_CARDS = [
    "https://www.youtube.com/",
    "https://www.youtube.com/@harbour",
    "https://youtube.com.evil.example/watch?v=abc",
    "https://www.youtube.com.evil.example/watch?v=abc",
    "https://evilyoutube.com/watch?v=abc",
    "https://youm.tube.com/watch?v=abc",
    "https://youwww.tube.com/watch?v=abc",
    "https://youtube.com@evil.example/watch?v=abc",
    "https://evil.example@youtube.com/watch?v=abc",
    "https://user:word@www.youtube.com/watch?v=abc",
    "https://www.youtube.com:8443/watch?v=abc",
    "https://www.youtube.com./watch?v=abc",
    "https://www.y\u043eutube.com/watch?v=abc",
    "https://www.xn--yutube-wqf.com/watch?v=abc",
    "https://evil.example/https://www.youtube.com/watch?v=abc",
    "https://evil.example/?https://www.youtube.com/watch?v=abc",
    "https://evil.example#https://youtu.be/abc",
    "https://evil.example\\@youtu.be/abc",
    "javascript://www.youtube.com/watch?v=abc",
    "//www.youtube.com/watch?v=abc",
    "https://www.youtube.com/watch?v=a'b",
    "https://www.youtube.com/watch?v=a%22onload%3D",
    f"https://youtu.be/{'a' * 2000}",
    f"https://www.youtube.com/watch?v={'a' * 200}",
    f"https://www.youtube.com/watch?{'&'.join('a=b' for _ in range(200))}&v=abc",
    "https://www.facebook.com/plugins/video.php?href=javascript:steal(1)",
    "https://www.facebook.com/plugins/video.php?href=https://evil.example/watch?v=1",
    "https://w.soundcloud.com/player/?url=https://w.soundcloud.com/player/?url=x",
    "https://www.openstreetmap.org/#map=99/54.1/-3.2",
    "https://www.openstreetmap.org/export/embed.html?bbox=1,2,3,steal",
]


def shown(body: str) -> str:
    return fragments.body_html(rendering.ParsedBody(body), [], [])


def frames(html: str) -> list[str]:
    found = re.findall(r'<media-frame\s+src="([^"]*)"', html)
    return [address.replace("&amp;", "&") for address in found]


# --- Addresses


@pytest.mark.pure
@pytest.mark.parametrize("address", FRAMES)
def test_an_address_of_a_known_site_becomes_a_card(address: str):
    html = shown(f"Before.\n\n{address}\n\nAfter.")
    assert FRAMES[address] in frames(html)[0]
    href = address.replace("&", "&amp;")
    assert f'<a href="{href}" rel="nofollow noopener">' in html


@pytest.mark.pure
@pytest.mark.parametrize("address", LINKS)
def test_an_address_without_a_frame_becomes_a_card_that_links(address: str):
    html = shown(f"Before.\n\n{address}")
    assert f'<a href="{address}" rel="nofollow noopener">' in html
    assert "<figure" in html
    assert not frames(html)


@pytest.mark.pure
@pytest.mark.parametrize("address", PAGES)
def test_the_page_of_a_frame_shows_the_same(address: str):
    found = media.find(address)
    assert found
    assert found.page == PAGES[address]
    again = media.find(found.page)
    assert again
    assert again.frame
    assert again.page == found.page


@pytest.mark.pure
@pytest.mark.parametrize("address", NO_CARDS)
def test_an_address_that_only_resembles_one_does_not(address: str):
    for line in (address, f"[Fog — Ada]({address})"):
        assert "<media-frame" not in shown(f"Before.\n\n{line}")


@pytest.mark.pure
def test_every_frame_is_of_a_host_that_the_policy_lists():
    for address in FRAMES:
        (frame,) = frames(shown(address))
        assert frame.split("/")[2] in {s.split("/")[2] for s in media.frame_sources()}
    assert all(source.startswith("https://") for source in media.frame_sources())


@pytest.mark.pure
def test_no_attack_makes_a_frame_of_another_host():
    allowed = {source.split("/")[2] for source in media.frame_sources()}
    places = ["{}", "[Fog — Ada]({})", "![](image:fog)\n{}", "> {}", "- {}\n- b"]
    bodies = [place.replace("{}", one) for place in places for one in NO_CARDS]
    for body in [*bodies, *(one for kind in families().values() for one in kind)]:
        html = shown(body)
        assert {frame.split("/")[2] for frame in frames(html)} <= allowed, body
        for source in re.findall(r"<(?:iframe|script|embed|object)\b", html):
            raise AssertionError(f"{source} in {body}")


# --- Marks


@pytest.mark.pure
def test_title_and_author_are_those_that_were_typed():
    html = shown(f"[Fog *over* the quay — live — Ada Quill]({VIDEO})")
    assert rendering.plain_text(html) == (
        "Fog over the quay — live\nAda Quill · YouTube"
    )
    for title in (
        "# *Fog*",
        "1. *Fog*",
        "- *Fog*",
        "> *Fog*",
        "## Fog ~ and",
        "*Fog* #",
    ):
        text = rendering.plain_text(shown(f"[{title}]({VIDEO})"))
        assert text == f"{title.replace('*', '')}\nYouTube"
    assert rendering.plain_text(shown(VIDEO)) == "Video on YouTube"
    assert rendering.plain_text(shown(f"[Fog]({VIDEO})")) == "Fog\nYouTube"
    assert rendering.plain_text(shown(f"[{VIDEO}]({VIDEO})")) == "Video on YouTube"
    escaped = shown(f'[<b>Fog</b> — "Ada" <script>]({VIDEO})')
    assert "&lt;b&gt;Fog&lt;/b&gt;" in escaped
    assert "<script" not in escaped


@pytest.mark.pure
def test_a_line_within_a_paragraph_is_a_card_too():
    html = shown(f"Before.\n{VIDEO}\nAfter.")
    assert len(frames(html)) == 1
    assert html.startswith("<p>Before.</p>")
    assert html.endswith("<p>After.</p>")


@pytest.mark.pure
@pytest.mark.parametrize("mark", ["**", "*", "__", "~~", "***"])
def test_marks_around_the_line_of_a_card_are_parsed(mark: str):
    html = shown(f"{mark}Watch\n{VIDEO}\nnow{mark}")
    assert len(frames(html)) <= 1
    assert VIDEO in html
    assert mark[0] not in rendering.plain_text(html).replace("fog_at", "")
    # Marks on one side alone hide no card.
    for body in (
        f"{mark}Watch{mark} {mark}5\n{VIDEO}\nnow",
        f"5 {mark} 3\n{VIDEO}\n7{mark}",
    ):
        assert len(frames(shown(body))) == 1


@pytest.mark.pure
@pytest.mark.parametrize(
    "body",
    [
        f"See {VIDEO}",
        f"- {VIDEO}\n- Fog",
        f"- Fog\n- Ferries\n{VIDEO}",
        f"> {VIDEO}",
        f"> Fog\n{VIDEO}",
        f"```\n{VIDEO}\n```",
        f"| a | b |\n|---|---|\n| {VIDEO} | c |",
        f"\\[Fog\\]({VIDEO})",
        f"`{VIDEO}`",
        f'[Fog]({VIDEO} "title")',
    ],
)
def test_elsewhere_an_address_stays_a_link_or_text(body: str):
    html = shown(body)
    assert "media-frame" not in html
    assert VIDEO in html


@pytest.mark.pure
@pytest.mark.parametrize("end", [".", ")", "!", ",", ".)"])
def test_an_address_that_ends_a_sentence_is_a_link(end: str):
    html = shown(f"Before.\n\n{VIDEO}{end}")
    assert "<figure" not in html
    assert f"</a>{end}</p>" in html


@pytest.mark.pure
def test_a_post_of_another_network_is_a_card_without_a_frame():
    html = shown("[The harbour is open — Ada](https://social.example/@ada/112)")
    assert rendering.plain_text(html) == "The harbour is open\nAda · social.example"
    assert "media-frame" not in html
    with override_settings(MASTODON_HOSTS=["social.example"]):
        html = shown("https://social.example/@ada/112")
        assert frames(html) == ["https://social.example/@ada/112/embed"]
        assert "https://social.example" in media.frame_sources()
        assert "media-frame" not in shown("https://other.example/@ada/112")


@pytest.mark.pure
def test_a_card_names_the_site_that_its_frame_asks():
    with override_settings(
        MEDIA_PROVIDERS=json.dumps([STAND_IN]), MASTODON_HOSTS=["social.example"]
    ):
        for url, site in {
            VIDEO: "youtube-nocookie.com",
            "https://vimeo.com/12": "vimeo.com",
            "https://x.com/ada/status/12": "platform.twitter.com",
            "https://bsky.app/profile/ada.example/post/3k": "bsky.app",
            "https://www.instagram.com/p/abc/": "instagram.com",
            "https://public.flourish.studio/story/12/": "flo.uri.sh",
            "https://www.openstreetmap.org/#map=12/54.1/-3.2": "openstreetmap.org",
            "https://tv.harbour.example/watch/fog-1": "player.harbour.example",
            "https://social.example/@ada/112": "social.example",
        }.items():
            found = media.find(url)
            assert found
            assert found.site == site, url
            assert f'site="{site}"' in shown(url)


# --- Settings

STAND_IN = {
    "name": "Harbour TV",
    "kind": "video",
    "urls": ["tv.harbour.example/watch/{id}"],
    "frame": "https://player.harbour.example/{id}",
}


@pytest.mark.pure
def test_a_setting_adds_sites():
    with override_settings(MEDIA_PROVIDERS=json.dumps([STAND_IN])):
        html = shown("https://tv.harbour.example/watch/fog-1")
        assert frames(html) == ["https://player.harbour.example/fog-1"]
        assert "https://player.harbour.example" in media.frame_sources()
        assert checks.check_media_providers() == []


@pytest.mark.pure
@pytest.mark.parametrize(
    "change",
    [
        {"kind": "film"},
        {"shape": "round"},
        {"frame": "javascript:steal('{id}')"},
        {"frame": "http://player.harbour.example/{id}"},
        {"frame": "https://{id}.harbour.example/"},
        {"frame": "https://player.harbour.example/{number}"},
        {"frame": "https://news.example/{id}"},
        {"frame": "https://NEWS.example:443/{id}"},
        {"urls": []},
        {"urls": ["tv.harbour.example/{id}/{id}"]},
        {"start": "t={x}"},
        {"start": "t={}"},
        {"urls": "tv.harbour.example/{id}"},
        {"urls": ["https://tv.harbour.example/{id}"]},
        {"frame": "https://harbour.example; script-src *//{id}"},
        {"colour": "red"},
    ],
)
def test_a_setting_that_describes_no_site_is_an_error(change: dict[str, Any]):
    rows = json.dumps([STAND_IN | change])
    with override_settings(MEDIA_PROVIDERS=rows, SITE_URL="https://news.example"):
        (error,) = checks.check_media_providers()
        assert error.id == "entries.E010"
        with pytest.raises(ImproperlyConfigured, match="MEDIA_PROVIDERS_FILE"):
            media.find(VIDEO)
    with override_settings(MEDIA_PROVIDERS="{"):
        assert len(checks.check_media_providers()) == 1


@pytest.mark.pure
def test_the_site_itself_is_no_host_of_mastodon():
    with override_settings(
        MASTODON_HOSTS=["news.example:443"], SITE_URL="https://news.example"
    ):
        (error,) = checks.check_media_providers()
        assert "MASTODON_HOSTS has news.example:443, which is this site" in error.msg


# --- Pages


@pytest.fixture
def told(db: None) -> tuple[Story, Entry]:
    story = make_story("The Long Watch", slug="watch")
    make_original(story)
    body = f"The fog lifts.\n\n[Fog & foghorns — Ada Quill]({VIDEO})"
    return story, make_update(story, body)


def test_pages_show_cards_and_allow_their_frames_only(told: tuple[Story, Entry]):
    story, entry = told
    page = f"/stories/{story.slug}/"
    for path in (page, f"{page}updates/{entry.pk}/"):
        answer = Client().get(path)
        assert "Fog &amp; foghorns" in answer.content.decode()
        policy = answer["Content-Security-Policy"]
        sources = re.search(r"frame-src ([^;]*)", policy)
        assert sources
        assert sources[1].split() == media.frame_sources()
        assert "<iframe" not in answer.content.decode()
        assert '<script src="/static/entries/media.js"' not in answer.content.decode()
    for path in ("/", "/feed/", "/search/?q=fog", f"{page}updates/{entry.pk}/history/"):
        assert "frame-src" not in Client().get(path)["Content-Security-Policy"], path
    desk = signed_in("chief", chief=True).get(
        f"/admin/entries/story/{story.pk}/change/"
    )
    assert "frame-src" not in desk["Content-Security-Policy"]


def test_feeds_and_exports_have_links_and_words(told: tuple[Story, Entry]):
    story, _ = told
    feed = Client().get(f"/stories/{story.slug}/feed/").content.decode()
    for text in (feed, export_of(story, "html")):
        assert "Fog &amp; foghorns" in text or "Fog &amp;amp; foghorns" in text
        assert "media-frame" not in text.split("</style>")[-1]
        assert "Ada Quill" in text


def export_of(story: Story, form: str) -> str:
    out = StringIO()
    call_command("export_story", story.slug, "--format", form, stdout=out)
    return out.getvalue()


def test_data_lists_what_a_text_shows(told: tuple[Story, Entry]):
    story, _ = told
    update = Client().get(f"/stories/{story.slug}.json").json()["entries"][-1]
    assert update["body"].endswith(f"[Fog & foghorns — Ada Quill]({VIDEO})")
    assert update["media"] == [
        {
            "kind": "video",
            "provider": "YouTube",
            "url": VIDEO,
            "title": "Fog & foghorns",
            "author": "Ada Quill",
            "frame": FRAMES[VIDEO],
        }
    ]
    page = Client().get(story.get_absolute_url()).content.decode()
    script = re.search(
        r'<script type="application/ld\+json">(.*?)</script>', page, re.S
    )
    assert script
    (video,) = json.loads(script[1])["liveBlogUpdate"][0]["video"]
    assert video == {
        "@type": "VideoObject",
        "url": VIDEO,
        "name": "Fog & foghorns",
        "embedUrl": FRAMES[VIDEO],
        "author": {"@type": "Person", "name": "Ada Quill"},
    }


def test_search_finds_title_and_author(told: tuple[Story, Entry]):
    for word in ("foghorns", "Quill"):
        found = Client().get("/search/", {"q": word}).content.decode()
        assert "The Long Watch" in found, word


def test_a_picture_directly_above_is_the_poster(db: None):
    story = make_story(slug="watch")
    make_picture("quay", alt="The quay at night", credit="Bo Finch")
    above = make_update(story, f"![](image:quay)\n{VIDEO}")
    apart = make_update(story, f"![](image:quay)\n\n{VIDEO}")
    assert above.html.count("<figure") == 1
    assert re.search(r"<media-frame[^>]*>\s*<picture>", above.html)
    assert 'alt="The quay at night"' in above.html
    assert "Bo Finch" in above.html
    assert apart.html.count("<figure") == 2
    data = Client().get("/stories/watch.json").json()
    assert [one["name"] for one in data["pictures"]] == ["quay"]


@pytest.mark.parametrize("url", [VIDEO, "https://medium.com/@ada/1"])
def test_a_recording_directly_above_a_card_keeps_its_player(db: None, url: str):
    ingested = verbs.ingest_upload(BytesIO(webm()))
    texts = {"alt": "A wave", "captions": CAPTIONS, "credit": "Bo Finch"}
    verbs.add_image("wave", ingested, **texts)
    html = make_update(make_story(), f"![](media:wave)\n{url}").html
    player, card = html.index("<video"), html.index('<figure class="media')
    assert html.index("Bo Finch") < html.index("</figure>", player) < card
    assert html.count("<figure") == 2
    assert "Picture:" not in html


def test_a_poster_keeps_its_caption(db: None):
    make_picture("quay", alt="Boats", caption="The quay < at night", credit="Bo Finch")
    story = make_story()
    framed = make_update(story, f"![](image:quay)\n{VIDEO}").html
    assert framed.count("<figure") == 1
    assert framed.count("The quay &lt; at night") == framed.count("Bo Finch") == 1
    # A card without a frame shows no poster, so the picture is one of its own.
    linked = make_update(story, "![](image:quay)\nhttps://medium.com/@ada/1").html
    assert re.search(
        r"<figure >.*The quay &lt; at night.*</figure>.*<figure", linked, re.S
    )
    assert linked.count("The quay &lt; at night") == linked.count("Bo Finch") == 1
    assert linked.count("<picture>") == 1


def test_a_poster_needs_alt_text_and_must_exist(db: None):
    story = make_story()
    with pytest.raises(verbs.Refused, match="no picture named “gone”"):
        make_update(story, f"![](image:gone)\n{VIDEO}")


def test_older_texts_get_cards_when_they_are_rendered_again(told: tuple[Story, Entry]):
    story, entry = told
    new = entry.html
    Entry.objects.filter(pk=entry.pk).update(html="<p>as before</p>")
    call_command("rerender")
    entry.refresh_from_db()
    assert entry.html == new
    assert (
        Client().get(story.get_absolute_url()).content.decode().count("<media-frame")
        == 1
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_export_reads_back_with_its_cards(
    told: tuple[Story, Entry], form: str, tmp_path: Any
):
    story, _ = told
    make_update(story, f"{VIDEO}\n\nWords below.")
    bodies = [one.body for one in Entry.objects.order_by("kind", "at", "pk")]
    file = tmp_path / f"story.{'json' if form == 'json' else 'txt'}"
    file.write_text(export_of(story, form))
    Story.objects.all().delete()
    call_command("import_story", str(file), "--again")
    again = Entry.objects.order_by("kind", "at", "pk")
    assert [one.body for one in again] == bodies
    assert [len(frames(one.html)) for one in again] == [0, 1, 1]


def test_an_edit_elsewhere_leaves_a_card_as_it_is(told: tuple[Story, Entry]):
    _, entry = told
    card = re.search(r"<figure.*</figure>", entry.html, re.S)
    verbs.edit(
        entry,
        EntryText(entry.body.replace("lifts", "thickens"), at=entry.at),
        version=1,
    )
    entry.refresh_from_db()
    assert card
    assert card[0] in entry.html


@pytest.mark.pure
@pytest.mark.parametrize(
    "value", ["https://social.example", "social.example/@ada", "x"]
)
def test_a_mastodon_host_that_is_none_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str
):
    monkeypatch.setenv("MASTODON_HOSTS", f"mastodon.example, {value}")
    with pytest.raises(ImproperlyConfigured, match="write hosts alone"):
        environment.hosts("MASTODON_HOSTS")
    monkeypatch.setenv("MASTODON_HOSTS", "Mastodon.example, social.example:8443")
    assert environment.hosts("MASTODON_HOSTS") == [
        "mastodon.example",
        "social.example:8443",
    ]
    monkeypatch.setenv("MEDIA_PROVIDERS_FILE", "/no/such/file.json")
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        environment.contents("MEDIA_PROVIDERS_FILE")
