"""Quoted posts and embed codes: what editors paste, and what becomes of it."""

from __future__ import annotations

import html
import json
import random
import re
import time
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from entries import verbs
from entries.models import Entry, Story
from entries.pages import fragments
from entries.text import rendering
from entries.text.embeds import reduce_embeds
from entries.text.quotes import Quote, read_line
from entries.verbs import EntryText
from tests.builders import make_story, make_update, signed_in
from tests.test_media import export_of, frames

POST = "https://bsky.app/profile/ada.example/post/3k"
QUOTE = f"""\
> The **ferries** are back.
> Slowly.
>
> — Ada Quill (@ada_q.example) on Bluesky, 1015 GMT, 3 March 2026, {POST}"""


def shown(body: str) -> str:
    return fragments.body_html(rendering.ParsedBody(body), [], [])


# --- Quotations


@pytest.mark.pure
def test_a_quotation_whose_last_line_says_whose_post_it_is_is_a_figure():
    html = shown(f"Before.\n\n{QUOTE}\n\nAfter.")
    assert html.count("<figure") == html.count("</figure>") == 1
    assert (
        "<blockquote><p>The <strong>ferries</strong> are back.<br>Slowly.</p></bl"
        in html
    )
    time = 'datetime="2026-03-03T10:15Z">1015 GMT, 3 March 2026</time>'
    assert f'<time class="posted" {time}' in html
    assert f'href="{POST}" rel="nofollow noopener">See the post</a>' in html
    assert rendering.plain_text(html).split("\n") == [
        "Before.",
        "The ferries are back.",
        "Slowly.",
        "Ada Quill @ada_q.example",
        "Bluesky · 1015 GMT, 3 March 2026 · See the post",
        "After.",
    ]


@pytest.mark.pure
@pytest.mark.parametrize(
    "line",
    [
        "— Ada Quill",
        "— Ada Quill, 3 March 2026",
        "— Ada Quill on Radio Sorrava",
        "Ada Quill (@ada) on Bluesky",
        "— Ada (@ada) on X, javascript:steal(1)",
        "— Ada (@ada) on X, https://",
        "– and then they left, Ada, https://example.com/story",
        "— *The Ada Times*, https://example.com/story",
        "— Ada on Radio Sorrava, https://example.com/story",
        "— [Ada](https://example.com/story) (@ada)",
    ],
)
def test_other_quotations_stay_as_they_are(line: str):
    html = shown(f"> The ferries are back.\n>\n> {line}")
    assert "<figure" not in html
    assert "Ada" in html


@pytest.mark.pure
def test_marks_in_the_name_are_not_shown():
    html = shown(f"> Fog.\n>\n> — *Ada* Quill (@ada) on Bluesky, {POST}")
    assert "<cite>Ada Quill</cite>" in html


@pytest.mark.pure
@pytest.mark.parametrize(
    "when", ["١٠١٥ GMT, ٣ March ٢٠٢٦", "１０１５ GMT, ３ March ２０２６"]
)
def test_its_time_may_have_digits_of_any_script(when: str):
    quote = read_line(f"— نور (@nur) on Bluesky, {when}, {POST}")
    assert quote == Quote("نور", "@nur", "Bluesky", "1015 GMT, 3 March 2026", POST)


@pytest.mark.pure
def test_a_quotation_needs_words_of_its_own():
    assert "<figure" not in shown("> — Ada (@ada) on X, https://x.com/ada/status/1")


@pytest.mark.pure
def test_neighbouring_quotations_are_not_put_into_each_others_mouths():
    second = QUOTE.replace("Ada Quill", "Bo Finch").replace("ferries", "buses")
    html = shown(f"> Nobody said this.\n\n{QUOTE}\n\n{second}\n\n> Nor this.")
    figures = re.findall(r"<figure.*?</figure>", html, re.S)
    assert ["Ada Quill" in one for one in figures] == [True, False]
    assert ["buses" in one for one in figures] == [False, True]
    assert not any("Nobody" in one or "Nor this" in one for one in figures)


@pytest.mark.pure
def test_who_posted_it_is_text_alone():
    html = shown(
        '> Fog.\n>\n> — <b>Ada</b> "&" (@<script>) on <i>X</i>, https://x.com/a\'b/status/1'
    )
    assert "<b>" not in html
    assert "<script" not in html
    assert "&lt;b&gt;Ada&lt;/b&gt;" in html


@pytest.mark.pure
def test_in_lists_and_other_quotations_it_stays_a_quotation():
    for body in (f"- Fog\n- Ferries\n\n{_indented(QUOTE)}", _quoted(QUOTE)):
        html = shown(body)
        assert "<figure" not in html
        assert "Ada Quill" in html


def _indented(text: str) -> str:
    return re.sub("^", "    ", text, flags=re.M)


def _quoted(text: str) -> str:
    return re.sub("^", "> ", text, flags=re.M)


@pytest.mark.pure
@pytest.mark.parametrize(
    "quote",
    [
        Quote("Ada", "@ada"),
        Quote("Ada on Air", "@ada@social.example", "Mastodon"),
        Quote("Woman on the bridge", "", "Bluesky", "", POST),
        Quote("Ada on a ferry on fire", "", "X", "", "https://x.com/a/status/1"),
        Quote("Ada", "", "Instagram", "", "https://www.instagram.com/reel/abc/"),
        Quote("Quill, Ada", "", "", "3 March 2026", POST),
        Quote(
            "Ada", "@a", "X", "1015 GMT, 31 December 2025", "https://x.com/a/status/1"
        ),
    ],
)
def test_a_line_reads_back_as_it_was_written(quote: Quote):
    assert read_line(quote.line) == quote


# --- Embed codes

TWEET = (
    '<blockquote class="twitter-tweet"><p lang="en" dir="ltr">The ferries '
    '<a href="https://twitter.com/hashtag/fog">#fog</a> are back.<br><br>2. Slowly '
    '<a href="https://t.co/x">pic.twitter.com/x</a></p>&mdash; Ada &amp; Bo (@ada_q) '
    '<a href="https://twitter.com/ada_q/status/1764567890123456789?ref_src=twsrc%5Etfw">'
    "March 4, 2024</a></blockquote> <script async "
    'src="https://platform.twitter.com/widgets.js" charset="utf-8"></script>'
)
SKEET = (
    '<blockquote class="bluesky-embed" data-bluesky-uri='
    '"at://did:plc:x/app.bsky.feed.post/3lbq2abcdefgh" data-bluesky-cid="b"><p lang="en'
    '">'
    'Fog.<br><br><a href="https://bsky.app/profile/did:plc:x/post/3lbq2abcdefgh?ref_src=e">'
    "[image or embed]</a></p>&mdash; Ada (<a href="
    '"https://bsky.app/profile/did:plc:x?ref_src=embed">@ada.example</a>) <a href='
    '"https://bsky.app/profile/did:plc:x/post/3lbq2abcdefgh?ref_src=embed">'
    "November 24, 2024 at 10:15 AM</a></blockquote>"
    '<script async src="https://embed.bsky.app/static/embed.js"></script>'
)
CODES = {
    '<iframe width="560" src="https://www.youtube.com/embed/abc?si=x&amp;start=90" '
    'title="YouTube video player" allowfullscreen></iframe>': (
        "https://youtube.com/watch?v=abc#t=90s"
    ),
    '<div style="padding:56.25% 0 0 0;"><iframe src="https://player.vimeo.com/video/12?h=ab'
    '&amp;badge=0" title="Fog at sea"></iframe></div>'
    '<script src="https://player.vimeo.com/api/player.js"></script>': (
        "[Fog at sea](https://vimeo.com/12/ab)"
    ),
    '<iframe src="https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/2'
    '93&color=%23ff5500"></iframe><div style="font-size: 10px"><a href="https://soundcloud.'
    'com/ada" title="Ada">Ada</a> · <a href="https://soundcloud.com/ada/fog">Fog</a>'
    "</div>": ("[Fog — Ada](https://soundcloud.com/ada/fog)"),
    '<iframe src="https://open.spotify.com/embed/track/ab?utm_source=g" '
    'title="Spotify Embed: Fog Song"></iframe>': (
        "[Fog Song](https://open.spotify.com/track/ab)"
    ),
    '<script async src="https://telegram.org/js/telegram-widget.js?22" '
    'data-telegram-post="harbour/34" data-width="100%"></script>': (
        "https://t.me/harbour/34"
    ),
    '<div class="flourish-embed" data-src="visualisation/12"><script src="https://public.'
    'flourish.studio/resources/embed.js"></script><noscript><img src="https://public.'
    'flourish.studio/visualisation/12/thumbnail" alt="chart"></noscript></div>': (
        "https://public.flourish.studio/visualisation/12"
    ),
    '<iframe title="Flood levels" aria-label="Map" src="https://datawrapper.dwcdn.net/abcde/3'
    '/"></iframe><script type="text/javascript">!function(){if(1<2){a="</p>"}}();'
    "</script>": ("[Flood levels](https://datawrapper.dwcdn.net/abcde/3)"),
    '<blockquote class="instagram-media" data-instgrm-permalink="https://www.instagram.com/p/'
    'abc/?utm_source=ig_embed&amp;utm=l"><div><a href="https://www.instagram.com/p/abc/?utm">'
    "<div>View this post on Instagram</div></a><p><a href="
    '"https://www.instagram.com/p/abc/?utm">A post shared by Ada (@ada)</a></p></div>'
    '</blockquote> <script async src="//www.instagram.com/embed.js"></script>': (
        "[A post shared by Ada (@ada)](https://instagram.com/p/abc)"
    ),
    '<blockquote class="mastodon-embed" data-embed-url="https://social.example/@ada/112/embed"'
    '><a href="https://social.example/@ada/112"><svg><path d="M"/></svg><div>Post by '
    "@ada@social.example</div><div>View on Mastodon</div></a></blockquote>"
    '<script async src="https://social.example/embed.js"></script>': (
        "[Post by @ada@social.example](https://social.example/@ada/112)"
    ),
    '<blockquote class="tiktok-embed" cite="https://www.tiktok.com/@ada/video/12"> '
    '<section> <a title="@ada" href="https://www.tiktok.com/@ada?refer=embed">@ada</a> '
    "<p>Fog <a href="
    '"https://www.tiktok.com/tag/fog">#fog</a></p></section> </blockquote> '
    '<script async src="https://www.tiktok.com/embed.js"></script>': (
        "[Fog #fog — @ada](https://tiktok.com/@ada/video/12)"
    ),
    '<blockquote class="tiktok-embed" cite="https://www.tiktok.com/@ada/video/12"><section>'
    '<a href="https://www.tiktok.com/@ada?refer=embed">@ada</a> <p>Fog</p> <a '
    'href="https://www.tiktok.com/music/sea-1?refer=embed">♬ Sea - Bo</a> </section>'
    "</blockquote>": ("[Fog ♬ Sea - Bo — @ada](https://tiktok.com/@ada/video/12)"),
    '<iframe src="https://www.facebook.com/plugins/video.php?height=314&href=https%3A%2F%2F'
    'www.facebook.com%2Fwatch%2F%3Fv%3D12&show_text=false"></iframe>': (
        "https://facebook.com/watch?v=12"
    ),
    '<iframe src="https://www.openstreetmap.org/export/embed.html?bbox=-0.1%2C51.4%2C0.1%2C51'
    '.6&amp;layer=mapnik"></iframe><br/><small><a href="https://www.openstreetmap.org/#map=11/'
    '51.5/0.0">View Larger Map</a></small>': (
        "https://www.openstreetmap.org/#map=11/51.5/0.0"
    ),
    '<iframe src="//www.youtube.com/embed/abc" title="Fog > a < b"></iframe>': (
        "[Fog > a < b](https://youtube.com/watch?v=abc)"
    ),
    '<object><param name="movie" value="https://www.youtube.com/v/abc"></param><embed '
    'src="https://www.youtube.com/v/abc" type="x"></embed></object>': (
        "https://youtube.com/watch?v=abc"
    ),
    '<script src="https://geo.dailymotion.com/player/x.js" data-video="x8"></script>': (
        "https://dailymotion.com/video/x8"
    ),
    '<blockquote class="reddit-embed-bq"><a href="https://www.reddit.com/r/fog/comments/1/'
    'sea/">The sea</a><br> by<a href="https://www.reddit.com/user/ada/">u/ada</a> in<a '
    'href="https://www.reddit.com/r/fog/">fog</a></blockquote><script async="" src="htt'
    'ps://embed.reddit.com/widgets.js" charset="UTF-8"></script>': (
        "[The sea — u/ada](https://www.reddit.com/r/fog/comments/1/sea/)"
    ),
    '<blockquote class="text-post-media" data-text-post-permalink="https://www.threads.com/'
    '@ada/post/abc"><a href="https://www.threads.com/@ada/post/abc"><div><svg></svg><div>'
    "Post by @ada</div><div>View on Threads</div></div></a></blockquote><script async "
    'src="https://www.threads.com/embed.js"></script>': (
        "[Post by @ada](https://www.threads.com/@ada/post/abc)"
    ),
    TWEET: (
        "> The ferries #fog are back.\n>\n> 2. Slowly pic.twitter.com/x\n>\n"
        "> — Ada & Bo (@ada_q) on X, 0825 GMT, 4 March 2024, "
        "https://x.com/ada_q/status/1764567890123456789"
    ),
    SKEET: (
        "> Fog.\n>\n> — Ada (@ada.example) on Bluesky, 2222 GMT, 24 November 2024, "
        "https://bsky.app/profile/did:plc:x/post/3lbq2abcdefgh"
    ),
}
NO_CODES = [
    '<iframe src="https://evil.example/youtube.com/embed/abc"></iframe>',
    '<iframe src="https://www.youtube.com.evil.example/embed/abc"></iframe>',
    '<iframe src="javascript:steal(1)"></iframe>',
    '<iframe srcdoc="<script>steal(1)</script>"></iframe>',
    '<blockquote class="twitter-tweet"><p>Fog</p>&mdash; Ada (@ada) '
    '<a href="https://x.com.evil.example/ada/status/1">March 4, 2024</a></blockquote>',
    "<div class=a>" * 500,
    "<iframe src=" * 500,
    "The <div> tag, and a < b.",
    "<blockquote>Words</blockquote>",
]


@pytest.mark.pure
@pytest.mark.parametrize("code", CODES, ids=range(len(CODES)))
def test_an_embed_code_is_reduced_to_its_address_or_its_words(code: str):
    assert reduce_embeds(code) == CODES[code]
    around = reduce_embeds(f"Before: {code} after.\n\nEnd.")
    assert around == f"Before:\n\n{CODES[code]}\n\nafter.\n\nEnd."
    assert reduce_embeds(around) == around
    assert "<figure" in shown(around)


@pytest.mark.pure
@pytest.mark.parametrize("code", NO_CODES, ids=range(len(NO_CODES)))
def test_other_html_stays_as_it_was_typed(code: str):
    assert reduce_embeds(code) == code


@pytest.mark.pure
def test_codes_within_code_stay():
    code = next(iter(CODES))
    for body in (f"```\n{code}\n```", f"`{code}`"):
        assert reduce_embeds(body) == body


@pytest.mark.pure
def test_two_codes_become_two_blocks():
    first, second = list(CODES)[:2]
    reduced = reduce_embeds(f"{first}\n{second}")
    assert reduced == f"{CODES[first]}\n\n{CODES[second]}"


FRAME = (
    '<iframe width="560" src="https://www.youtube.com/embed/abc" '
    'title="YouTube video player"></iframe>'
)
OTHER = FRAME.replace("abc", "xyz")
CARD, CARD2 = (f"https://youtube.com/watch?v={name}" for name in ("abc", "xyz"))
WITH_WORDS = {
    f"<div class=x>My words. {FRAME} More.</div>": f"My words.\n\n{CARD}\n\nMore.",
    f"<figure>{FRAME}<figcaption>My caption</figcaption></figure>": (
        f"{CARD}\n\nMy caption"
    ),
    f"<div><p>My words.</p>{FRAME}</div>": f"My words.\n\n{CARD}",
    f"<div class=x>{FRAME}{OTHER}</div>": f"{CARD}\n\n{CARD2}",
    f"<div class=x><p>{'Long ' * 60}</p>{FRAME}</div>": (
        f"{'Long ' * 59}Long\n\n{CARD}"
    ),
    f'{FRAME}<p>My own note, <a href="https://a.example">source</a>.</p>': (
        f'{CARD}\n\n<p>My own note, <a href="https://a.example">source</a>.</p>'
    ),
    f'<div class=x>{FRAME} <a href="https://youtu.be/xyz">Bo</a></div>': (
        f"{CARD}\n\nBo (https://youtu.be/xyz)"
    ),
    '<blockquote class="tiktok-embed" cite="https://www.tiktok.com/@ada/video/12">'
    f'<section><a href="https://www.tiktok.com/@ada">@ada</a><p>{"Fog " * 50}</p>'
    "</section></blockquote>": (
        f"https://tiktok.com/@ada/video/12\n\n{'Fog ' * 49}Fog"
    ),
    '<div id="fb-root"></div><div class="fb-post" '
    'data-href="https://www.facebook.com/ada/posts/12"><blockquote class="fb-xfbml-pars'
    'e-ignore" cite="https://www.facebook.com/ada/posts/12"><p>Fog.</p>Posted by '
    '<a href="https://www.facebook.com/ada">Ada Q</a> on&nbsp;<a '
    'href="https://www.facebook.com/ada/posts/12">Thursday, August 27, 2015</a>'
    "</blockquote></div>": (
        "> Fog.\n>\n> — Ada Q on Facebook, 27 August 2015, "
        "https://facebook.com/ada/posts/12"
    ),
}


@pytest.mark.pure
@pytest.mark.parametrize("code", WITH_WORDS, ids=range(len(WITH_WORDS)))
def test_words_beside_the_frame_are_kept(code: str):
    assert reduce_embeds(code) == WITH_WORDS[code]


WRAPPERS = [
    "{}",
    '<div class="x">{}</div>',
    "<figure>{}</figure>",
    '<div class="x"><p>{}</p></div>',
    '<div class="a"><div class="b">{}</div><script src="x.js"></script></div>',
    "<blockquote>{}</blockquote>",
]
PROSE = [
    "",
    "ash bay",
    "<p>cow <b>dew</b></p>",
    '<p>See <a href="https://a.example/eel">fig</a>, <em>gnu</em>.</p>',
    '<a href="https://youtu.be/hay">ivy</a>',
    '<a href="https://www.youtube.com/watch?v=abc">jam</a>',
    "<figcaption>kit *let* [mud](https://a.example)</figcaption>",
    "<ul><li>nut<li>oak</ul>",
    "<table><tr><td>pea</table>",
    "<!-- unseen --><p>quay & rye &lt;sea",
    '<img src="https://a.example/tea.jpg" alt="">',
    '<iframe src="https://a.example/urn"></iframe>',
    "<![foo[ vet]]> wax",
    '<a href="https://[x">yam</a>',
]


@pytest.mark.pure
def test_no_visible_word_and_no_known_address_is_ever_lost():
    chance = random.Random(18)
    codes = [*CODES, *WITH_WORDS]
    for _ in range(1500):
        parts = [
            chance.choice([*PROSE, *chance.sample(codes, 2), FRAME, OTHER])
            for _ in range(chance.randint(1, 4))
        ]
        typed = chance.choice(WRAPPERS).format(
            chance.choice([" ", "\n", "<br>"]).join(parts)
        )
        body = chance.choice(["{}", "zoo\n{}\nzip", "zoo {} zip"]).format(typed)
        reduced = reduce_embeds(body)
        assert reduce_embeds(reduced) == reduced
        kept = set(re.findall(r"\w+", reduced))
        own = [part for part in parts if part in PROSE] + re.findall("zoo|zip", body)
        names = " ".join(own).replace("unseen", "").replace("&lt;", "<")
        for word in re.findall(r"\w+", re.sub("<[^<>]*>", " ", names)):
            assert word in kept, (word, body, reduced)
        for name in ("eel", "hay", "tea", "urn"):
            assert (name in body) <= (name in reduced), (name, body, reduced)
        for part in parts:
            if code := {FRAME: CARD, OTHER: CARD2}.get(part):
                assert code in reduced or part in reduced, (body, reduced)
            if part in CODES:
                assert _visible(part) - SAID_BY_SITES <= kept, (part, body, reduced)


SAID_BY_SITES = {
    "View",
    "this",
    "post",
    "on",
    "Instagram",
    "Mastodon",
    "by",
    "in",
    "Threads",
    "Larger",
    "Map",
}
SAID_BY_SITES |= {"image", "or", "embed", "at", "10", "15", "AM", "byu", "infog"}


TAG = re.compile('<(?:[^<>"]|"[^"]*")*>')


LINK_TAG = re.compile(r"</?a\b[^<>]*>")


def _visible(code: str) -> set[str]:
    seen = re.sub(r"<(script|svg|style|noscript)\b.*?</\1>", " ", code, flags=re.S)
    return set(re.findall(r"\w+", html.unescape(TAG.sub(" ", LINK_TAG.sub("", seen)))))


@pytest.mark.pure
@pytest.mark.parametrize(
    "body",
    [
        "<script src=x>" * 2000,
        "<div " + "data-" * 15_000,
        ("<div>" + FRAME + "<" * 13_000 + "</div>") * 5,
        "<div>" * 60 + FRAME + "<a><p>" * 2000 + "</div>" * 60,
        '<blockquote class="twitter-tweet">- '
        + " " * 6400
        + '<a href="https://x.com/a/status/123"></a></blockquote>',
        '<iframe src="https://youtu.be/abc" title="' + "!" * 4000 + 'x"></iframe>',
    ],
    ids=range(6),
)
def test_no_text_takes_long(body: str):
    began = time.process_time()
    reduce_embeds(body)
    assert time.process_time() - began < 3


@pytest.mark.pure
@pytest.mark.parametrize(
    "body",
    [
        f'<div class=x>{FRAME}<a href="https://[x">N</a></div>',
        f'<div class="x"><![foo[ bar]]> prose {FRAME}</div>',
    ],
)
def test_broken_html_is_saved_all_the_same(body: str):
    text = EntryText(body).tidy().body
    assert "N" in text or "prose" in text


@pytest.mark.pure
@pytest.mark.parametrize(
    "body",
    [
        f"- Fog\n- {FRAME}\n- Ferries",
        f"- Fog\n- Ferries\n\n    {FRAME}",
        f"> {FRAME}\n> Fog",
        f"| a | b |\n|---|---|\n| {FRAME} | c |",
        f"{FRAME} | b\n---|---\na | c",
        f"Type `see {FRAME} here`.",
    ],
)
def test_a_code_in_a_list_quotation_table_or_code_stays(body: str):
    assert reduce_embeds(body) == body


def test_a_code_that_is_posted_as_text_is_reduced(db: None):
    story, chief = make_story(), signed_in("chief", chief=True)
    code = next(iter(CODES))
    desk = f"/admin/entries/story/{story.pk}/change/"
    answer = chief.post(desk, {"body": f"Fog.\n{code}", "action": "preview"})
    assert "media-frame" in answer.content.decode()
    chief.post(desk, {"body": f"Fog.\n{code}", "action": "publish"})
    entry = Entry.objects.get()
    assert entry.body == f"Fog.\n\n{CODES[code]}"
    assert len(frames(entry.html)) == 1
    verbs.edit(entry, EntryText(TWEET, at=entry.at), version=1)
    entry.refresh_from_db()
    assert entry.body == CODES[TWEET]


# --- Pages, search, data and exports


@pytest.fixture
def story(db: None) -> Story:
    story = make_story("The Long Watch", slug="watch")
    make_update(story, f"The harbour says:\n\n{QUOTE}")
    return story


def test_a_quoted_post_is_searched_and_described(client: Client, story: Story):
    for words in ("ferries", "Quill", "Bluesky"):
        assert "The Long Watch" in client.get("/search/", {"q": words}).content.decode()
    quoted = {
        "text": "The ferries are back.\nSlowly.",
        "name": "Ada Quill",
        "handle": "@ada_q.example",
        "network": "Bluesky",
        "posted_at": "2026-03-03T10:15Z",
        "url": POST,
    }
    (entry,) = client.get("/stories/watch.json").json()["entries"]
    assert entry["quoted_posts"] == [quoted]
    page = client.get("/stories/watch/").content.decode()
    script = re.search(
        r'<script type="application/ld\+json">(.*?)</script>', page, re.S
    )
    assert script
    (update,) = json.loads(script[1])["liveBlogUpdate"]
    assert update["sharedContent"] == [
        {
            "@type": "SocialMediaPosting",
            "url": POST,
            "articleBody": quoted["text"],
            "datePublished": quoted["posted_at"],
            "author": {
                "@type": "Person",
                "name": "Ada Quill",
                "alternateName": "@ada_q.example",
            },
        }
    ]
    assert "Ada Quill" in client.get("/stories/watch/feed/").content.decode()


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_export_reads_back_with_its_quotation(
    story: Story, form: str, tmp_path: Any
):
    body = Entry.objects.get().body
    file = tmp_path / f"story.{'json' if form == 'json' else 'txt'}"
    file.write_text(export_of(story, form))
    Story.objects.all().delete()
    call_command("import_story", str(file), "--again")
    again = Entry.objects.get()
    assert again.body == body
    assert '<figure class="quote"' in again.html


# --- The form at the desk


def quoted(client: Client, story: Story, **fields: str) -> Any:
    return client.post(f"/admin/entries/story/{story.pk}/desk/quote/", fields)


def test_the_form_makes_a_quotation(story: Story):
    editor = signed_in("chief", chief=True)
    answer = quoted(
        editor,
        story,
        text="* Fog.\r\n* Ferries.",
        name=" Ada  Quill ",
        handle="ada.example",
        at="1015 3 March 2026",
        url=POST,
    )
    assert answer.json()["text"] == (
        "> \\* Fog.\n> \\* Ferries.\n>\n"
        f"> — Ada Quill (@ada.example) on Bluesky, 1015 GMT, 3 March 2026, {POST}"
    )


def test_the_address_fills_in_the_network_and_the_time(story: Story):
    url = "https://x.com/ada/status/1764567890123456789"
    answer = quoted(
        signed_in("chief", chief=True), story, text="Fog.", name="Ada", url=url
    )
    assert answer.json()["text"].endswith(
        f"> — Ada on X, 0825 GMT, 4 March 2024, {url}"
    )


def test_a_name_may_have_on_in_it(story: Story):
    answer = quoted(
        signed_in("chief", chief=True),
        story,
        text="Fog.",
        name="Woman on the bridge",
        url=POST,
    )
    assert answer.json()["text"].endswith(f"— Woman on the bridge on Bluesky, {POST}")


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"text": " "}, "text", "Paste the text of the post."),
        ({"name": ""}, "name", "Write who posted it."),
        (
            {"name": "Ada (@x)", "handle": ""},
            "name",
            "Leave out brackets and line breaks here.",
        ),
        ({"url": "bsky.app/x"}, "url", "Write the whole address"),
        ({"url": "javascript:steal(1)"}, "url", "Write the whole address"),
        ({"url": "mailto:a@b.example"}, "url", "Write the whole address"),
        ({"handle": "", "url": ""}, "url", "Add the address of the post or a handle."),
        ({"at": "half past"}, "at", "half past"),
        ({"network": "Truth, Social"}, "network", "Leave out brackets, commas"),
        (
            {"handle": "", "url": "https://example.com/post"},
            "handle",
            "Add a handle: this address is not of a known network.",
        ),
    ],
)
def test_the_form_says_what_is_missing(
    story: Story, wrong: dict[str, str], field: str, message: str
):
    fields = {"text": "Fog.", "name": "Ada", "handle": "@ada", "url": POST} | wrong
    answer = quoted(signed_in("chief", chief=True), story, **fields)
    assert answer.status_code == 422
    assert message in answer.json()["errors"][field]
