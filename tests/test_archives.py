"""The command `import_archive`: what becomes of the files of other systems."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from entries import verbs
from entries.delivery.cache_keys import CacheKeys
from entries.exchange.archives.base import SourceImage
from entries.management.commands import import_archive
from entries.models import Entry, Image, ImportedFile, OldUrl, Series, Story
from entries.pages.story_data import FullStoryData, story_data
from tests import actions
from tests.servers import Newsroom
from tests.test_import_story import picture

pytestmark = pytest.mark.django_db
ARCHIVES = Path(__file__).parent / "archives"
SITE = "https://www.ilaria-post.example"
STORM = "storm-over-the-strait"
GUARDIAN = "strait-storm-ferries-sail-again-as-it-happened"
COUNT = "the-long-count-in-corvane"


class Ran:
    """What the command printed and reported; `error` if it failed."""

    def __init__(self, path: Path, *args: object) -> None:
        out, err = StringIO(), StringIO()
        self.error = ""
        command = ["import_archive", str(path), "--json", *map(str, args)]
        try:
            call_command(*command, stdout=out, stderr=err)
        except CommandError as error:
            self.error = str(error)
        self.err = err.getvalue()
        self.data: dict[str, Any] = json.loads(out.getvalue())
        self.stories: list[dict[str, Any]] = self.data["stories"]

    @property
    def counts(self) -> dict[str, int]:
        return {name: n for name, n in self.data["counts"].items() if n}

    def story(self, slug: str) -> dict[str, Any]:
        return next(story for story in self.stories if story["slug"] == slug)

    def left_out(self, slug: str) -> dict[str, list[str]]:
        return {each["what"]: each["texts"] for each in self.story(slug)["left_out"]}


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, str):
        content = json.dumps(content)
    path.write_text(content, encoding="utf-8")
    return path


def own_text(number: int, updates: int = 2) -> str:
    stamps = [f"UPDATE {10 + n}{number:02} GMT: Report {n}." for n in range(updates)]
    head = f"HEADLINE: Crossing {number:02}\n\nDATE: 2016-12-20"
    return "\n\n".join([head, *reversed(stamps), "ORIGINAL ENTRY: The ferry sails."])


def updates_of(slug: str) -> list[Entry]:
    """Return the updates of a story, the oldest first."""
    story = Story.objects.get(slug=slug)
    return list(story.entries.exclude(at=None).order_by("at", "pk"))


# --- An independent reading of the sources


class Blocks(HTMLParser):
    """The visible texts of HTML, divided where a block begins or ends."""

    INLINE = {"a", "b", "i", "em", "strong", "span", "cite", "time", "small", "abbr"}
    HIDDEN = {"script", "style", "template"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found = [""]
        self.hidden = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.hidden += tag in self.HIDDEN
        if tag not in self.INLINE:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in self.HIDDEN
        if tag not in self.INLINE:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.found[-1] += data


def words(text: str) -> str:
    """Return the words of a text, with one space around each."""
    found = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(found)} "


def blocks(html: str) -> Iterator[str]:
    html = re.sub(r"\[/?caption[^\]]*\]|\[liveblog\]", "<p>", html)
    for text in Blocks(html).found:
        for line in text.split("\n"):
            if words(line).strip():
                yield words(line)


def shown(slug: str, ran: Ran) -> str:
    """Return the words of a story's page, and of what was left out of it."""
    page = Client().get(f"/stories/{slug}/").content.decode()
    urls = re.findall(r'href="([^"]*)"', page)
    visible = " ".join([*Blocks(page.partition("<body")[2]).found, *urls])
    left_out = [text for texts in ran.left_out(slug).values() for text in texts]
    return "".join(map(words, [visible, *left_out]))


def lost(source: list[str], slug: str, ran: Ran) -> list[str]:
    """Return the blocks of the source that are neither on the page nor left out."""
    found = shown(slug, ran)
    return [block for html in source for block in blocks(html) if block not in found]


def wordpress_texts(path: Path, post_id: str) -> list[str]:
    """Return every text of a post, of its comments, updates and attachments."""

    def value(node: Any, name: str) -> str:
        found = [c for c in node.childNodes if c.nodeName == name]
        return "".join(c.data for each in found[:1] for c in each.childNodes)

    texts = []
    for item in minidom.parse(str(path)).getElementsByTagName("item"):
        meta = {
            value(each, "wp:meta_key"): value(each, "wp:meta_value")
            for each in item.getElementsByTagName("wp:postmeta")
        }
        ids = (value(item, "wp:post_id"), value(item, "wp:post_parent"))
        if post_id in (*ids, meta.get("_elb_liveblog")):
            names = ("content:encoded", "excerpt:encoded")
            texts += [value(item, name) for name in names]
            if value(item, "wp:post_type") != "attachment":
                texts.append(value(item, "title"))
            texts += [
                value(each, "wp:comment_content") for each in _current(item, value)
            ]
    return texts


def _current(item: Any, value: Any) -> list[Any]:
    """Return the comments that no other replaces; a version is visible nowhere."""
    comments = item.getElementsByTagName("wp:comment")
    replacing = [
        each
        for each in comments
        for meta in each.getElementsByTagName("wp:commentmeta")
        if value(meta, "wp:meta_key") == "liveblog_replaces"
    ]
    return [each for each in comments if each not in replacing]


def json_texts(data: Any, names: frozenset[str]) -> list[str]:
    """Return all strings under some names in JSON, at any depth."""
    if isinstance(data, list):
        return [text for each in data for text in json_texts(each, names)]
    if not isinstance(data, dict):
        return []
    own = [v for name, v in data.items() if name in names and isinstance(v, str)]
    return own + [text for each in data.values() for text in json_texts(each, names)]


def test_every_word_of_wordpress_is_on_the_page_or_listed():
    ran = Ran(ARCHIVES / "wordpress.xml", "--publish")
    texts = wordpress_texts(ARCHIVES / "wordpress.xml", "41")
    texts = [re.sub(r"<span class=\"liveblog-command.*?</span>", "", t) for t in texts]
    assert len(texts) > 10
    assert lost(texts, STORM, ran) == []
    assert (
        lost(wordpress_texts(ARCHIVES / "wordpress.xml", "60"), "polls-open", ran) == []
    )


def test_every_word_of_superdesk_is_on_the_page_or_listed():
    ran = Ran(ARCHIVES / "superdesk", "--publish")
    names = "title description text quote author source caption credit question option"
    texts = [
        text
        for path in (ARCHIVES / "superdesk").iterdir()
        for text in json_texts(json.loads(path.read_text()), frozenset(names.split()))
    ]
    assert len(texts) > 15
    assert lost(texts, COUNT, ran) == []


def test_every_word_of_the_guardian_is_on_the_page_or_listed():
    ran = Ran(ARCHIVES / "guardian.json", "--publish")
    names = "bodyHtml title headline standfirst byline caption credit alt webTitle"
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    texts = json_texts(data, frozenset(names.split()))
    assert len(texts) > 15
    # The line below the quoted post has the date in our order: 20 December 2016.
    assert lost(texts, GUARDIAN, ran) == [" quay quay december 20 2016 "]


# --- WordPress


def test_liveblog_comments_become_updates_at_their_own_times():
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    found = [(f"{u.at:%H%M}", u.body.split("\n")[0]) for u in updates_of(STORM)]
    assert found == [
        ("0930", "First mast down on **Quay 3**, corrected."),
        ("0945", "Bridge closed to lorries."),
        ("0945", "Second note of the same minute."),
        ("2016", "All ferries sail again."),
    ]


def test_replaced_comments_are_earlier_versions_and_deleted_ones_are_listed():
    ran = Ran(ARCHIVES / "wordpress.xml", "--publish")
    versions = updates_of(STORM)[0].versions.all()
    assert [version.body for version in versions] == ["First mast down on **Quay 2**."]
    assert ran.left_out(STORM)["deleted update"] == ["A rumour that was deleted."]
    assert "rumour" not in Client().get(f"/stories/{STORM}/").content.decode()


def test_liveblog_comments_keep_authors_and_key_events():
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    updates = updates_of(STORM)
    assert [u.byline for u in updates] == ["Mira Tarn", "Jo Kell and Mira Tarn", "", ""]
    marks = [u.postings.get().key_event for u in updates]
    assert marks == [False, True, True, False]


def test_a_post_keeps_its_category_end_introduction_and_lead_picture():
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    story = Story.objects.get(slug=STORM)
    assert story.series == Series.objects.get(name="Harbour Daily")
    assert (story.state, story.standfirst) == (
        "closed",
        "Gusts of 130 km/h close the strait.",
    )
    assert story.closed_at == datetime(2016, 12, 20, 20, 16, tzinfo=UTC)
    assert story.lead_image
    assert story.lead_image.alt == "A red beacon in rain"


def test_polls_and_blocks_of_plugins_are_listed():
    ran = Ran(ARCHIVES / "wordpress.xml", "--publish")
    left_out = ran.left_out(STORM)
    assert left_out["poll"] == ["[polldaddy poll=8812]"]
    assert left_out["block of a plugin"] == ["latest-posts"]


def test_posts_of_easy_liveblogs_become_updates():
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    found = [(u.headline, u.body, u.byline) for u in updates_of("polls-open")]
    assert found == [
        ("Queues before the doors", "At seven in the morning.", "Jo Kell"),
        ("", "Turnout at 61 percent", "Mira Tarn"),
    ]


def test_a_draft_post_stays_a_draft():
    ran = Ran(ARCHIVES / "wordpress.xml", "--publish")
    story = ran.story("a-budget-nobody-has-seen")
    assert (story["status"], story["state"]) == ("imported", "draft")


def test_other_posts_of_the_file_are_counted_and_named():
    ran = Ran(ARCHIVES / "wordpress.xml")
    (beside,) = ran.data["left_out"]
    assert beside["file"] == "wordpress.xml"
    (posts,) = beside["left_out"]
    assert (posts["what"], posts["count"]) == ("post that is no live blog", 1)
    assert "Our new office" in posts["texts"][0]


def test_an_export_in_several_files_is_one_site(tmp_path: Path):
    text = (ARCHIVES / "wordpress.xml").read_text()
    start, items, end = re.split(r"(?s)(<item>.*</item>)", text)
    parts = re.findall(r"(?s)<item>.*?</item>", items)
    for number, part in enumerate(reversed(parts)):
        write(tmp_path, f"site.{number:03}.xml", f"{start}{part}{end}")
    ran = Ran(tmp_path, "--publish")
    assert ran.counts == {"imported": 3}
    assert len(updates_of("polls-open")) == 2
    assert Story.objects.get(slug=STORM).lead_image


def test_an_export_that_breaks_off_gives_the_stories_before(tmp_path: Path):
    text = (ARCHIVES / "wordpress.xml").read_text()
    place = text.index("<title><![CDATA[A budget")
    ran = Ran(write(tmp_path, "cut.xml", text[:place]), "--publish")
    assert {story["slug"] for story in ran.stories} == {STORM, "polls-open", None}
    assert "breaks off" in ran.stories[-1]["error"]
    assert ran.error


def test_control_characters_in_an_export_are_no_obstacle(tmp_path: Path):
    text = (
        (ARCHIVES / "wordpress.xml").read_text().replace("He was brief", "He\x0b was")
    )
    assert Ran(write(tmp_path, "x.xml", text)).counts == {"imported": 3}


def test_an_entity_bomb_is_refused(tmp_path: Path):
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    text = (ARCHIVES / "wordpress.xml").read_text()
    text = text.replace("<rss", f'<!DOCTYPE rss [<!ENTITY a0 "x">{bomb}]><rss', 1)
    ran = Ran(write(tmp_path, "bomb.xml", text.replace("He was brief", "&a9;")))
    assert "entities" in ran.stories[0]["error"]
    assert not Story.objects.exists()


def exported(old: str, new: str, *, of: str = "wp:post_id", pk: int = 0) -> str:
    """Return the export with a change in the item that has an id."""
    text = (ARCHIVES / "wordpress.xml").read_text()
    items = re.split(r"(?=<item>)", text)
    found = [n for n, item in enumerate(items) if f"<{of}>{pk}</{of}>" in item]
    assert len(found) == 1
    assert old in items[found[0]]
    items[found[0]] = items[found[0]].replace(old, new, 1)
    return "".join(items)


def test_a_post_with_a_password_is_not_published(tmp_path: Path):
    password = "<wp:post_password><![CDATA[tide]]></wp:post_password><wp:post_id>"
    text = exported("<wp:post_id>", password, pk=60)
    ran = Ran(write(tmp_path, "a.xml", text), "--publish")
    story = ran.story("polls-open")
    assert story["state"] == "draft"
    assert "password" in str(story["warnings"])
    assert get("/stories/polls-open/").status_code == 404


def test_an_update_with_a_password_is_a_draft(tmp_path: Path):
    password = "<wp:post_password>tide</wp:post_password><wp:post_id>"
    text = exported("<wp:post_id>", password, pk=61)
    Ran(write(tmp_path, "a.xml", text), "--publish")
    assert [update.state for update in updates_of("polls-open")] == [
        "draft",
        "published",
    ]


def test_exports_that_overlap_give_each_update_once_as_it_was_last(tmp_path: Path):
    times = "<wp:post_modified_gmt>2019-06-01 07:00:00</wp:post_modified_gmt></item>"
    newer = exported("</item>", times, pk=61).replace("seven", "eight")
    late = "<wp:comment><wp:comment_id>999</wp:comment_id><wp:comment_content>Late."
    late += "</wp:comment_content><wp:comment_type>liveblog</wp:comment_type>"
    late += "<wp:comment_date_gmt>2016-12-20 21:00:00</wp:comment_date_gmt>"
    late += "<wp:comment_approved>liveblog</wp:comment_approved></wp:comment></item>"
    start, _, storm = newer.partition("<wp:post_id>41</wp:post_id>")
    newer = f"{start}<wp:post_id>41</wp:post_id>{storm.replace('</item>', late, 1)}"
    write(tmp_path, "a.xml", newer)
    shutil.copy(ARCHIVES / "wordpress.xml", tmp_path / "b.xml")
    Ran(tmp_path, "--publish")
    bodies = [update.body for update in updates_of("polls-open")]
    assert bodies == ["At eight in the morning.", "Turnout at 61 percent"]
    assert updates_of(STORM)[-1].body == "Late."


def test_drafts_are_not_of_the_year_2000(tmp_path: Path):
    date = "<pubDate>Mon, 30 Nov -0001 00:00:00 +0000</pubDate></item>"
    text = exported("</item>", date, pk=61).replace("05-04 07:00:00", "00-00 00:00:00")
    Ran(write(tmp_path, "a.xml", text), "--publish")
    update = Entry.objects.get(headline="Queues before the doors")
    assert (update.at, update.state) == (None, "draft")


def test_unpublished_updates_do_not_begin_the_coverage(tmp_path: Path):
    text = exported("publish", "draft", pk=61).replace("04 07:00:00", "01 07:00:00")
    Ran(write(tmp_path, "a.xml", text), "--publish")
    story = Story.objects.get(slug="polls-open")
    assert f"{story.live_at:%d}" == "04"


def test_a_live_blog_in_the_trash_is_listed_as_one(tmp_path: Path):
    text = exported("<![CDATA[publish]]>", "<![CDATA[trash]]>", pk=60)
    ran = Ran(write(tmp_path, "a.xml", text))
    left_out = {
        each["what"]: each["texts"] for each in ran.data["left_out"][0]["left_out"]
    }
    assert "Polls Open in Corvane" in left_out["live blog in the trash"][0]
    assert len(left_out["unpublished updates"]) == 3


# --- Superdesk


def test_posts_are_in_the_order_of_time_whatever_their_zone_and_page():
    Ran(ARCHIVES / "superdesk", "--publish")
    found = [(f"{u.at:%H%M}", u.byline, u.body[:12]) for u in updates_of(COUNT)]
    assert found == [
        ("1800", "Lev Orr", "Polls have c"),
        ("2030", "", "https://www."),
        ("2110", "Lev Orr", "> We wait fo"),
        ("2110", "Ana Soler", "The **Harbou"),
    ]
    posting = updates_of(COUNT)[-1].postings.get()
    assert posting.pinned
    assert posting.key_event


def test_posts_that_readers_did_not_see_are_listed_only():
    ran = Ran(ARCHIVES / "superdesk", "--publish")
    left_out = ran.left_out(COUNT)
    assert left_out["deleted update"] == ["Polls have closd."]
    assert left_out["unpublished update"] == ["Not checked yet."]
    assert left_out["poll"] == ["Who wins? / Tide / Lantern"]


def test_a_blog_without_all_its_pages_waits_for_them(tmp_path: Path):
    shutil.copytree(ARCHIVES / "superdesk", tmp_path / "blog")
    (tmp_path / "blog" / "posts-2.json").unlink()
    ran = Ran(tmp_path / "blog")
    assert "3 of its 6 posts" in ran.stories[0]["error"]
    shutil.copy(ARCHIVES / "superdesk" / "posts-2.json", tmp_path / "blog")
    assert Ran(tmp_path / "blog").counts == {"imported": 1}


def test_a_post_in_two_pages_is_one_update_as_it_was_last(tmp_path: Path):
    shutil.copytree(ARCHIVES / "superdesk", tmp_path / "blog")
    page = json.loads((ARCHIVES / "superdesk" / "posts-1.json").read_text())
    post = page["_items"][0] | {"_updated": "2019-05-04T22:00:00+00:00"}
    post["groups"] = [
        {"id": "main", "refs": [{"item": {"text": "<p>Seven seats</p>"}}]}
    ]
    write(tmp_path / "blog", "more.json", {"_items": [post], "_meta": {"total": 7}})
    assert Ran(tmp_path / "blog", "--publish").counts == {"imported": 1}
    assert [update.body for update in updates_of(COUNT)][3:] == ["Seven seats"]


def test_all_of_a_blog_may_be_in_one_file(tmp_path: Path):
    folder = ARCHIVES / "superdesk"
    data = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    ran = Ran(write(tmp_path, "all.json", {"blog": data[0], "pages": data[1:]}))
    assert ran.counts == {"imported": 1}
    assert len(updates_of(COUNT)) == 4


def test_1418_updates_in_pages_keep_their_order(tmp_path: Path):
    blog = json.loads((ARCHIVES / "superdesk" / "blog.json").read_text())
    write(tmp_path, "blog.json", blog)
    posts = [
        {
            "_id": f"post-{n}",
            "blog": blog["_id"],
            "order": float(n),
            "published_date": f"2019-05-04T{n // 100:02}:{n % 100 // 2:02}:00Z",
            "groups": [
                {"id": "main", "refs": [{"item": {"text": f"<p>Note {n}</p>"}}]}
            ],
        }
        for n in range(1418)
    ]
    pages = [posts[n : n + 100] for n in range(0, 1418, 100)]
    for number, page in enumerate(reversed(pages)):
        data = {"_items": page[::-1], "_meta": {"total": 1418}}
        write(tmp_path, f"page-{number}.json", data)
    ran = Ran(tmp_path, "--publish")
    assert ran.counts == {"imported": 1}
    found = [update.body for update in updates_of(COUNT)]
    assert found == [f"Note {n}" for n in range(1418)]


def post(pk: str, at: str, item: object, **values: object) -> dict[str, Any]:
    groups = [{"id": "main", "refs": [{"item": item}]}]
    return {"_id": pk, "published_date": at, "groups": groups, **values}


def superdesk(*posts: object, total: object = None, **values: object) -> dict[str, Any]:
    blog = {"_id": "5f1", "title": "Cup final", "blog_status": "closed", **values}
    meta = {"total": len(posts) if total is None else total}
    return {"blog": blog, "posts": {"_items": list(posts), "_meta": meta}}


NOTE = {"item_type": "text", "text": "<p>Kick-off</p>"}


def test_an_update_that_is_yet_to_come_does_not_end_a_blog(tmp_path: Path):
    posts = [
        post("a", "2023-06-10T18:00:00Z", NOTE),
        post("b", "2133-06-10T18:00Z", NOTE),
    ]
    Ran(write(tmp_path, "a.json", superdesk(*posts)), "--publish")
    assert Story.objects.get().closed_at == datetime(2023, 6, 10, 18, tzinfo=UTC)


def test_an_update_that_is_yet_to_come_does_not_keep_a_story_live(tmp_path: Path):
    text = own_text(1).replace("UPDATE 1101 GMT:", "UPDATE 1101 GMT (20 Dec 2133):")
    Ran(write(tmp_path, "a.txt", text), "--publish")
    story = Story.objects.get()
    assert (story.state, story.closed_at.year) == ("closed", 2016)


def test_posts_that_do_not_name_their_blog_are_of_the_only_one(tmp_path: Path):
    posts = [post("a", "2023-06-10T18:00:00Z", NOTE, blog=None)]
    path = write(tmp_path, "a.json", superdesk(*posts))
    assert Ran(path, "--publish").counts == {"imported": 1}
    write(tmp_path, "a.json", superdesk(*posts, total=2))
    ran = Ran(path, "--dry-run")
    assert "1 of its 2 posts" in ran.stories[0]["error"]


@pytest.mark.parametrize("odd", [5, "x", [5], {"a": 5}, True, 1e99])
def test_odd_values_of_superdesk_and_the_guardian_stop_nothing(
    tmp_path: Path, odd: object
) -> None:
    page = superdesk(post("a", "2023-06-10T18:00:00Z", NOTE))["posts"]
    for number, name in enumerate(("_meta", "_items")):
        write(tmp_path, f"page-{number}.json", page | {name: odd})
    for number, name in enumerate(("title", "public_urls", "language", "_id")):
        write(tmp_path, f"blog-{number}.json", superdesk(**{name: odd}))
    for name in ("results", "content"):
        write(tmp_path, f"{name}.json", {"response": {name: odd}})
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    for name in ("fields", "tags", "blocks", "webUrl"):
        content = data["response"]["content"] | {name: odd, "id": name}
        write(tmp_path, f"item-{name}.json", {"response": {"content": content}})
    write(tmp_path, "own.txt", own_text(1))
    ran = Ran(tmp_path, "--dry-run")
    assert "Crossing 01" in {s["headline"] for s in ran.stories if not s["error"]}
    assert not re.search(r"Error\(|Traceback", json.dumps(ran.data))


@pytest.mark.parametrize("name", ["guardian", "superdesk", "corpora", "wordpress"])
@pytest.mark.parametrize("content", ['{"response": {"con', '{"a": 1}', "[]", "<rss/>"])
def test_a_file_without_stories_is_a_fault(tmp_path: Path, name: str, content: str):
    ran = Ran(write(tmp_path, "a.json", content), "--from", name)
    assert ran.counts == {"failed": 1}
    assert ran.stories[0]["error"]
    assert ran.error


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("en_GB.UTF-8", "en-GB"),
        ("de_DE@euro", "de-DE"),
        ("klingonese", "en"),
        ("C", "en"),
    ],
)
def test_an_unknown_language_does_not_fail_a_story(
    tmp_path: Path, given: str, expected: str
) -> None:
    posts = [post("a", "2023-06-10T18:00:00Z", NOTE)]
    write(tmp_path, "a.json", superdesk(*posts, language=given))
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    data["response"]["content"]["fields"]["lang"] = given
    write(tmp_path, "b.json", data)
    assert Ran(tmp_path).counts == {"imported": 2}
    assert set(Story.objects.values_list("language", flat=True)) == {expected}


# --- The Guardian


def test_texts_that_are_too_long_become_several_entries(tmp_path: Path):
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    content = data["response"]["content"]
    content["fields"]["headline"] = f"Long {'headline ' * 30}"
    paragraphs = [f"<p>Part {n} {'of it ' * 1500}</p>" for n in range(5)]
    content["blocks"]["body"][0]["bodyHtml"] = "".join(paragraphs)
    ran = Ran(write(tmp_path, "long.json", data), "--publish")
    assert ran.counts == {"imported": 1}, ran.stories
    updates = [
        u for u in updates_of(ran.stories[0]["slug"]) if u.at and u.at.hour == 20
    ]
    starts = [body for u in updates[::-1] for body in re.findall(r"Part \d", u.body)]
    assert starts == [f"Part {n}" for n in range(5)]
    assert [u.headline for u in updates] == ["", "", "Ferries sail again"]
    assert ("headline " * 30).strip() in Story.objects.get().summary


def test_blocks_keep_times_marks_headlines_and_contributors():
    Ran(ARCHIVES / "guardian.json", "--publish")
    updates = updates_of(GUARDIAN)
    assert [(f"{u.at:%H%M}", u.headline, u.byline) for u in updates] == [
        ("1205", "", ""),
        ("1205", "", "Jo Kell and Mira Tarn"),
        ("2016", "Ferries sail again", "Mira Tarn"),
    ]
    marks = updates[-1].postings.get()
    assert marks.pinned
    assert marks.key_event
    assert updates[0].body.startswith("Good morning.")


def test_a_private_address_is_nowhere():
    ran = Ran(ARCHIVES, "--publish")
    texts = [*Entry.objects.values_list("body", flat=True), json.dumps(ran.data)]
    assert not [
        text for text in texts if "@paper.example" in text or "@corvane" in text
    ]


def test_an_item_without_blocks_is_refused_with_what_to_do(tmp_path: Path):
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    del data["response"]["content"]["blocks"]
    ran = Ran(write(tmp_path, "item.json", data))
    assert "show-blocks=all" in ran.stories[0]["error"]


# --- Once, and whatever happens to others


def test_twice_is_once():
    first = Ran(ARCHIVES, "--publish")
    second = Ran(ARCHIVES, "--publish")
    assert first.counts == {"imported": 5}
    assert second.counts == {"before": 5}
    assert [s["slug"] for s in first.stories] == [s["slug"] for s in second.stories]
    assert Story.objects.count() == 5


def test_a_newer_export_under_another_name_doubles_nothing(tmp_path: Path):
    Ran(ARCHIVES / "wordpress.xml")
    text = (ARCHIVES / "wordpress.xml").read_text().replace("was brief", "was short")
    assert Ran(write(tmp_path, "again.xml", text)).counts == {"before": 3}


def test_a_story_that_import_story_brought_is_known(tmp_path: Path):
    path = write(tmp_path, "one.txt", own_text(1))
    call_command("import_story", str(path), stdout=StringIO(), stderr=StringIO())
    assert Ran(tmp_path).counts == {"before": 1}


def test_one_bad_story_does_not_stop_the_others(tmp_path: Path):
    write(tmp_path, "1.txt", own_text(1))
    write(tmp_path, "2.txt", f"{own_text(2)}{'x' * 30_000}")
    write(tmp_path, "3.json", {"format": "liveblog-story", "version": 1, "story": 7})
    write(tmp_path, "4.txt", own_text(4))
    ran = Ran(tmp_path, "--publish")
    assert ran.counts == {"imported": 2, "failed": 2}
    assert sorted(Story.objects.values_list("slug", flat=True)) == [
        "crossing-01",
        "crossing-04",
    ]
    assert "2 not imported" in ran.error


def test_stories_of_one_headline_are_all_imported(tmp_path: Path):
    for n in range(3):
        text = own_text(n).replace(f"Crossing {n:02}", "Crossing")
        write(tmp_path, f"{n}.txt", text)
    Ran(tmp_path)
    slugs = Story.objects.order_by("slug").values_list("slug", flat=True)
    assert list(slugs) == ["crossing", "crossing-2", "crossing-3"]


def test_files_of_one_name_and_headline_are_different_stories(tmp_path: Path):
    log = "Syria daily\n\n{} December 2016\n\n10:00 First.\n11:00 Second.\n"
    contents = {
        "daily.txt": [own_text(1), own_text(2).replace("Crossing 02", "Crossing 01")],
        "log.txt": [log.format(20), log.format(21)],
        "blog.json": [
            {"title": "Vote", "documents": [{"text": "x", "time": [2016, 6, d, 9, 5]}]}
            for d in (23, 24)
        ],
    }
    for name, both in contents.items():
        for folder, content in zip("ab", both, strict=True):
            write(tmp_path / folder, name, content)
    assert Ran(tmp_path / "a").counts == {"imported": 3}
    ran = Ran(tmp_path / "b")
    assert ran.counts == {"imported": 3}
    assert all("with other content" in str(s["warnings"]) for s in ran.stories)
    assert Ran(tmp_path).counts == {"before": 6}


def test_one_file_at_two_paths_is_one_story(tmp_path: Path):
    log = "Syria daily\n\n20 December 2016\n\n10:00 First.\n11:00 Second.\n"
    write(tmp_path, "x/log.txt", log)
    write(tmp_path, "y/z/other.txt", log)
    write(tmp_path, "y/own.txt", own_text(1))
    write(tmp_path, "x/copy.txt", own_text(1))
    assert Ran(tmp_path).counts == {"imported": 2, "before": 2}
    assert Ran(tmp_path / "y").counts == {"before": 2}


def test_a_story_whose_day_is_guessed_stays_a_draft(tmp_path: Path):
    write(tmp_path, "a.txt", "Fog\n\n10:00 First.\n11:00 Second.\n")
    write(tmp_path, "b.txt", own_text(1).replace("DATE: 2016-12-20", ""))
    blog = {"title": "Vote", "documents": [{"text": "One", "time": "10:00"}]}
    write(tmp_path, "c.json", blog)
    write(tmp_path, "d.txt", "Ice\n\n1 May 2016 10:00 First.\n11:00 Second.\n")
    ran = Ran(tmp_path, "--publish")
    assert ran.counts == {"imported": 4}
    states = {story["headline"]: story["state"] for story in ran.stories}
    drafts = dict.fromkeys(("Fog", "Vote"), "draft")
    assert states.pop("Crossing 01") in ("live", "closed")  # as with import_story
    assert states == {**drafts, "Ice": "closed"}
    guessed = [s["headline"] for s in ran.stories if "--date" in str(s["warnings"])]
    assert set(drafts) <= set(guessed)
    Story.objects.all().delete()
    ran = Ran(tmp_path, "--publish", "--date", "2016-06-23")
    assert {story["state"] for story in ran.stories} == {"closed"}


def test_what_the_command_prints_is_grammatical(tmp_path: Path):
    out, err = StringIO(), StringIO()
    call_command("import_archive", ARCHIVES / "wordpress.xml", stdout=out, stderr=err)
    assert "wordpress.xml, beside its stories: 1 post that is no live" in out.getvalue()
    path = write(tmp_path, "a.txt", own_text(1, updates=1))
    call_command("import_archive", path, stdout=out, stderr=err)
    assert "“Crossing 01”, 1 update: imported." in out.getvalue()
    assert "1 story: 1 imported." in err.getvalue()


def test_a_word_that_is_too_long_is_refused_with_a_sentence(tmp_path: Path):
    item = {"item_type": "text", "text": f"<pre>{'x' * 1_000_000}</pre>"}
    data = superdesk(post("a", "2023-06-10T18:00:00Z", item))
    error = Ran(write(tmp_path, "a.json", data), "--dry-run").stories[0]["error"]
    assert error.startswith("This entry has 1,00")


def test_a_dry_run_reads_everything_and_writes_nothing():
    ran = Ran(ARCHIVES, "--dry-run")
    (story,) = (each for each in ran.stories if each["format"] == "superdesk")
    times = [update["datetime"] for update in story["updates"]]
    assert times[:2] == ["2019-05-04T18:00:00+00:00", "2019-05-04T20:30:00+00:00"]
    assert ran.counts == {"read": 5}
    assert not Story.objects.exists()
    assert not ImportedFile.objects.exists()


def test_without_publish_all_stories_are_drafts():
    Ran(ARCHIVES)
    assert set(Story.objects.values_list("state", flat=True)) == {"draft"}


def test_progress_tells_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_archive, "PROGRESS_SECONDS", 0)
    for n in range(3):
        write(tmp_path, f"{n}.txt", own_text(n))
    assert re.search(r"  1 of 3 stories, \d+ s left", Ran(tmp_path).err)


def test_an_import_that_is_stopped_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(2):
        write(tmp_path, f"{n}.txt", own_text(n))
    create = ImportedFile.objects.create

    def stop(**values: Any) -> ImportedFile:
        if ImportedFile.objects.exists():
            raise KeyboardInterrupt
        return create(**values)

    monkeypatch.setattr(ImportedFile.objects, "create", stop)
    with pytest.raises(CommandError, match="goes on where it was"):
        call_command("import_archive", str(tmp_path), stdout=StringIO())
    monkeypatch.undo()
    assert Ran(tmp_path).counts == {"imported": 1, "before": 1}


def test_a_killed_import_goes_on_where_it_was(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    for n in range(12):
        write(tmp_path, f"crossing-{n}.txt", own_text(n))
    command = ["import_archive", str(tmp_path), "--publish", "--processes", "2"]
    with pytest.raises(EOFError):
        newsroom.helper().call(actions.crash_after_stories, 5, *command)
    assert len(newsroom.call(actions.imported_stories)) == 5
    newsroom.call(actions.manage, *command)
    expected = [(f"Crossing {n:02}", 3) for n in range(12)]
    assert newsroom.call(actions.imported_stories) == expected


# --- What is no archive


NO_STORIES = {
    "XML": '<?xml version="1.0"?>\n<catalog><book>Fog</book></catalog>',
    "a sitemap": '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>',
    "a web page (HTML)": "<!DOCTYPE html>\n<html><body><p>Fog</p></body></html>",
    "HTML": "<div><p>Fog over the harbour.</p></div>",
    "a JSON list": '[{"headline": "Fog"}, {"headline": "Rain"}]',
    "JSON": '{"headline": "Fog", "text": ["It lifts."]}',
    "a table (CSV)": "\n".join(f"{n},1800,Fog,The ferry waits" for n in range(6)),
}


@pytest.mark.parametrize("command", ["import_archive", "import_story"])
@pytest.mark.parametrize("kind", NO_STORIES)
def test_what_is_none_of_the_forms_is_refused(
    tmp_path: Path, kind: str, command: str
) -> None:
    path = write(tmp_path, "file.txt", NO_STORIES[kind])
    err = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command(command, str(path), publish=True, stderr=err, stdout=StringIO())
    said = f"{refused.value} {err.getvalue()}"
    assert kind in said or "export_story" in said
    assert not Story.objects.exists()


def test_import_story_names_the_command_for_a_wordpress_export():
    with pytest.raises(CommandError, match=r"a WordPress export.*import_archive"):
        call_command("import_story", str(ARCHIVES / "wordpress.xml"), publish=True)
    assert not Story.objects.exists()


def test_text_that_begins_with_a_bracket_or_a_tag_is_still_text(tmp_path: Path):
    for number, start in enumerate(("[Breaking] Fog", "<b>Fog</b> over", "{sic} fog")):
        path = write(tmp_path, f"{number}.txt", f"{start} it is.\n\n{own_text(number)}")
        call_command("import_story", str(path), stdout=StringIO(), stderr=StringIO())
    assert Story.objects.count() == 3


# --- Pictures


def test_pictures_are_found_by_their_folders(tmp_path: Path):
    shutil.copy(ARCHIVES / "wordpress.xml", tmp_path)
    uploads = tmp_path / "uploads"
    for number, name in enumerate(("2016/12/quay", "2017/01/quay", "2016/12/beacon")):
        (uploads / name).parent.mkdir(parents=True, exist_ok=True)
        picture(uploads / f"{name}.jpg", ("navy", "red", "green")[number])
    ran = Ran(tmp_path, "--publish")
    url = f"{SITE}/wp-content/uploads/2016/12"
    quay = Image.objects.get(name=SourceImage(f"{url}/quay-300x200.jpg").name)
    assert not quay.missing
    assert quay.alt == "Grey waves break over a stone quay"
    assert quay.caption == "Waves at the old quay"
    missing = ran.left_out(STORM)["missing picture"]
    assert len(missing) == 1
    assert missing[0].startswith(f"{url}/lamps.jpg")
    page = Client().get(f"/stories/{STORM}/").content.decode()
    assert "Waves at the old quay" in page


def test_a_picture_of_another_month_is_not_taken_for_one_of_the_same_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "uploads" / "2017" / "01").mkdir(parents=True)
    picture(tmp_path / "uploads" / "2017" / "01" / "quay.jpg")
    Ran(ARCHIVES / "wordpress.xml", "--images", tmp_path)
    assert not Image.objects.exclude(stem="").exists()


def test_a_picture_without_alt_text_does_not_hold_its_update_back(tmp_path: Path):
    picture(tmp_path / "lamps.jpg")
    Ran(ARCHIVES / "wordpress.xml", "--publish", "--images", tmp_path)
    assert Image.objects.exclude(stem="").get().decorative
    assert {update.state for update in updates_of(STORM)} == {"published"}


# --- Old URLs


def get(path: str) -> Any:
    return Client().get(path)


@pytest.mark.parametrize(
    "path",
    [
        "/2016/12/storm-over-the-strait/",
        "/2016/12/storm-over-the-strait",
        "/2016/12/storm-over-the-strait/?utm_source=mail",
        "/2016/12/storm-over-the-strait/?replytocom=120",
        "/2016/12/storm-live/",
        "/?p=41",
        "/?utm_medium=x&p=41",
    ],
)
def test_an_old_url_leads_to_its_story(path: str) -> None:
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    response = get(path)
    assert (response.status_code, response["Location"]) == (301, f"/stories/{STORM}/")


def test_an_old_url_of_an_update_leads_to_it():
    Ran(ARCHIVES, "--publish")
    last = updates_of(GUARDIAN)[-1]
    old = "/weather/live/2016/dec/20/strait-storm?page=with:block-585aa1"
    assert get(old)["Location"] == last.get_absolute_url()
    first = updates_of("polls-open")[0]
    assert get("/?post_type=elb_entry&p=61")["Location"] == first.get_absolute_url()


def test_an_old_url_tells_nothing_of_a_draft_and_says_that_a_story_is_withdrawn():
    Ran(ARCHIVES / "wordpress.xml")
    old, unknown = get("/2016/12/storm-over-the-strait/"), get("/2016/12/nothing-here/")
    assert (old.status_code, old.content) == (404, unknown.content)
    assert sorted(old.headers) == sorted(unknown.headers)
    assert get("/?p=41").content == get("/").content
    story = verbs.go_live(Story.objects.get(slug=STORM))
    verbs.withdraw_story(story)
    gone = get("/2016/12/storm-over-the-strait/")
    assert gone.status_code == 410
    assert "torm" not in gone.content.decode()
    assert get("/?p=41").status_code == 410


def test_an_old_url_of_a_withdrawn_or_erased_update_does_not_lead_to_it():
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    first, second = updates_of("polls-open")
    verbs.withdraw(first)
    assert get("/?p=61").status_code == 410
    verbs.erase(second)
    assert get("/?p=62").status_code == 200  # the front page, as for any number
    assert not OldUrl.objects.filter(entry=second).exists()


def test_our_own_urls_come_before_old_ones(tmp_path: Path):
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    data["response"]["content"]["webUrl"] = "https://www.paper.example/search/"
    Ran(write(tmp_path, "x.json", data), "--publish")
    assert get("/search/").status_code == 200
    assert Client().post("/2016/12/x/").status_code == 404


def test_old_urls_are_in_the_full_json_and_come_back(tmp_path: Path):
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    data = story_data(Story.objects.get(slug="polls-open"), public=False)
    assert "/2019/05/polls-open" in data["story"]["old_urls"]
    assert "old_urls" not in get("/stories/polls-open.json").json()["story"]
    Story.objects.all().delete()
    Ran(write(tmp_path, "polls.json", data), "--publish")
    assert get("/2019/05/polls-open/")["Location"] == "/stories/polls-open/"
    assert get("/?p=61")["Location"] == updates_of("polls-open")[0].get_absolute_url()


def test_an_old_url_that_is_taken_stays_and_is_reported(tmp_path: Path):
    Ran(ARCHIVES / "wordpress.xml", "--publish")
    data = json.loads((ARCHIVES / "guardian.json").read_text())
    data["response"]["content"]["webUrl"] = f"{SITE}/2016/12/storm-over-the-strait/"
    ran = Ran(write(tmp_path, "x.json", data), "--publish")
    assert "leads to another story already" in str(ran.stories[0]["warnings"])
    assert get("/2016/12/storm-over-the-strait/")["Location"] == f"/stories/{STORM}/"


@pytest.mark.pure
def test_the_page_cache_passes_on_old_urls_of_the_front_page():
    def key(query: bytes) -> Any:
        host = settings.ALLOWED_HOSTS[0].encode()
        scope = {"method": "GET", "path": "/", "scheme": "http", "query_string": query}
        return CacheKeys().find(scope, {b"host": host})

    assert key(b"p=41") is None
    assert key(b"x=41") == key(b"")


# --- The form as a schema


@pytest.mark.pure
def test_the_schema_of_the_json_form_is_current():
    path = settings.BASE_DIR / "docs" / "story.schema.json"
    renew = "manage.py export_story --schema > docs/story.schema.json"
    assert json.loads(path.read_text()) == FullStoryData.model_json_schema(), renew
