"""People of the newsroom: bylines, their public pages, and the chief's screen."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import feedparser
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.delivery.audience import AudienceWriter
from entries.desk.access import desk_url
from entries.models import AudienceMinute, Entry, Image, Profile, Series, Site, Story
from entries.pages import fragment_cache, story_page
from entries.public import caching
from entries.text import gmt as times
from entries.verbs import EntryText, Permissions, Refused
from tests.builders import make_story, make_update, make_user, signed_in, text

pytestmark = pytest.mark.django_db
PERSON = {"name": "Ann Lee", "mail": "ann@example.org", "role": "Editors"}


def get(path: str) -> str:
    story_page._frame.cache_clear()
    fragment_cache.cache.clear()
    return Client().get(path).content.decode()


def person(byline: str = "Ann Lee", **fields: Any) -> User:
    return verbs.save_person(User(), **{**PERSON, "byline": byline, **fields})


def by_ann(story: Story, body: str = "", **options: Any) -> Entry:
    written = text(body)
    return verbs.post(
        story, EntryText(written.body, at=written.at, byline="Ann Lee"), **options
    )


@pytest.fixture
def story() -> Story:
    return make_story("Fog over the harbour", slug="fog")


# ---- authors


def test_bylines_link_to_the_page_of_their_author(story: Story):
    person(title="Reporter, Port Ilaria")
    entry = by_ann(story, "The ferry has moored.")
    page = get("/stories/fog/")
    assert re.search(r'<a\s+href="/authors/ann-lee/"\s+rel="author"\s*>Ann Lee<', page)
    data = json.loads(page.split('ld+json">')[1].split("</script>")[0])
    author = data["liveBlogUpdate"][0]["author"]
    assert author["@type"] == "Person"
    assert author["url"].endswith("/authors/ann-lee/")
    found = get("/authors/ann-lee/")
    assert "Reporter, Port Ilaria" in found
    assert "The ferry has moored." in found
    assert f"/stories/fog/updates/{entry.pk}/" in found


FEED = "/authors/ann-lee/feed/"


def test_an_author_has_a_feed_that_their_page_names(story: Story):
    user = person(title="Reporter, Port Ilaria")
    entry = by_ann(story, "The ferry has moored.")
    by_ann(story, "Ann's secret.", state="draft")
    make_update(story, "By nobody in particular.")
    other = make_story("Ice on the sound", slug="ice")
    verbs.cross_post(entry, other)
    link = rf'type="application/atom\+xml"\s+title="Ann Lee"\s+href="{FEED}"'
    assert re.search(link, get("/authors/ann-lee/"))
    feed = feedparser.parse(Client().get(FEED).content)
    assert feed.feed.title.startswith("Ann Lee – ")
    assert feed.feed.subtitle == "Reporter, Port Ilaria"
    assert [(one.link, one.author) for one in feed.entries] == [
        (f"{settings.SITE_URL}/stories/fog/updates/{entry.pk}/", "Ann Lee")
    ]
    assert "The ferry has moored." in feed.entries[0].content[0].value
    before = Client().get(FEED)
    tag = {"If-None-Match": before["ETag"]}
    assert Client().get(FEED, headers=tag).status_code == 304
    verbs.save_person(user, **PERSON, byline="Ann Lee", title="Editor")
    assert b"Editor" in Client().get(FEED, headers=tag).content
    verbs.withdraw_story(story)
    assert f"/ice/updates/{entry.pk}/" in get(FEED)
    verbs.withdraw(entry)
    assert Client().get(FEED).status_code == 404


@pytest.mark.parametrize("path", ["/authors/ann-lee/", FEED, "/series/harbour/feed/"])
def test_a_change_while_a_page_is_read_is_not_missed(
    story: Story, monkeypatch: pytest.MonkeyPatch, path: str
):
    """The ETag is never newer than what it stands for."""
    user = person(title="Reporter")
    series = verbs.save_series(
        Series(name="Harbour", slug="harbour", description="Reporter")
    )
    by_ann(story, "The ferry has moored.")
    read, changed = caching.site_version, []

    def changed_first(*site: Site) -> caching.Version:
        if not changed:
            changed.append(path)
            verbs.save_person(user, **PERSON, byline="Ann Lee", title="Editor")
            series.description = "Editor"
            verbs.save_series(series)
        return read(*site)

    monkeypatch.setattr(caching, "site_version", changed_first)
    first = Client().get(path)
    assert changed
    again = Client().get(path, headers={"If-None-Match": first["ETag"]})
    newest = first if again.status_code == 304 else again
    assert b"Editor" in newest.content


def test_a_feed_of_an_author_costs_few_queries(
    story: Story, django_assert_max_num_queries
):
    person()
    for number in range(5):
        by_ann(story, f"Update {number}.")
    with django_assert_max_num_queries(8):
        Client().get(FEED)


def test_an_author_without_visible_updates_has_no_page(story: Story):
    person()
    assert Client().get("/authors/ann-lee/").status_code == 404
    draft = make_story("Not yet", live=False)
    by_ann(draft, "Quokkas.")
    entry = by_ann(story, "Quokkas wait.", state="draft")
    assert Client().get("/authors/ann-lee/").status_code == 404
    verbs.withdraw(verbs.publish(entry))
    assert Client().get("/authors/ann-lee/").status_code == 404
    verbs.go_live(draft)
    page = get("/authors/ann-lee/")
    assert "Quokkas." in page
    assert "Quokkas wait." not in page


def test_the_page_is_current_and_has_an_etag(story: Story):
    user = person()
    by_ann(story, "One.")
    before = Client().get("/authors/ann-lee/")
    assert before.status_code == 200
    assert "Cookie" not in before.headers.get("Vary", "")
    again = Client().get("/authors/ann-lee/", headers={"If-None-Match": before["ETag"]})
    assert again.status_code == 304
    by_ann(story, "Two.")
    after = Client().get("/authors/ann-lee/")
    assert after["ETag"] != before["ETag"]
    verbs.save_person(user, **PERSON, byline="Ann Lee", title="Editor")
    assert "Editor" in get("/authors/ann-lee/")
    assert Client().get("/authors/ann-lee/")["ETag"] != after["ETag"]


def test_a_cross_post_is_listed_once_and_older_pages_are_linked(story: Story):
    person()
    other = make_story("The long strike", slug="strike")
    verbs.cross_post(by_ann(story, "Shared."), other)
    assert get("/authors/ann-lee/").count("Shared.") == 1
    for number in range(52):
        by_ann(story, f"Report {number}.")
    page = get("/authors/ann-lee/")
    assert page.count('class="teaser"') == 50
    older = re.search(r'href="(\?before=\d+)"', page)
    assert older
    rest = get(f"/authors/ann-lee/{older[1]}")
    assert rest.count('class="teaser"') == 3
    assert Client().get("/authors/ann-lee/?before=99999999").status_code == 404


def test_earlier_updates_are_credited_when_a_person_gets_a_byline(story: Story):
    by_ann(story, "Before the account.")
    assert "/authors/" not in get("/stories/fog/")
    person()
    assert "/authors/ann-lee/" in get("/stories/fog/")
    assert "Before the account." in get("/authors/ann-lee/")


def test_an_author_page_survives_its_account(story: Story):
    user = person()
    by_ann(story, "The ferry has moored.")
    verbs.set_person_active(user, False)
    assert "The ferry has moored." in get("/authors/ann-lee/")
    User.objects.filter(pk=user.pk).delete()
    assert "The ferry has moored." in get("/authors/ann-lee/")


def test_a_new_byline_keeps_the_url(story: Story):
    user = person()
    by_ann(story, "As Ann Lee.")
    verbs.save_person(user, **PERSON, byline="Ann Lee-Fox")
    page = get("/authors/ann-lee/")
    assert "Ann Lee-Fox" in page
    assert "As Ann Lee." in page


def test_two_people_cannot_share_a_byline():
    person()
    with pytest.raises(Refused) as refused:
        person(mail="other@example.org")
    assert refused.value.field == "byline"


def test_the_composer_starts_with_the_byline(story: Story):
    user = person()
    client = Client()
    client.force_login(user)
    page = client.get(desk_url(story)).content.decode()
    assert re.search(r'id="composer-byline"\s+value="Ann Lee"', page)
    form = {"body": "With a name.", "byline": "Ann Lee", "action": "publish"}
    client.post(desk_url(story), form)
    assert Entry.objects.get(body="With a name.").credited == user.profile  # type: ignore[attr-defined]


def test_a_second_person_with_a_byline_gets_no_existing_entries(story: Story):
    first = person()
    by_ann(story, "The ferry has moored.")
    verbs.save_person(first, **PERSON, byline="Ann Lee-Fox")
    person(mail="second@example.org")
    assert "The ferry has moored." in get("/authors/ann-lee/")
    assert Client().get("/authors/ann-lee-2/").status_code == 404


def test_saving_again_credits_omitted_entries(story: Story):
    user = person()
    by_ann(story, "The ferry has moored.")
    Entry.objects.update(credited=None)  # as if the process had ended too early
    verbs.save_person(user, **PERSON, byline="Ann Lee")
    assert "The ferry has moored." in get("/authors/ann-lee/")


def test_saving_a_person_changes_nothing_else_of_the_account(story: Story):
    user = person()
    User.objects.filter(pk=user.pk).update(is_active=False, password="!changed")
    verbs.save_person(user, **PERSON, byline="Ann Lee")
    saved = User.objects.get(pk=user.pk)
    assert (saved.is_active, saved.password) == (False, "!changed")
    User.objects.filter(pk=user.pk).delete()
    with pytest.raises(Refused):
        verbs.save_person(user, **PERSON, byline="Ann Lee")


# ---- portraits


@pytest.fixture
def portrait(story: Story) -> Image:
    image = Image.objects.create(
        name="ann",
        stem=f"ab/{1:040x}",
        width=480,
        height=360,
        widths=[480],
        alt="Ann Lee",
    )
    person(portrait=image)
    by_ann(story, "The ferry has moored.")
    return image


def test_an_author_page_changes_with_its_portrait(portrait: Image):
    before = Client().get("/authors/ann-lee/")
    assert "focal-x20" not in before.content.decode()
    portrait.focal_x = 20
    verbs.save_image(portrait, ["focal_x"])
    after = Client().get("/authors/ann-lee/")
    assert after["ETag"] != before["ETag"]
    assert "focal-x20" in after.content.decode()
    portrait.alt = ""
    with pytest.raises(Refused):
        verbs.save_image(portrait, ["alt"])


def test_a_portrait_in_use_is_not_deleted(portrait: Image, story: Story, chief: Client):
    entry = verbs.post(story, EntryText("![](image:ann)", at=timezone.now()))
    assert entry.images.get() == portrait
    assert verbs.orphaned_images(entry) == []
    verbs.erase(entry)
    assert portrait.stem in get("/authors/ann-lee/")
    with pytest.raises(Refused):
        verbs.delete_image(portrait)
    way = f"/admin/entries/image/{portrait.pk}/delete/"
    chief.post(way, {"post": "yes"})
    assert Image.objects.filter(pk=portrait.pk).exists()


# ---- the chief's screen


@pytest.fixture
def chief() -> Client:
    return signed_in("the-chief", chief=True)


def test_a_chief_adds_a_person_and_sees_the_link_once(chief: Client):
    page = chief.post("/admin/people/add/", PERSON).content.decode()
    user = User.objects.get(email="ann@example.org")
    assert (user.username, user.get_full_name()) == ("ann", "Ann Lee")
    assert [group.name for group in user.groups.all()] == ["Editors"]
    assert user.is_staff
    assert not user.is_superuser
    link = re.search(r"http://\S+?(/admin/password/\S+?/)<", page)
    assert link
    invited = Client()
    form: Any = invited.get(link[1], follow=True)
    new = {"new_password1": "fresh-crab-harbour", "new_password2": "fresh-crab-harbour"}
    invited.post(form.redirect_chain[-1][0], new)
    user.refresh_from_db()
    assert user.check_password("fresh-crab-harbour")
    assert Client().get(link[1], follow=True).context["validlink"] is False
    assert "Ann Lee" in chief.get("/admin/people/").content.decode()


def test_with_mail_the_invitation_is_sent(chief: Client, settings: Any):
    settings.EMAIL_HOST = "mail.example.org"
    page = chief.post("/admin/people/add/", PERSON).content.decode()
    (sent,) = mail.outbox
    assert sent.to == ["ann@example.org"]
    assert "/admin/password/" in str(sent.body)
    assert "/admin/password/" not in page.split("<main")[1]


def test_deactivating_a_person_ends_their_sessions_at_once(chief: Client, story: Story):
    user = person()
    client = Client()
    client.force_login(user)
    assert client.get(desk_url(story)).status_code == 200
    chief.post(f"/admin/people/{user.pk}/", {"do": "deactivate"})
    user.refresh_from_db()
    assert not user.is_active
    assert client.get(desk_url(story)).status_code == 302
    mine = [
        s for s in Session.objects.all() if str(user.pk) in s.get_decoded().values()
    ]
    assert not mine
    chief.post(f"/admin/people/{user.pk}/", {"do": "activate"})
    assert client.get(desk_url(story)).status_code == 302


def test_changing_a_role_keeps_other_groups(chief: Client):
    user = person()
    form = {**PERSON, "role": "Moderators", "languages": "EN, pt_br"}
    chief.post(f"/admin/people/{user.pk}/", form)
    assert [group.name for group in user.groups.all()] == ["Moderators"]
    assert Profile.objects.get(user=user).languages == "en,pt-BR"


def test_invalid_people_are_refused(chief: Client):
    person()
    for wrong in (
        {"mail": "ann@example.org"},
        {"mail": "no address"},
        {"mail": "b@example.org", "languages": "english"},
        {"mail": "b@example.org", "portrait": "nowhere"},
        {"mail": "b@example.org", "role": "Owner"},
    ):
        response = chief.post("/admin/people/add/", {**PERSON, **wrong})
        assert response.status_code == 422, wrong
    assert User.objects.count() == 2


def test_a_chief_cannot_lock_themselves_out(chief: Client):
    me = User.objects.get(username="the-chief")
    chief.post(f"/admin/people/{me.pk}/", {"do": "deactivate"})
    chief.post(f"/admin/people/{me.pk}/", PERSON)
    me.refresh_from_db()
    assert me.is_active
    assert me.is_superuser


def test_only_chiefs_change_people():
    editors = Permissions.of(make_user("editor", "Editors"))
    with pytest.raises(Refused):
        verbs.save_person(User(), **PERSON, by=editors)
    with pytest.raises(Refused):
        verbs.set_person_active(make_user("other"), False, by=editors)


# ---- the audience


def test_processes_add_their_readers_to_one_row_a_minute(story: Story):
    minute = times.this_minute()
    for readers in (3, 4):
        AudienceWriter().write_minute(minute, {story.pk: readers, 999_999: 5})
    row = AudienceMinute.objects.get()
    assert (row.story_id, row.minute, row.readers) == (story.pk, minute, 7)


def test_a_minute_ends_once(monkeypatch: pytest.MonkeyPatch):
    writer = AudienceWriter()
    assert writer.ended_minute() is None
    writer._minute -= timedelta(minutes=1)
    assert writer.ended_minute() is not None
    assert writer.ended_minute() is None


def test_minutes_are_kept_for_thirty_days(story: Story):
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for days in (29, 31):
        at = hour - timedelta(days=days)
        AudienceMinute.objects.create(story=story, minute=at, readers=1)
    AudienceWriter().write_minute(hour, {})
    assert AudienceMinute.objects.count() == 1


def test_the_newsroom_sees_readers_over_time_with_the_updates(story: Story):
    verbs.post(story, EntryText("The ferry has moored."))
    AudienceWriter().write_minute(
        times.this_minute() - timedelta(minutes=9), {story.pk: 42}
    )
    client = signed_in("ed", "Editors")
    for hours in ("", "?hours=3", "?hours=720", "?hours=5"):
        page = client.get(desk_url(story, "audience") + hours).content.decode()
        assert "<polyline" in page
        assert "at most 42" in page
        assert "The ferry has moored." in page
        assert "style=" not in page.split("<svg")[1].split("</svg>")[0]
    assert Client().get(desk_url(story, "audience")).status_code == 302


def test_an_empty_audience_is_a_flat_line(story: Story):
    make_update(story)
    client = signed_in("ed", "Editors")
    assert "at most 0" in client.get(desk_url(story, "audience")).content.decode()
