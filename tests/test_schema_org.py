"""Structured data of a page: LiveBlogPosting, and cards for sharing."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.test import Client
from django.utils import timezone
from PIL import Image

from entries import verbs
from entries.models import Story
from tests.builders import bulk_updates, gmt, make_original, make_story, make_update
from tests.test_pages import make_picture
from tests.vocabulary import problems

pytestmark = pytest.mark.django_db


class Head(HTMLParser):
    """Read a page as a crawler does: its `<meta>`, `<link>` and JSON-LD."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.data: list[Any] = []
        self._in_data = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and "content" in given:
            name = given.get("property") or given.get("name", "")
            assert name not in self.meta, name
            self.meta[name] = given["content"]
        elif tag == "link":
            self.links[given["rel"]] = given["href"]
        elif tag == "script":
            self._in_data = given.get("type") == "application/ld+json"

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data.append(json.loads(data))
            self._in_data = False


def head(client: Client, path: str) -> Head:
    response = client.get(path)
    assert response.status_code == 200
    found = Head(response.content.decode())
    for data in found.data:
        assert problems(data) == []
    return found


@pytest.fixture
def story() -> Story:
    lead = make_picture("quay", alt="A crane", caption="The quay")
    story = make_story(
        "Fog & ice",
        slug="fog",
        series="Harbour Daily",
        standfirst="Ships wait outside.",
        lead_image=lead,
    )
    make_original(story)
    make_update(story, "The first word.", at="0700", pinned=True)
    make_update(story, "Closing tag: `</script>`.", at="0910", headline="Tags <b>")
    make_update(story, "The newest.", at="1800")
    return story


def test_a_story_is_a_live_blog_posting_with_every_update_of_the_page(
    client: Client, story: Story
) -> None:
    (data,) = head(client, "/stories/fog/").data
    url = f"{settings.SITE_URL}/stories/fog/"
    assert data["@context"] == "https://schema.org"
    assert data["@type"] == "LiveBlogPosting"
    assert data["url"] == data["mainEntityOfPage"] == url
    assert data["headline"] == "Fog & ice"
    assert data["articleSection"] == "Harbour Daily"
    assert data["publisher"]["name"] == settings.SITE_NAME
    assert data["image"]["url"].startswith(f"{settings.SITE_URL}/pictures/")
    assert data["coverageStartTime"] == "2026-03-14T07:00:00+00:00"
    assert "coverageEndTime" not in data
    updates = data["liveBlogUpdate"]
    bodies = [update["articleBody"] for update in updates]
    assert bodies == ["The newest.", "Closing tag: </script>.", "The first word."]
    assert updates[1]["headline"] == "Tags <b>"
    for update in updates:
        assert update["@type"] == "BlogPosting"
        assert update["url"].startswith(f"{url}updates/")
        assert client.get(update["url"].removeprefix(settings.SITE_URL))
        for name in ("datePublished", "dateModified"):
            assert datetime.fromisoformat(update[name]).tzinfo


def test_structured_data_has_all_required_properties_of_an_article(
    client: Client, story: Story
) -> None:
    update = make_update(story, "By hand.", at="1900", headline="Signed")
    story.entries.filter(pk=update.pk).update(byline="A Reporter")
    (data,) = head(client, "/stories/fog/").data
    for article in (data, *data["liveBlogUpdate"]):
        asked = {"headline", "datePublished", "dateModified", "author", "publisher"}
        assert asked <= set(article)
        assert article["author"]["name"]
    assert {"image", "coverageStartTime"} <= set(data)
    assert data["liveBlogUpdate"][0]["author"] == {
        "@type": "Person",
        "name": "A Reporter",
    }


def articles(client: Client, story: Story) -> list[dict[str, Any]]:
    """Return every article in the pages of a story and of its updates."""
    found = []
    (data,) = head(client, story.get_absolute_url()).data
    found += [data, *data["liveBlogUpdate"]]
    for entry in story.entries.all():
        (data,) = head(client, f"{story.get_absolute_url()}updates/{entry.pk}/").data
        found += [data, data["isPartOf"]]
    return found


@pytest.mark.parametrize("lead", [True, False])
def test_every_article_has_an_image_and_its_publisher_a_logo(
    client: Client, story: Story, *, lead: bool
) -> None:
    make_picture("mast", alt="A mast")
    make_update(story, "It stands.\n\n![](image:mast)", at="1900")
    if not lead:
        verbs.edit_story(story, lead_image=None)
    own, stories = set(), set()
    for article in articles(client, story):
        if "articleBody" not in article and "liveBlogUpdate" not in article:
            continue  # a reference
        logo = article["publisher"]["logo"]["url"]
        assert logo == f"{settings.SITE_URL}{static('entries/apple-touch-icon.png')}"
        images = article["image"]
        images = images if isinstance(images, list) else [images]
        urls = {image["url"] for image in images}
        (own if "It stands." in article.get("articleBody", "") else stories).update(
            urls
        )
    card = f"{settings.SITE_URL}{static('entries/card.png')}"
    assert len(own) == 1
    assert len(stories) == 1
    assert own.isdisjoint(stories)
    assert (stories == {card}) == (not lead)


@pytest.mark.parametrize(
    ("headline", "shown"),
    [
        ("Fog. " * 22, ("Fog. " * 22).strip()),  # 109 characters
        ("F" * 110, "F" * 110),
        ("Fog, " * 30, "Fog, " * 20 + "Fog, Fog…"),
        ("F" * 200, "F" * 109 + "…"),
        ("雾" * 200, "雾" * 109 + "…"),
    ],
)
def test_no_headline_is_longer_than_110_characters(
    client: Client, story: Story, headline: str, shown: str
) -> None:
    verbs.edit_story(story, headline=headline)
    make_update(story, at="1900", headline=headline)
    make_update(story, headline, at="1901")
    found = [article["headline"] for article in articles(client, story)]
    assert max(map(len, found)) <= 110
    assert found.count(shown) >= 8


def test_invalid_schema_org_data_is_detected(client: Client, story: Story) -> None:
    (data,) = head(client, "/stories/fog/").data
    update = data["liveBlogUpdate"][0]
    update["headlines"] = update.pop("headline")  # no such property
    update["author"]["@type"] = "Newspaperman"  # no such type
    update["publisher"] = {"@type": "Place", "name": "Here"}  # another range
    update["dateModified"] = "2026-03-14T09:10:00"  # no zone
    data["url"] = "/stories/fog/"
    data["coverageEndTime"] = "soon"
    at = ("liveBlogUpdate", 0)
    assert {where for where, _ in problems(data)} == {
        (*at, "headlines"),
        (*at, "author"),
        (*at, "publisher"),
        (*at, "dateModified"),
        ("url",),
        ("coverageEndTime",),
    }


def test_a_closed_story_has_the_end_of_its_coverage(
    client: Client, story: Story
) -> None:
    verbs.close_story(story, at=gmt("2210"))
    (data,) = head(client, "/stories/fog/").data
    assert data["coverageEndTime"] == "2026-03-14T22:10:00+00:00"
    assert data["coverageStartTime"] < data["coverageEndTime"]


def test_an_older_page_has_its_own_updates(client: Client) -> None:
    story = make_story(slug="long")
    bulk_updates(story, 120)
    place = story.postings.order_by("seq")[49].entry_id
    (front,) = head(client, "/stories/long/").data
    (older,) = head(client, f"/stories/long/?before={place}").data
    assert len(front["liveBlogUpdate"]) == 70
    assert len(older["liveBlogUpdate"]) == 49
    urls = {row["url"] for page in (front, older) for row in page["liveBlogUpdate"]}
    assert len(urls) == 119


def test_structured_data_has_nothing_that_is_not_public(
    client: Client, story: Story
) -> None:
    make_update(story, "Zwyngaard draft", state="draft")
    make_update(story, "Zwyngaard later", at=timezone.now() + timedelta(hours=1))
    gone = make_update(story, "Zwyngaard gone", headline="Zwyngaard")
    page = client.get("/stories/fog/").content.decode()
    assert page.partition("</head>")[0].count("Zwyngaard") == 2
    verbs.withdraw(gone)
    assert "Zwyngaard" not in client.get("/stories/fog/").content.decode()


def test_the_card_of_a_story(client: Client, story: Story) -> None:
    found = head(client, "/stories/fog/")
    url = f"{settings.SITE_URL}/stories/fog/"
    assert found.links["canonical"] == found.meta["og:url"] == url
    assert found.meta["og:type"] == "article"
    assert found.meta["og:title"] == "Harbour Daily: Fog & ice"
    assert found.meta["og:description"] == "Ships wait outside."
    assert found.meta["og:image"].startswith(f"{settings.SITE_URL}/pictures/")
    assert (found.meta["og:image:width"], found.meta["og:image:height"]) == ("64", "32")
    assert found.meta["og:image:alt"] == "A crane"
    assert found.meta["twitter:card"] == "summary_large_image"
    assert datetime.fromisoformat(found.meta["article:published_time"])


def test_the_card_of_an_update_has_its_own_text_and_image(
    client: Client, story: Story
) -> None:
    make_picture("mast", alt='A "mast" > all')
    words = "It *stands*.\n\n![](image:mast)"
    update = make_update(story, words, at="1900", headline="The mast")
    path = f"/stories/fog/updates/{update.pk}/"
    found = head(client, path)
    assert found.links["canonical"] == f"{settings.SITE_URL}{path}"
    assert found.meta["og:title"] == "The mast"
    assert found.meta["og:description"].startswith("It stands.")
    assert found.meta["og:image:alt"] == 'A "mast" > all'
    (data,) = found.data
    assert data["@type"] == "BlogPosting"
    assert data["isPartOf"]["@id"] == f"{settings.SITE_URL}/stories/fog/"
    plain = story.entries.get(body="The newest.")
    found = head(client, f"/stories/fog/updates/{plain.pk}/")
    assert found.meta["og:title"] == "UPDATE 1800 GMT: Fog & ice"
    assert found.meta["og:image:alt"] == "A crane"  # its story's


def test_a_page_without_an_image_uses_the_card_of_the_site(
    client: Client,
) -> None:
    update = make_update(make_story("Plain", slug="plain", series="Harbour Daily"))
    name = "entries/card.png"
    for path in ("/", "/series/harbour-daily/", f"/stories/plain/updates/{update.pk}/"):
        meta = head(client, path).meta
        assert meta["og:image"] == f"{settings.SITE_URL}{static(name)}"
        assert meta["description"].strip()
        assert meta["og:image:alt"] == settings.SITE_NAME
    found = head(client, "/stories/plain/")
    assert found.meta["description"].startswith("Harbour Daily: Plain")
    with Image.open(str(finders.find(name))) as card:
        size = (found.meta["og:image:width"], found.meta["og:image:height"])
        assert tuple(map(int, size)) == card.size


def test_a_cross_posted_update_is_canonical_in_its_own_story(
    client: Client, story: Story
) -> None:
    other = make_story(slug="other")
    update = story.entries.get(body="The newest.")
    verbs.cross_post(update, other)
    found = head(client, f"/stories/other/updates/{update.pk}/")
    own = f"{settings.SITE_URL}/stories/fog/updates/{update.pk}/"
    assert found.links["canonical"] == found.meta["og:url"] == own
    assert found.data[0]["url"] == own


def test_a_changed_home_language_reaches_every_story_of_its_updates(
    client: Client, story: Story
) -> None:
    other = make_story(slug="other")
    update = story.entries.get(body="The newest.")
    verbs.cross_post(update, other)
    address = f"/stories/other/updates/{update.pk}/"
    assert 'class="body" dir="auto">' in client.get("/stories/other/").content.decode()
    known = [client.get(way)["ETag"] for way in ("/stories/other/", address)]
    verbs.edit_story(story, language="cy")
    assert head(client, address).data[0]["inLanguage"] == "cy"
    page = client.get("/stories/other/")
    assert 'class="body" dir="auto" lang="cy">' in page.content.decode()
    assert 'lang="cy">' not in update.postings.get(story=story).html
    assert client.get(address)["ETag"] not in known
    assert page["ETag"] not in known


def test_structured_data_cannot_end_its_script_element(
    client: Client, story: Story
) -> None:
    page = client.get("/stories/fog/").content.decode()
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert not set("<>&") & set(text)
