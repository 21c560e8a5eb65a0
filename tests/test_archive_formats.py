"""Corpora, LiveBlogPostings, feeds, Google Docs and logs become stories."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from entries.exchange.archives import ArchiveOptions, schema_org
from entries.exchange.archives.base import ArchiveStory, SourceFile
from entries.models import Entry, Image, Story
from entries.text import rendering
from tests.test_archives import Ran, write
from tests.test_import_story import picture
from tests.visible_words import visible_words

pytestmark = pytest.mark.django_db
SITE = "https://www.skerrin.example"

BBC = {
    "title": "Skerrin votes on the bridge",
    "url": f"{SITE}/news/live/skerrin-36591142",
    "genre": "Politics",
    "summary": ["The bridge is approved.", "Turnout was 61%."],
    "documents": [
        {"text": ["The count is over."], "block_id": "b5", "time": "00:10"},
        {
            "text": ["Second of the minute.", "Ayes lead by <b>12</b>."],
            "title": "Second of the",
            "block_id": "b4",
            "time": "23:50",
            "block_kind": "key-event",
            "author": "Ana Reyes",
        },
        {"text": ["First of the minute."], "title": "Halfway", "time": "23:50"},
        {"text": "* Not his real name & more.", "title": "", "time": "09:05"},
    ],
}
GUARDIAN = {
    "title": "Harbour strike live",
    "url": f"{SITE}/live/harbour-strike",
    "documents": [
        {"text": ["Ferries sail."], "time": [2016, 6, 23, 21, 5], "is_key_event": True},
        {"text": ["Pickets."], "time": [2016, 6, 23, 6, 5], "is_key_event": False},
    ],
}
POSTING = {
    "@type": ["LiveBlogPosting", "NewsArticle"],
    "@id": f"{SITE}/live/1#blog",
    "url": f"{SITE}/live/1",
    "headline": "Storm &amp; tide in Skerrin",
    "description": "The highest water since 1953.",
    "coverageStartTime": "2016-12-20T09:00:00+01:00",
    "coverageEndTime": "2016-12-21T03:00:00+01:00",
    "keywords": ["flood", "harbour"],
    "image": [f"{SITE}/f/dome.jpg", f"{SITE}/f/dome-small.jpg"],
    "inLanguage": "en-GB",
    "liveBlogUpdate": [
        {
            "@type": "BlogPosting",
            "headline": "Water rises fast in the har…",
            "articleBody": "Water rises fast in the harbour.\n\nBoats break loose.",
            "datePublished": "2016-12-20T20:16:00-05:00",
            "author": {"@id": "#ana"},
            "url": f"{SITE}/live/1?update=9",
        },
        {
            "@type": "BlogPosting",
            "headline": "Sirens in the old town",
            "articleBody": "<p>Sirens <b>sound</b>: see <a href='/map'>the map</a>.</p>"
            "<iframe src='https://www.youtube.com/embed/abcdefghijk'></iframe>",
            "datePublished": "2016-12-21T00:40:00+05:30",
            "image": {
                "@type": "ImageObject",
                "url": f"{SITE}/f/sirens.jpg",
                "caption": "A siren",
                "creditText": "Ana Reyes",
            },
        },
        {
            "@type": "BlogPosting",
            "headline": "Old tide tables were wrong",
            "articleBody": "Older tables said so.",
            "datePublished": "2016-12-20T12:00:00Z",
        },
    ],
}
PAGE = f"""<!doctype html><html><head><title>Storm</title>
<script type="application/ld+json">{{"@type": "BreadcrumbList"}}</script>
<script type="application/ld+json">{{broken</script>
<script type="application/ld+json">
{
    json.dumps(
        {
            "@context": "https://schema.org",
            "@graph": [
                {"@type": "Person", "@id": "#ana", "name": "Ana Reyes"},
                POSTING,
            ],
        }
    )
}
</script></head><body><p>Menu</p></body></html>"""
ATOM = f"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Fog, as it came</title>
<id>tag:skerrin.example,2016:fog</id><subtitle>Ferries wait.</subtitle>
<link href="{SITE}/fog"/>
<entry><title>Ferries sail again</title><id>3</id>
  <published>2016-12-20T21:00:00+09:00</published><author><name>Ana</name></author>
  <content type="html">&lt;p&gt;All &lt;em&gt;five&lt;/em&gt; lines.&lt;/p&gt;</content>
  <link rel="enclosure" type="image/jpeg" href="/f/quay.jpg"/>
  <link href="{SITE}/fog/3"/></entry>
<entry><title>Second</title><id>2</id><updated>2016-12-20T10:00:00Z</updated>
  <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><ul><li>One</li>
  <li>Two <b>x</b></li></ul></div></content></entry>
<entry><title>First</title><id>1</id><updated>2016-12-20T10:00:00Z</updated>
  <summary>Plain 5 &lt; 6 text</summary><category term="weather"/></entry></feed>"""
RSS = f"""<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Budget day</title><link>{SITE}/budget</link><description>The vote
</description>
<item><title>Vote at nine</title><pubDate>Wed, 20 Jul 2016 20:16:00 BST</pubDate>
<description>In short.</description><guid isPermaLink="false">9</guid>
<content:encoded><![CDATA[<p>A&nbsp;long day.</p>]]></content:encoded>
<enclosure url="{SITE}/f/vote.mp3" type="audio/mpeg"/></item>
<item><title>Debate</title><pubDate>Wed, 20 Jul 2016 12:00:00 EST</pubDate>
<description>&lt;p&gt;They speak&lt;/p&gt;</description></item></channel></rss>"""
DOCUMENT = """<html><head><meta content="text/html; charset=UTF-8">
<style type="text/css">@import url('https://themes.googleusercontent.com/fonts/css');
.c1{font-weight:700}.c2{font-style:italic}.c3{color:#000;font-weight:400}</style></head>
<body class="c9 doc-content"><p class="c0 title"><span class="c3">Harbour log</span></p>
<p><span class="c3">Times in Europe/Berlin</span></p><p><span>20 July 2016</span></p>
<p class="c0"><span class="c1">20:16</span><span class="c3"> Boats </span>
<span class="c2">leave</span> the <a href="https://www.google.com/url?q=https://x.example/h\
%3Fa%3D1&amp;sa=D">harbour</a><sup><a href="#cmnt1" id="cmnt_ref1">[a]</a></sup>
<ins>not yet</ins></p>
<ul class="lst-kix_a-0 start"><li>one</li></ul>
<ul class="lst-kix_a-1"><li>inner</li></ul>
<ul class="lst-kix_a-0"><li>two</li></ul>
<p><span><img alt="A boat" src="images/image1.png"></span></p>
<p><span class="c1">21:00 &ndash; </span><span>Second report</span></p>
<div><p><a href="#cmnt_ref1" id="cmnt1">[a]</a><span>check this</span></p></div>
</body></html>"""
LOG = """Bridge closes after a lorry fire
All times CET

Our reporters follow the closure.

20 December 2016
23:40 – First reports of smoke.
23:40 Second line of the minute

A second paragraph: * a star, > 50%.
23:58: Police close the bridge.
00:10 The fire is out. 20.16 million
1:05 am EST Bridge stays closed
"""
SAMPLES: dict[str, tuple[str, str]] = {
    "corpora": ("a.json", json.dumps(BBC)),
    "feed": ("b.txt", ATOM),
    "google-docs": ("c.html", DOCUMENT),
    "log": ("d.txt", LOG),
    "schema.org": ("e.html", PAGE),
}


def imported(folder: Path, content: object, *args: object, name: str = "story") -> Ran:
    ran = Ran(write(folder, name, content), "--publish", *args)
    assert not ran.error, ran.data
    return ran


def updates() -> list[Entry]:
    """Return the updates of the only story, the newest first, as readers see them."""
    story = Story.objects.get()
    postings = story.postings.filter(
        entry__kind=Entry.Kind.UPDATE, entry__at__isnull=False
    )
    return [posting.entry for posting in postings.order_by("-at", "-entry_id")]


def times() -> list[str]:
    return [f"{update.at:%d %H%M}" if update.at else "" for update in updates()]


def bodies() -> list[str]:
    return [update.body for update in updates()]


def left_out(ran: Ran) -> dict[str, list[str]]:
    return {each["what"]: each["texts"] for each in ran.stories[0]["left_out"]}


# --- All formats


@pytest.mark.parametrize("name", SAMPLES)
def test_each_format_is_told_by_its_content_and_imported_once(
    tmp_path: Path, name: str
):
    file, content = SAMPLES[name]
    first = imported(tmp_path, content, name=file)
    assert first.stories[0]["format"] == name
    again = imported(tmp_path, content, name=file)
    assert (first.counts, again.counts) == ({"imported": 1}, {"before": 1})
    assert Story.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "unseen"),
    [
        ("corpora", "title url genre summary documents text block_id time author"),
        ("feed", ""),
        ("google-docs", "July"),
        ("log", ""),
    ],
)
def test_every_visible_word_is_on_the_page_or_in_the_list(
    tmp_path: Path, name: str, unseen: str
):
    file, content = SAMPLES[name]
    day = ("--date", "2016-06-23") if name == "corpora" else ()
    ran = imported(tmp_path, content, *day, name=file)
    page = Client().get(Story.objects.get().get_absolute_url()).content.decode()
    listed = " ".join(text for each in left_out(ran).values() for text in each)
    shown = re.findall(
        r"[^\W\d_]{2,}", " ".join([*visible_words(page), listed, unseen])
    )
    source = (
        json.dumps([BBC["title"], BBC["summary"], BBC["documents"]])
        if name == "corpora"
        else content.replace("&lt;", "<").replace("&gt;", ">")
    )
    source = re.sub(
        r"\\n|null|key-event|block_kind|<(/?)(?:id|updated|published)>", " ", source
    )
    source = re.sub(r"tag:\S+?:fog", " ", source)
    wanted = re.findall(r"[^\W\d_]{2,}", " ".join(visible_words(source)))
    assert {word.casefold() for word in wanted} - {w.casefold() for w in shown} <= {
        "update", "am", "est"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ATOM[:-40], "The XML of this feed is damaged"),
        (ATOM.replace("<entry>", "<entry", 1), "The XML of this feed is damaged"),
        (
            PAGE.replace('"@context"', '"@context'),
            "The JSON-LD of this page is damaged",
        ),
        ("<html><p>A LiveBlogPosting</p></html>", "has none in JSON-LD"),
        (DOCUMENT.replace("20:16", "").replace("21:00", ""), "begins with a time"),
        (json.dumps(BBC)[:-9], "The JSON of this file is damaged or breaks off"),
        ('{"a": 1}', "This looks like JSON, but"),
        (
            '<!DOCTYPE rss [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><rss>&c;</rss>',
            "The XML declares entities",
        ),
        (
            '<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/hosts">]><rss>&a;</rss>',
            "The XML declares entities",
        ),
    ],
)
def test_what_is_damaged_is_refused_with_a_sentence(
    tmp_path: Path, content: str, sentence: str
):
    ran = Ran(write(tmp_path, "bad", content))
    assert sentence in ran.stories[0]["error"]
    assert ran.error
    assert not Story.objects.exists()


@pytest.mark.parametrize(
    "value", [None, 0, "", [], {}, [1], {"a": {}}, "<p>", "\x00", 1e99]
)
def test_odd_values_never_end_in_a_traceback(tmp_path: Path, value: Any):
    for name in POSTING:
        write(tmp_path, f"{name.strip('@')}.json", {**POSTING, name: value})
        inner = [{**each, "datePublished": value, "image": value, "author": value}
                 for each in POSTING["liveBlogUpdate"]]  # fmt: skip
    write(tmp_path, "inner.json", {**POSTING, "@id": "x:1", "liveBlogUpdate": inner})
    for name in ("title", "url", "genre", "summary"):
        write(tmp_path, f"bbc-{name}.json", {**BBC, name: value})
    for name in ("text", "time", "author", "title"):
        documents = [{**each, name: value} for each in BBC["documents"]]
        write(tmp_path, f"bbc-documents-{name}.json", {**BBC, "documents": documents})
    ran = Ran(tmp_path, "--dry-run")
    errors = [each["error"] for each in ran.stories if each["error"]]
    assert not any("not as expected" in error for error in errors)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_of_another_format_is_refused_with_a_sentence(tmp_path: Path, name: str):
    ran = Ran(write(tmp_path, "story", "<p>Nothing</p>"), "--from", name)
    assert ran.stories[0]["error"]
    assert "not as expected" not in ran.stories[0]["error"]


# --- Corpora


def test_times_without_a_day_are_dated_over_midnight(tmp_path: Path):
    stray = {"text": ["Stray report."], "time": None}
    blog = BBC | {"documents": [*BBC["documents"], stray]}
    ran = imported(tmp_path, blog, name="2016-06-23-vote.json")
    story = Story.objects.get()
    assert times() == ["24 0010", "23 2350", "23 2350", "23 0905"]
    assert bodies()[1:3] == [
        "Second of the minute. Ayes lead by **12**.", "First of the minute."
    ]  # fmt: skip
    assert [update.headline for update in updates()] == ["", "", "Halfway", ""]
    assert updates()[1].byline == "Ana Reyes"
    assert story.postings.get(entry=updates()[1]).key_event
    assert (story.state, story.summary) == (
        "closed", "- The bridge is approved.\n- Turnout was 61%."
    )  # fmt: skip
    assert left_out(ran)["category"] == ["Politics"]
    assert Entry.objects.get(state=Entry.State.DRAFT).body == "Stray report."
    client = Client()
    assert client.get("/news/live/skerrin-36591142").status_code == 301


def test_words_of_a_corpus_that_look_like_tags_stay(tmp_path: Path):
    text = ["Mid <epsilon> &amp; 3 < 4.", "It is <b>5</b> &lt;b&gt; R&D.", "<i>Six</i>"]
    documents = [{"text": text, "time": "09:05"}]
    blog = BBC | {"title": "A <tau> &amp; more", "documents": documents}
    imported(tmp_path, json.dumps(blog), name="a.json")
    (update,) = updates()
    shown = html.unescape(re.sub("<[^>]*>", "", str(rendering.render(update.body))))
    assert shown == "Mid <epsilon> & 3 < 4. It is 5 <b> R&D. Six"
    assert "**5**" in update.body
    assert Story.objects.get().headline == "A <tau> & more"


def test_times_without_a_day_are_not_in_the_future(tmp_path: Path):
    ran = imported(tmp_path, BBC)
    assert all(update.at <= timezone.now() for update in updates() if update.at)
    assert any("have no day" in each for each in ran.stories[0]["warnings"])


def test_times_of_a_corpus_may_name_their_zone(tmp_path: Path):
    documents = [
        {"text": ["Two"], "time": "20:17 BST"},
        {"text": "One", "time": "20:16 BST"},
    ]
    blog = {"title": "Vote", "quality": "high", "documents": documents}
    ran = imported(tmp_path, blog, "--date", "2016-06-23")
    assert (times(), bodies()) == (["23 1917", "23 1916"], ["Two", "One"])
    assert left_out(ran) == {"other field": ["quality: high"]}


def test_the_time_zone_of_a_corpus_can_be_named(tmp_path: Path):
    imported(tmp_path, GUARDIAN, "--timezone", "Europe/London")
    assert times() == ["23 2005", "23 0505"]
    assert [p.key_event for p in Story.objects.get().postings.order_by("-at")] == [
        True, False
    ]  # fmt: skip


# --- LiveBlogPosting


def test_a_page_with_a_live_blog_posting(tmp_path: Path):
    picture(tmp_path / "f" / "sirens.jpg")
    ran = imported(tmp_path, PAGE, "--images", tmp_path)
    story = Story.objects.get()
    assert times() == ["21 0116", "20 1910", "20 1200"]
    assert [update.headline for update in updates()] == [
        "", "Sirens in the old town", "Old tide tables were wrong"
    ]  # fmt: skip
    assert bodies()[0] == "Water rises fast in the harbour.\n\nBoats break loose."
    assert f"[the map]({SITE}/map)" in bodies()[1]
    assert "\n\nhttps://youtube.com/watch?v=abcdefghijk" in bodies()[1]
    assert updates()[0].byline == "Ana Reyes"
    assert (story.headline, story.standfirst) == (
        "Storm & tide in Skerrin", "The highest water since 1953."
    )  # fmt: skip
    assert story.state == Story.State.CLOSED
    assert f"{story.closed_at:%d %H%M}" == "21 0200"
    sirens = Image.objects.get(caption="A siren")
    assert (sirens.missing, sirens.credit) == (False, "Ana Reyes")
    assert story.lead_image.missing
    assert left_out(ran)["tags"] == ["flood", "harbour"]
    assert Client().get("/live/1?update=9").status_code == 301


def test_a_live_blog_posting_alone_in_a_file(tmp_path: Path):
    body = "&lt;p&gt;Escaped &lt;b&gt;twice&lt;/b&gt;&lt;/p&gt;"
    update = {
        "articleBody": body,
        "datePublished": "2016-12-20T12:00:00Z",
        "video": {
            "embedUrl": "https://www.youtube.com/embed/abcdefghijk",
            "name": "Fog",
        },
    }
    whole = "Escaped twice\n\nHow it began"
    posting = POSTING | {"liveBlogUpdate": update, "articleBody": whole}
    ran = imported(tmp_path, {"@context": "https://schema.org", **posting})
    assert bodies() == [
        "Escaped **twice**\n\n[Fog](https://www.youtube.com/embed/abcdefghijk)"
    ]
    assert "description of an update" not in left_out(ran)
    assert Entry.objects.get(kind=Entry.Kind.ORIGINAL).body == "How it began"


def test_a_live_blog_of_1418_updates_keeps_their_order(tmp_path: Path):
    found = [
        {
            "articleBody": f"Report {n}",
            "datePublished": f"2016-12-20T{n // 60:02}:00:00Z",
        }
        for n in reversed(range(1418))
    ]
    path = write(tmp_path, "page.json", POSTING | {"liveBlogUpdate": found})
    file = SourceFile(path, path.name)
    (story,) = schema_org.SCHEMA_ORG.stories([file], ArchiveOptions())
    assert isinstance(story, ArchiveStory)
    oldest_first = [update.source for update in story.document.oldest_first]
    assert oldest_first == [f"Report {n}" for n in range(1418)]


def test_a_live_blog_in_several_pages_is_one_story(tmp_path: Path):
    first, second, third = POSTING["liveBlogUpdate"]
    write(tmp_path, "1.json", POSTING | {"liveBlogUpdate": [first, second]})
    write(tmp_path, "2.json", POSTING | {"liveBlogUpdate": [second, third]})
    local = {"@id": "#blog", "url": None, "liveBlogUpdate": [third]}
    write(tmp_path, "3.json", POSTING | local | {"headline": "Another"})
    write(tmp_path, "4.json", POSTING | local | {"headline": "A third"})
    ran = Ran(tmp_path, "--dry-run")
    assert [(each["headline"], len(each["updates"])) for each in ran.stories] == [
        ("Storm & tide in Skerrin", 3), ("Another", 1), ("A third", 1)
    ]  # fmt: skip


# --- Feeds


def test_an_atom_feed(tmp_path: Path):
    ran = imported(tmp_path, ATOM)
    assert times() == ["20 1200", "20 1000", "20 1000"]
    assert [update.headline for update in updates()] == [
        "Ferries sail again", "Second", "First"
    ]  # fmt: skip
    assert bodies()[0].startswith("All *five* lines.\n\n![](image:quay-")
    assert bodies()[1:] == ["- One\n- Two **x**", "Plain 5 < 6 text"]
    assert updates()[0].byline == "Ana"
    assert Story.objects.get().standfirst == "Ferries wait."
    assert left_out(ran)["tag"] == ["weather"]


def test_a_feed_keeps_its_author_and_the_titles_of_links(tmp_path: Path):
    feed = ATOM.replace("<entry>", "<author><name>Lev Orr</name></author><entry>", 1)
    links = """<link rel="related" href="https://x.example/map" title="The map"/>
    <link rel="enclosure" type="audio/mpeg" href="/f/a.mp3" title="The horn"/>
    <link rel="enclosure" type="text/csv" href="/f/a.csv" title="The figures"/>"""
    feed = feed.replace("<title>Second</title>", f"<title>Second</title>{links}")
    feed = feed.replace('href="/f/quay.jpg"', 'href="/f/quay.jpg" title="The quay"')
    ran = imported(tmp_path, feed)
    assert [update.byline for update in updates()] == ["Ana", "Lev Orr", "Lev Orr"]
    body = next(update.body for update in updates() if "The map" in update.body)
    assert "[The map](https://x.example/map)" in body
    assert f"The horn\n\n{SITE}/f/a.mp3" in body
    assert left_out(ran)["attached file"] == [f"The figures {SITE}/f/a.csv"]
    assert Image.objects.get().caption == "The quay"


def test_an_rss_feed_with_names_of_time_zones(tmp_path: Path):
    imported(tmp_path, RSS)
    assert times() == ["20 1916", "20 1700"]
    assert bodies() == [
        f"In short.\n\nA\xa0long day.\n\n{SITE}/f/vote.mp3", "They speak"
    ]  # fmt: skip


def test_a_feed_in_several_pages_is_one_story(tmp_path: Path):
    entries = ATOM.split("<entry>")
    write(tmp_path, "1.xml", "<entry>".join(entries[:3]) + "</feed>")
    write(tmp_path, "2.xml", "<entry>".join([entries[0], *entries[2:]]))
    imported_ = Ran(tmp_path, "--publish")
    assert (imported_.counts, len(updates())) == ({"imported": 1}, 3)


def rss(*entries: str, site: str = SITE, title: str = "Live", more: str = "") -> str:
    items = "".join(
        f"<item><title>{each}</title><link>{site}/{each}</link><description>Report"
        f"</description><pubDate>Sun, 0{number} Mar 2019 02:30:00 GMT</pubDate></item>"
        for number, each in enumerate(entries, 1)
    )
    atom = 'xmlns:atom="http://www.w3.org/2005/Atom"'
    head = f"<title>{title}</title><link>{site}/</link><description>d</description>"
    return f'<rss version="2.0" {atom}><channel>{head}{more}{items}</channel></rss>'


def page_link(relation: str, page: int) -> str:
    return f'<atom:link rel="{relation}" href="{SITE}/feed?page={page}"/>'


def test_feeds_of_one_address_and_title_are_different_stories(tmp_path: Path):
    write(tmp_path / "a", "feed.xml", rss("one"))
    write(tmp_path / "b", "feed.xml", rss("two"))
    assert Ran(tmp_path / "a").counts == {"imported": 1}
    assert Ran(tmp_path / "b").counts == {"imported": 1}
    assert Ran(tmp_path).counts == {"before": 2}
    Story.objects.all().delete()
    assert Ran(tmp_path).counts == {"imported": 2}


def test_a_newer_copy_of_a_feed_is_known(tmp_path: Path):
    imported(tmp_path, rss("one"), name="a.xml")
    newer = Ran(write(tmp_path, "b/a.xml", rss("one", "two")))
    assert newer.counts == {"before": 1}


def test_pages_of_a_feed_that_link_to_each_other_are_one_story(tmp_path: Path):
    first = page_link("self", 1) + page_link("next", 2)
    second = page_link("self", 2) + page_link("previous", 1)
    write(tmp_path, "a.xml", rss("two", more=second))
    write(tmp_path, "b.xml", rss("one", more=first))
    write(tmp_path, "c.xml", rss("other", more='<atom:link rel="self" href="/x"/>'))
    ran = Ran(tmp_path, "--dry-run")
    assert sorted(len(story["updates"]) for story in ran.stories) == [1, 2]


def test_a_feed_with_entities_of_html(tmp_path: Path):
    imported(tmp_path, RSS.replace("Vote at nine", "Vote &ndash; at nine"))
    assert updates()[0].headline == "Vote – at nine"


# --- Google Docs


def test_a_document_of_google_docs(tmp_path: Path):
    picture(tmp_path / "images" / "image1.png")
    ran = imported(tmp_path, DOCUMENT, "--images", tmp_path, name="Log.html")
    assert times() == ["20 1900", "20 1816"]
    name = Image.objects.get().name
    assert bodies() == [
        "Second report",
        "Boats *leave* the [harbour](https://x.example/h?a=1)\n\n- one\n    - inner\n\n"
        f"- two\n\n![](image:{name})",
    ]
    assert not Image.objects.get().missing
    assert left_out(ran) == {
        "comment in the document": ["check this"],
        "suggested change": ["not yet"],
        "note about the time zone": ["Times in Europe/Berlin"],
    }
    assert any("Berlin" in each for each in ran.stories[0]["warnings"])


def test_a_document_in_our_own_text_form(tmp_path: Path):
    paragraphs = [
        "The Big Storm",
        "<b>UPDATE 1800 GMT, 20 December 2016:</b> The <b>bridge</b> is open.",
        "More text.",
        "UPDATE 1700 GMT:",
        "Older",
        "ORIGINAL ENTRY",
        "It <i>began</i>.",
    ]
    inner = "".join(f"<p>{each}</p>" for each in paragraphs)
    imported(tmp_path, f'<html><body class="doc-content">{inner}</body></html>')
    assert bodies() == ["The **bridge** is open.\n\nMore text.", "Older"]
    assert Entry.objects.get(kind=Entry.Kind.ORIGINAL).body == "It *began*."
    assert Story.objects.get().headline == "The Big Storm"


def test_all_text_of_a_document_in_our_own_form_keeps_its_links(tmp_path: Path):
    link = '<a href="https://www.google.com/url?q=https://x.example/1&amp;sa=D">map</a>'
    paragraphs = [
        "HEADLINE: The Big Storm",
        "DATE: 2016-12-20",
        f"SUMMARY: In <b>short</b>, the {link}.",
        "<b>UPDATE 1800 GMT:</b>&nbsp;Text&nbsp;of the 5 * 4 <b>bridge</b>",
        "<b>UPDATE 1700 GMT:</b>",
        f"See the {link}, 3 * 2.",
        "PHOTO: a_b_ <b>c</b>",
        f"<b>ORIGINAL ENTRY:</b>&nbsp;It <i>began</i> 5 *d* by the {link}",
    ]
    inner = "".join(f"<p>{each}</p>" for each in paragraphs)
    imported(tmp_path, f'<html><body class="doc-content">{inner}</body></html>')
    linked = "[map](https://x.example/1)"
    assert bodies() == [
        "Text\xa0of the 5 * 4 **bridge**",
        f"See the {linked}, 3 * 2.\n\nPHOTO: a_b_ **c**",
    ]
    original = Entry.objects.get(kind=Entry.Kind.ORIGINAL)
    assert original.body == f"It *began* 5 \\*d\\* by the {linked}"
    assert Story.objects.get().summary == f"In **short**, the {linked}."


@pytest.mark.parametrize(
    "inner",
    [
        "<table><tr><td>20:16</td><td>One <b>x</b></td></tr>"
        "<tr><td>20:17</td><td>Two</td></tr></table>",
        "<ul><li>20:16 One <b>x</b></li><li>20:17 – Two</li></ul>",
        "<p><span>20:16 One <b>x</b><br></span><span>20:17 Two</span></p>",
        "<h2>20:16</h2><p>One <b>x</b></p><h2>20:17</h2><p>Two</p>",
    ],
)
def test_a_document_may_arrange_its_times(tmp_path: Path, inner: str):
    page = f'<html><body class="doc-content"><h1>Log</h1>{inner}</body></html>'
    imported(tmp_path, page, "--date", "2016-12-20")
    assert (times(), bodies()) == (["20 2017", "20 2016"], ["Two", "One **x**"])


def test_a_heading_with_a_time_is_a_headline(tmp_path: Path):
    quoted = "<blockquote>Five</blockquote>"
    inner = (
        f"<h1>Log</h1><h2>20:16 Boats leave</h2>{quoted}<h2>20:17 They are back</h2>"
    )
    page = f'<html><body class="doc-content">{inner}</body></html>'
    imported(tmp_path, page, "--date", "2016-12-20")
    assert [(update.headline, update.body) for update in updates()] == [
        ("", "They are back"), ("Boats leave", "> Five")
    ]  # fmt: skip


# --- The Guardian


def test_words_that_only_elements_of_a_guardian_block_have_are_kept(tmp_path: Path):
    tweet = {
        "type": "tweet",
        "tweetTypeData": {
            "html": '<blockquote class="twitter-tweet"><p>Only here</p></blockquote>',
            "originalUrl": "https://twitter.com/q/status/5",
        },
    }
    quote = {
        "type": "pullquote",
        "pullquoteTypeData": {"html": "We sail.", "attribution": "Ana Reyes"},
    }
    times_ = {"published": True, "firstPublishedDate": "2018-07-11T18:00:00Z"}
    blocks = [
        times_ | {"id": "b2", "bodyHtml": "<p>Text</p>", "elements": [tweet]},
        times_ | {"id": "b1", "bodyHtml": "", "elements": [quote]},
    ]
    content = {
        "id": "live/1",
        "type": "liveblog",
        "webTitle": "Match",
        "webUrl": f"{SITE}/live/1",
        "blocks": {"body": blocks},
    }
    imported(tmp_path, json.dumps({"response": {"content": content}}), name="a.json")
    text = "\n".join(bodies())
    assert "Only here" in text
    assert "https://twitter.com/q/status/5" in text
    assert "> We sail.\n>\n> — Ana Reyes" in text


# --- Superdesk


@pytest.mark.parametrize(
    ("item", "body"),
    [
        (
            {
                "text": "<blockquote>We sail. - Ana Reyes</blockquote>",
                "meta": {"quote": "We sail.", "credit": "Ana Reyes"},
            },
            "> We sail.\n>\n> — Ana Reyes",
        ),
        (
            {"text": "We sail.", "meta": {"quote": "We sail.", "credit": "Ana Reyes"}},
            "> We sail.\n>\n> — Ana Reyes",
        ),
        ({"text": "We sail.", "meta": {"credit": "Ana"}}, "> We sail.\n>\n> — Ana"),
        (
            {
                "text": "<blockquote>We sail.</blockquote><p>At <b>noon</b>.</p>",
                "meta": {"quote": "We sail.", "source": "Ana"},
            },
            "> We sail.\n\nAt **noon**.\n\n— Ana",
        ),
        (
            {"text": "", "meta": {"quote": "We sail.", "author": "A", "source": "B"}},
            "> We sail.\n>\n> — A, B",
        ),
    ],
)
def test_a_quote_of_superdesk_keeps_its_speaker(
    tmp_path: Path, item: dict[str, Any], body: str
):
    imported(tmp_path, superdesk(item | {"item_type": "quote"}), name="a.json")
    assert bodies() == [body]


def test_an_item_of_superdesk_without_text_is_listed_with_its_words(tmp_path: Path):
    card = {
        "item_type": "scorecard",
        "text": "",
        "meta": {"home": {"name": "Skerrin"}, "away": "Corvane", "score": "2:0"},
    }
    text = {"item_type": "text", "text": "<p>Kick-off</p>"}
    ran = imported(tmp_path, superdesk(card, text), name="a.json")
    assert left_out(ran)["item without a text"] == [
        "scorecard: name: Skerrin, away: Corvane, score: 2:0"
    ]
    assert bodies() == ["Kick-off"]


def superdesk(*items: dict[str, Any]) -> str:
    """Return a blog with one post of these items."""
    post = {
        "_id": "p1",
        "blog": "b1",
        "published_date": "2019-05-04T18:00:00+00:00",
        "groups": [{"id": "main", "refs": [{"item": item} for item in items]}],
    }
    blog = {"_id": "b1", "title": "Cup final", "blog_status": "open"}
    return json.dumps([blog, {"_items": [post], "_meta": {"total": 1}}])


# --- Logs


def test_a_log_over_midnight_in_named_zones(tmp_path: Path):
    ran = imported(tmp_path, LOG)
    assert times() == ["21 0605", "20 2310", "20 2258", "20 2240", "20 2240"]
    assert bodies()[3:] == [
        "Second line of the minute\n\nA second paragraph: * a star, > 50%.",
        "First reports of smoke.",
    ]
    story = Story.objects.get()
    assert (story.headline, story.standfirst) == (
        "Bridge closes after a lorry fire", "Our reporters follow the closure."
    )  # fmt: skip
    assert left_out(ran) == {"note about the time zone": ["All times CET"]}
    warnings = " ".join(ran.stories[0]["warnings"])
    assert "Central European Time" in warnings
    assert "Eastern" in warnings


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("20:16 Text", "20 2016"),
        ("20.16 Text", "20 2016"),
        ("20h16 – Text", "20 2016"),
        ("2016 GMT: Text", "20 2016"),
        ("9:10 pm CET: Text", "20 2010"),
        ("9pm – Text", "20 2100"),
        ("[20:16:59] Text", "20 2016"),
        ("**20:16** Text", "20 2016"),
        ("- 20:16 UTC+3 – Text", "20 1716"),
        ("2016-12-20 20:16 Text", "20 2016"),
        ("2016-12-20T20:16:05+01:00 Text", "20 1916"),
        ("20:16\tText", "20 2016"),
        ("Dec 20, 8:16 PM EST — Text", "21 0116"),
        ("20 December 2016, 01:16 CET: Text", "20 0016"),
        ("20:16, 20 December 2016: Text", "20 2016"),
        ("Tuesday 20 December 20:16 - Text", "20 2016"),
        ("٢٠:١٦ Text", "20 2016"),
        ("\u200f۲۰:۱۶\u200f – Text", "20 2016"),
        ("２０：１６　Text", "20 2016"),
        ("२०१६ GMT: Text", "20 2016"),
    ],
)
def test_times_at_the_beginning_of_a_line(tmp_path: Path, stamp: str, expected: str):
    imported(tmp_path, f"A headline\n\n{stamp}\n\n23:59 Last", "--date", "2016-12-20")
    update = next(each for each in updates() if each.body == "Text")
    assert f"{update.at:%d %H%M}" == expected


@pytest.mark.parametrize(
    "line",
    ["20.16 million people", "2016 was dry", "3:1 to Corvane", "1:23.45 is a record"],
)
def test_numbers_that_are_no_times_stay_text(tmp_path: Path, line: str):
    imported(tmp_path, f"A headline\n\n20:16 One\n\n{line}\n\n20:20 Two")
    assert bodies()[1].endswith(line)


@pytest.mark.parametrize(
    ("head", "headline"),
    [
        ("Fire (all times CET)", "Fire"),
        ("Fire, times in Central European Time", "Fire"),
        ("Fire [CET]", "Fire"),
        ("Fire\n\nAll times are CET.", "Fire"),
        ("Fire\n\nTime zone: Europe/Berlin", "Fire"),
        ("Fire\n\nCET", "Fire"),
        ("# Fire\n\n*Times in CET*", "Fire"),
        ("Fire\n\nTuesday, 20 December 2016 (times in CET)", "Fire"),
        ("Fire\n\nAll times are Central European Time (CET).", "Fire"),
        ("Fire at Berlin time", "Fire at Berlin time"),
    ],
)
def test_a_log_may_name_its_time_zone_above_the_updates(
    tmp_path: Path, head: str, headline: str
):
    imported(tmp_path, f"{head}\n\n20 December 2016\n\n20:16 One\n20:17 Two")
    hour = "20" if headline == head else "19"
    assert times() == [f"20 {hour}17", f"20 {hour}16"]
    assert (Story.objects.get().headline, Story.objects.get().standfirst) == (
        headline,
        "",
    )


@pytest.mark.parametrize(
    ("head", "expected", "shown"),
    [
        ("30 March 2019 (all times CET/CEST)", "30 2250", ""),
        ("30 June 2019 (all times CET / CEST)", "30 2150", ""),
        ("30 June 2019, London time", "30 2250", ""),
        ("30 June 2019 – EDT", "01 0350", ""),
        ("Our <intro>, all times CET.\n\n30 June 2019", "30 2250", "Our <intro>."),
        (
            "Live from the quay. All times are in CEST. More later.\n\n30 June 2019",
            "30 2150",
            "Live from the quay. More later.",
        ),
        (
            "It was the first time that London time was used.\n\n30 June 2019",
            "30 2250",
            "It was the first time that London time was used.",
        ),
    ],
)
def test_the_note_about_the_zone_is_understood_and_left_out(
    tmp_path: Path, head: str, expected: str, shown: str
):
    imported(tmp_path, f"Fire\n\n{head}\n\n23:50 One\n23:51 Two")
    assert times()[-1] == expected
    story = Story.objects.get()
    text = html.unescape(story.standfirst or story.summary).replace("\\", "")
    assert " ".join(text.split()) == shown


def test_the_note_in_the_text_of_a_document_is_left_out_alone(tmp_path: Path):
    inner = (
        '<h1>Fire</h1><p>See <a href="https://x.example/1">the map</a>, '
        "all times <b>CET</b>.</p><p>20 July 2016</p><p>20:16 One</p><p>20:17 Two</p>"
    )
    imported(tmp_path, f'<html><body class="doc-content">{inner}</body></html>')
    assert times() == ["20 1917", "20 1916"]
    summary = Story.objects.get().summary
    assert "[the map](https://x.example/1)" in summary
    assert "CET" not in summary


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["[14.02.2015]", "23:55 A", "0:05 B", "[16.02.2015]", "10.00 C"],
         ["14 Feb 2355", "15 Feb 0005", "16 Feb 1000"]),
        (["13/12/2018 09:00 A", "14/12/2018 09:10 B", "10/01/2019 09:20 C"],
         ["13 Dec 0900", "14 Dec 0910", "10 Jan 0920"]),
        (["11/03/2019 19:00 A", "11/03/2019 23:30 B", "11/04/2019 00:15 C"],
         ["03 Nov 1900", "03 Nov 2330", "04 Nov 0015"]),
        (["9/12/2018", "09:00 A", "10/12/2018, 09:00 B", "09:30 C"],
         ["09 Dec 0900", "10 Dec 0900", "10 Dec 0930"]),
        (["9 December 2018", "09:00 A", "10/12/2018 09:00 B"],
         ["09 Dec 0900", "10 Dec 0900"]),
        (["Monday, 10/12/2018", "09:00 A", "09:01 B"], ["10 Dec 0900", "10 Dec 0901"]),
        (["10.12.2018 09:00 A", "11.12.2018 09:00 B"], ["10 Dec 0900", "11 Dec 0900"]),
    ],
)  # fmt: skip
def test_days_in_figures_are_read_as_their_log_means_them(
    tmp_path: Path, lines: list[str], expected: list[str]
):
    imported(tmp_path, "\n".join(["A headline", "", *lines]))
    assert [f"{each.at:%d %b %H%M}" for each in updates()[::-1]] == expected
    assert bodies()[::-1] == ["A", "B", "C"][: len(expected)]


def test_an_update_of_a_day_that_is_not_clear_is_a_draft(tmp_path: Path):
    lines = ["10/12/2018 09:00 A", "09:10 B", "31.02.2019 10:00 C", "09:00 D"]
    ran = imported(tmp_path, "\n".join(["A headline", "", *lines]))
    drafts = Entry.objects.filter(kind=Entry.Kind.UPDATE, at=None)
    assert {draft.body for draft in drafts} == {
        "10/12/2018 09:00\n\nA", "09:10\n\nB", "31.02.2019 10:00\n\nC", "09:00\n\nD"
    }  # fmt: skip
    warnings = " ".join(ran.stories[0]["warnings"])
    assert "“10/12/2018” is no day that is clear" in warnings


def test_the_first_day_tells_how_days_in_figures_are_meant(tmp_path: Path):
    text = "A headline\n\n10/12/2018 09:00 A\n09:10 B"
    imported(tmp_path, text, name="log-2018-10-12.txt")
    assert times() == ["12 0910", "12 0900"]
    Story.objects.all().delete()
    imported(tmp_path, f"{text}.", "--date", "2018-12-10")
    assert times() == ["10 0910", "10 0900"]


def test_the_first_time_may_name_the_zone_of_all(tmp_path: Path):
    text = "Fire\n\n20 December 2016\n20:16 CET: One\n20:17 Two\n20:18 GMT: Three"
    imported(tmp_path, text)
    assert times() == ["20 2018", "20 1917", "20 1916"]


@pytest.mark.parametrize(
    "line", ["+3 goals", "Full time: 2–1", "cet homme", "Est. 40 hurt"]
)
def test_words_after_a_time_are_no_time_zone(tmp_path: Path, line: str):
    text = f"A headline\n\n20:16 {line}\n20:20 Two"
    imported(tmp_path, text, "--date", "2016-12-20")
    assert (times(), bodies()) == (["20 2020", "20 2016"], ["Two", line])


def test_the_newest_may_come_first_in_a_log(tmp_path: Path):
    lines = ["00:10 Last", "23:50 Third", "23:50 Second", "23:10 First"]
    imported(tmp_path, "\n".join(["A headline", *lines]), "--date", "2016-12-20")
    assert times() == ["21 0010", "20 2350", "20 2350", "20 2310"]
    assert bodies() == ["Last", "Third", "Second", "First"]


def test_a_first_line_too_long_for_a_headline_stays_first(tmp_path: Path):
    long = "A very long first line. " * 12
    text = f"{long}\n\nMore about it.\n\n20:16 One\n\n20:17 Two"
    imported(tmp_path, text, "--date", "2016-12-20", name="old-fire.txt")
    story = Story.objects.get()
    assert story.headline == "old-fire"
    assert story.summary == f"{long.strip()}\n\nMore about it."


def test_a_log_with_a_time_zone_from_the_command(tmp_path: Path):
    text = "A headline\n\n20 July 2016\n\n20:16 One\n20:17 Two"
    imported(tmp_path, text, "--timezone", "America/New_York")
    assert [update.at for update in updates()] == [
        datetime.fromisoformat(f"2016-07-21T00:{minute}:00Z") for minute in (17, 16)
    ]
