"""The history of a text, at the desk and for readers, and erasing it."""

from __future__ import annotations

import difflib
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from entries import verbs
from entries.models import (
    Draft,
    Entry,
    EntryVersion,
    Image,
    Link,
    Posting,
    SearchText,
    Story,
)
from entries.pages import differences
from entries.verbs import EntryConflict, EntryText, Refused
from tests import actions
from tests.builders import (
    make_original,
    make_series,
    make_story,
    make_update,
    make_user,
    signed_in,
)
from tests.desk import Editor
from tests.servers import Newsroom, Newsrooms, wait_for
from tests.test_admin import photo

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    """Give a browser in which an editor is signed in."""
    return signed_in("editor", "Editors")


@pytest.fixture
def chief() -> Client:
    return signed_in("chief", chief=True)


def change(entry: Entry, body: str, line: str = "", **more: Any) -> Entry:
    text = EntryText(body, more.pop("headline", entry.headline), entry.at, entry.byline)
    return verbs.edit(entry, text, version=entry.version, correction=line, **more)


def desk_history(entry: Entry) -> str:
    return reverse("admin:entries_story_versions", args=[entry.story_id, entry.pk])


def head_history(story: Story) -> str:
    return reverse("admin:entries_story_history", args=[story.pk])


def public(entry: Entry, story: Story | None = None) -> str:
    return f"/stories/{(story or entry.story).slug}/updates/{entry.pk}/history/"


def html_of(answer: Any) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


# --- What readers see of corrections


def test_a_correction_links_to_its_history(story):
    entry = make_update(story, "Eight boats are **out**.")
    change(entry, "Nine boats are **out**.", "There are nine boats.")
    assert f'href="{public(entry)}"' in Posting.objects.get().html
    page = html_of(Client().get(public(entry)))
    assert "There are nine boats." in page
    assert "<del>Eight </del><ins>Nine </ins>boats are out." in page


def test_silent_edits_are_not_shown_to_readers(story):
    entry = make_update(story, "First words.")
    change(entry, "Second words.")
    change(entry, "Third words.", "The number was wrong.")
    change(entry, "Fourth words.")
    page = html_of(Client().get(public(entry)))
    assert "<del>Second </del><ins>Third </ins>words." in page
    assert "First" not in page
    assert "Fourth" not in page


def test_corrections_of_headline_and_time_are_shown(story):
    entry = make_update(story, "The same.", at="1805", headline="Eight boats")
    text = EntryText("The same.", "Nine boats", entry.at.replace(minute=50))
    verbs.edit(entry, text, version=1, correction="Nine, and later.")
    page = html_of(Client().get(public(entry)))
    assert "<del>Eight </del><ins>Nine </ins>boats" in page
    assert "<del>1805 </del><ins>1850 </ins>GMT" in page


def test_edits_of_a_draft_are_no_corrections(story):
    entry = make_update(story, "A secret draft.", state="draft")
    change(entry, "The text.", "Not for readers.")
    verbs.publish(entry)
    page = html_of(Client().get(public(entry)))
    assert "secret" not in page
    assert "Not for readers" not in page + Posting.objects.get().html


def test_edits_before_the_story_went_live_are_not_shown():
    story = make_story(live=False)
    entry = make_update(story, "A secret.")
    change(entry, "The text.", "It is no secret.")
    verbs.go_live(story)
    assert "secret" not in html_of(Client().get(public(entry)))


def test_the_history_of_an_invisible_entry_is_not_served(story):
    withdrawn = make_update(story, "Withdrawn words.")
    change(withdrawn, "Withdrawn, corrected.", "A line.")
    verbs.withdraw(withdrawn)
    answer = Client().get(public(withdrawn))
    assert answer.status_code == 410
    assert b"ithdrawn, corrected" not in answer.content
    draft = make_update(story, "A draft.", state="draft")
    assert Client().get(public(draft)).status_code == 404
    verbs.withdraw_story(story)
    entry = make_update(make_story(), "Elsewhere.")
    assert Client().get(public(entry, story)).status_code == 410


def test_the_history_of_a_moved_update_is_in_its_new_story(story):
    other = make_story("Rain")
    entry = make_update(story)
    change(entry, "Corrected.", "A line.")
    verbs.move(entry, other)
    assert Client().get(public(entry, story))["Location"] == public(entry, other)


def test_a_cross_post_has_the_same_history_and_one_canonical_url(story):
    other = make_story("Rain")
    entry = make_update(story, "Eight boats.")
    verbs.cross_post(entry, other)
    change(entry, "Nine boats.", "It was nine.")
    page = html_of(Client().get(public(entry, other)))
    assert "<del>Eight </del><ins>Nine </ins>" in page
    assert f'rel="canonical" href="{settings.SITE_URL}{public(entry, story)}"' in page


def test_a_hidden_correction_is_shown_nowhere(client, story):
    entry = make_update(story, "The name is Ruel.")
    change(entry, "The name is not known.", "We named Ruel wrongly.")
    change(entry, "Nobody is named.", "Nobody should be named.")
    seq = Posting.objects.get().seq
    client.post(desk_history(entry), {"do": "hide", "number": "1"})
    posting = Posting.objects.get()
    assert posting.seq > seq
    page = html_of(Client().get(public(entry)))
    assert "Ruel" not in posting.html + page
    assert "Nobody should be named." in posting.html
    assert "Ruel" in html_of(client.get(desk_history(entry)))
    client.post(desk_history(entry), {"do": "show", "number": "1"})
    assert "Ruel" in html_of(Client().get(public(entry)))


def test_a_hidden_text_is_not_in_the_previous_correction(client, story):
    entry = make_update(story, "A man is held.")
    change(entry, "A man, Ruel, is held.", "We add who it is.")
    assert "Ruel" in html_of(Client().get(public(entry)))
    change(entry, "A man is held.", "We take back whom we named.")
    client.post(desk_history(entry), {"do": "hide", "number": "2"})
    page = html_of(Client().get(public(entry)))
    assert "Ruel" not in page
    assert "We add who it is." in page


def test_the_history_has_its_own_etag(story):
    entry = make_update(story, "Eight boats.")
    change(entry, "Nine boats.", "It was nine.")
    tag = Client().get(public(entry))["ETag"]
    again = Client().get(public(entry), headers={"If-None-Match": tag})
    assert again.status_code == 304
    verbs.hide_correction(entry.versions.get())
    assert Client().get(public(entry))["ETag"] != tag


# --- What the desk sees


def test_the_desk_shows_who_changed_what(client, story):
    entry = make_update(story, "Eight boats.", author=make_user("ann", "Editors"))
    way = reverse("admin:entries_story_edit", args=[story.pk, entry.pk])
    client.post(way, {"body": "Nine boats.", "version": 1, "action": "save"})
    page = html_of(client.get(desk_history(entry)))
    assert "<del>Eight </del><ins>Nine </ins>" in page
    assert page.index('class="who">editor') < page.index('class="who">ann')
    act = reverse("admin:entries_story_act", args=[story.pk, entry.pk])
    client.post(act, {"do": "withdraw"})
    client.post(act, {"do": "withdraw"})
    assert html_of(client.get(desk_history(entry))).count("Withdrew.") == 1
    assert "Withdrew." in html_of(client.get(head_history(story)))


def test_actions_at_the_desk_are_in_djangos_log(client, story):
    way = f"/admin/entries/story/{story.pk}/change/"
    client.post(way, {"body": "Secret words.", "action": "publish"})
    line = LogEntry.objects.get()
    assert line.user.username == "editor"
    assert str(story.entries.get().pk) == line.object_id
    assert "Secret" not in line.object_repr + line.change_message


def test_restoring_an_old_version_is_an_edit(client, story):
    entry = make_update(story, "The first text.", headline="One")
    change(entry, "The second text.", headline="Two")
    data = {"do": "restore", "number": "1", "version": "2"}
    client.post(desk_history(entry), data | {"correction": "The first was right."})
    entry.refresh_from_db()
    assert (entry.body, entry.headline, entry.version) == ("The first text.", "One", 3)
    assert "The first was right." in Posting.objects.get().html
    assert [v.body for v in entry.versions.all()] == [
        "The first text.",
        "The second text.",
    ]


def test_restoring_does_not_overwrite_a_colleague(client, story):
    entry = make_update(story, "The first text.")
    change(entry, "The second text.")
    change(entry, "A colleague's text.")
    data = {"do": "restore", "number": "1", "version": "2"}
    answer = client.post(desk_history(entry), data, follow=True)
    entry.refresh_from_db()
    assert entry.body == "A colleague's text."
    assert "Somebody else has changed this entry" in html_of(answer)


def test_story_details_have_versions(client, story):
    verbs.edit_story(story, headline="Fog lifts", summary="- Two boats")
    verbs.edit_story(story, slug="fog-lifts")
    assert [v.headline for v in story.versions.all()] == ["Fog over the harbour"]
    page = html_of(client.get(head_history(story)))
    assert "<del>over the harbour</del><ins>lifts</ins>" in page
    stale = {"do": "restore", "number": "1", "version": "1"}
    told = html_of(client.post(head_history(story), stale, follow=True))
    assert "Read what it says now" in told
    story.refresh_from_db()
    assert story.headline == "Fog lifts"
    client.post(head_history(story), {"do": "restore", "number": "1", "version": "2"})
    story.refresh_from_db()
    assert (story.headline, story.summary) == ("Fog over the harbour", "")


def test_the_second_of_two_editors_of_story_details_sees_both(client, story):
    way = reverse("admin:entries_story_details", args=[story.pk])
    data = {
        "headline": "Fog and rain",
        "slug": story.slug,
        "language": "en",
        "version": "1",
    }
    verbs.edit_story(story, headline="Fog lifts")
    page = html_of(client.post(way, data))
    story.refresh_from_db()
    assert story.headline == "Fog lifts"
    assert "<del>lifts</del><ins>and rain</ins>" in page
    assert 'name="version" value="1"' in page
    client.post(way, data)
    story.refresh_from_db()
    assert story.headline == "Fog lifts"  # until one of both is chosen
    client.post(way, data | {"choice": "mine-2"})
    story.refresh_from_db()
    assert story.headline == "Fog and rain"


def test_invalid_story_details_hide_no_change_of_a_colleague(client, story):
    way = reverse("admin:entries_story_details", args=[story.pk])
    data = {"headline": "Fog and rain", "slug": "", "language": "en", "version": "1"}
    verbs.edit_story(story, headline="Fog lifts")
    assert 'name="version" value="1"' in html_of(client.post(way, data))
    page = html_of(client.post(way, data | {"slug": story.slug}))
    assert "<del>lifts</del><ins>and rain</ins>" in page
    story.refresh_from_db()
    assert story.headline == "Fog lifts"


def test_an_older_form_of_story_details_saves_only_changed_fields(client, story):
    way = reverse("admin:entries_story_details", args=[story.pk])
    answer = client.get(way)
    form, page = answer.context["form"], answer.content.decode()
    data = {"version": "1"}
    for field in form:
        data[field.html_name] = field.value() or ""
        if f'name="{field.html_initial_name}"' in page:
            data[field.html_initial_name] = field.value() or ""
    lead = verbs.add_image("lead", verbs.ingest_upload(photo()), alt="Boats")
    series = make_series()
    verbs.edit_story(story, lead_image=lead, slug="fog", series=series)
    client.post(way, data | {"standfirst": "It came at dawn.", "language": "pt"})
    story.refresh_from_db()
    assert (story.standfirst, story.language) == ("It came at dawn.", "pt")
    assert (story.lead_image, story.slug, story.series) == (lead, "fog", series)


def test_contributors_see_only_the_history_of_their_own_texts(story):
    writer = make_user("writer", "Contributors")
    client = Client()
    client.force_login(writer)
    own = make_update(story, "Mine.", state="draft", author=writer)
    others = make_update(story, "A secret draft.")
    change(others, "Published.")
    assert client.get(desk_history(own)).status_code == 200
    assert client.get(desk_history(others)).status_code == 403
    assert client.get(head_history(story)).status_code == 403


# --- Erasing

LOGGED = ("object_repr", "change_message")


def told_everywhere(story: Story, entry: Entry) -> str:
    """Return all that the database and the public pages say."""
    rows: list[Any] = []
    tables = (Draft, Entry, EntryVersion, Posting, Link, Image, SearchText, LogEntry)
    for model in tables:
        rows += model.objects.values_list()
    page = Client().get(story.get_absolute_url()).content.decode()
    return repr(rows) + page + repr(differences.entry_changes(entry))


def test_an_erased_text_is_gone_everywhere(chief, story):
    other = make_story("Rain")
    entry = make_update(story, "Ruel did it.", headline="Ruel", key_event=True)
    verbs.add_link("see", entry=entry, title="Ruel's page")
    verbs.cross_post(entry, other)
    typed = {"values": {"body": "Ruel it was."}, "typed": 1, "story": story}
    user = make_user("editor", "Editors")
    Draft.objects.create(user=user, entry=entry, form="edit", key="1", **typed)
    change(entry, "Ruel may have done it.", "Ruel was named.")
    seq = story.postings.get().seq
    chief.post(desk_history(entry), {"do": "erase"})
    assert "Ruel" not in told_everywhere(story, entry)
    assert "Ruel" not in html_of(chief.get(desk_history(entry)))
    assert Client().get(public(entry)).status_code == 410
    assert Client().get(public(entry, other)).status_code == 410
    assert story.postings.get().seq > seq


def test_the_log_of_a_deleted_text_does_not_quote_it(chief, story):
    entry = make_update(story, "Ruel did it.", headline="Ruel", state="draft")
    answer = chief.post(f"/admin/entries/entry/{entry.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not story.entries.exists()
    line = LogEntry.objects.get()
    assert line.is_deletion()
    assert line.object_repr == f"{entry.label} in {story.slug}"


def test_the_log_of_a_link_does_not_quote_it(chief, story):
    entry = make_update(story, "Ruel did it.")
    place, shown = "/admin/entries/link/", {"kind": "see", "order": 0}
    chief.post(f"{place}add/", shown | {"entry": entry.pk, "title": "Ruel's page"})
    link = entry.links.get()
    chief.post(f"{place}{link.pk}/change/", shown | {"title": "Ruel's own page"})
    assert "own page" in html_of(chief.get(f"{place}{link.pk}/change/"))
    chief.post(f"{place}{link.pk}/delete/", {"post": "yes"})
    assert not entry.links.exists()
    lines = LogEntry.objects.order_by("pk")
    assert [line.action_flag for line in lines] == [ADDITION, CHANGE, DELETION]
    assert {line.object_repr for line in lines} == {"See, to no known target"}
    assert "Ruel" not in repr(lines.values_list())


def test_a_migration_removes_quotes_from_older_logs(chief, story):
    migration = import_module("entries.migrations.0009_log_without_words")
    entry = make_update(story, "Ruel did it.", state="draft")
    link = verbs.add_link("see", entry=entry, title="Ruel's page")
    user = make_user("earlier")
    for row, name, words in (
        (entry, "UPDATE 1804 GMT: Ruel did it.", ""),
        (entry, f"{entry.label} in {story.slug}", "Corrected: Ruel was named."),
        (entry, f"{entry.label} in {story.slug}", "“Ruel's page” leads to Rain."),
        (entry, f"{entry.label} in {story.slug}", "Linked: link (See) to rain."),
        (link, "See Ruel's page", '[{"changed": {"fields": ["title"]}}]'),
        (user, "ruel", ""),
    ):
        LogEntry.objects.create(
            user=user,
            content_type=ContentType.objects.get_for_model(row),
            object_id=row.pk,
            object_repr=name,
            action_flag=CHANGE,
            change_message=words,
        )
    migration.take_words_out(apps, None)
    ours = f"{entry.label} in {story.slug}"
    assert [*LogEntry.objects.order_by("pk").values_list(*LOGGED)] == [
        (f"Entry {entry.pk}", ""),
        (ours, "Corrected."),
        (ours, "“…” leads to Rain."),
        (ours, "Linked: link (See) to rain."),
        (f"Link {link.pk}", '[{"changed": {"fields": ["title"]}}]'),
        ("ruel", ""),  # no row of ours
    ]


def test_an_erased_text_cannot_be_restored(story):
    entry = make_update(story, "Ruel did it.")
    verbs.erase(entry)
    with pytest.raises(Refused):
        verbs.restore(entry)
    with pytest.raises(Refused):
        change(entry, "Ruel did it.")
    key = uuid4()
    verbs.erase(make_update(story, "Ruel.", key=key))
    with pytest.raises(EntryConflict):
        make_update(story, "Ruel.", key=key)


def test_images_are_erased_with_a_text_unless_used_elsewhere(
    story, django_capture_on_commit_callbacks: Any
):
    for name in ("own", "shared", "lead"):
        colour = {"own": "teal", "shared": "navy", "lead": "gold"}[name]
        verbs.add_image(name, verbs.ingest_upload(photo(colour=colour)), alt="Boats")
    verbs.edit_story(story, lead_image=Image.objects.get(name="lead"))
    make_update(story, "![](image:shared)")
    body = "![](image:own)\n\n![](image:shared)\n\n![](image:lead)"
    entry = make_update(story, body)
    change(entry, "No pictures.")
    folder = settings.IMAGES_DIR
    stem = Image.objects.get(name="own").stem
    assert list(folder.glob(f"{stem}*"))
    with django_capture_on_commit_callbacks(execute=True):
        verbs.erase(entry)
    assert set(Image.objects.values_list("name", flat=True)) == {"shared", "lead"}
    assert not list(folder.glob(f"{stem}*"))
    for image in Image.objects.all():
        assert list(folder.glob(f"{image.stem}*"))


def test_an_image_of_a_feature_stays_when_a_text_with_it_is_erased(story):
    image = verbs.add_image("boats", verbs.ingest_upload(photo()), alt="Boats")
    verbs.add_link("feature", title="The harbour", image=image)
    verbs.erase(make_update(story, "![](image:boats)"))
    assert Link.objects.get().image == image


def test_an_earlier_version_is_erased_and_the_current_one_stays(chief, story):
    entry = make_update(story, "Somebody did it.")
    change(entry, "Ruel did it.", "It is known who.")
    typed = {"typed": 1, "story": story, "entry": entry, "form": f"edit-{entry.pk}"}
    for key, body in (("2", "Ruel it was."), ("3", "Nobody knows.")):
        user = make_user(f"editor{key}", "Editors")
        Draft.objects.create(user=user, key=key, values={"body": body}, **typed)
    change(entry, "Nobody is named.", "We named Ruel.")
    chief.post(desk_history(entry), {"do": "erase_version", "number": "2"})
    again = {"do": "restore", "number": "2", "version": "3"}
    chief.post(desk_history(entry), again)
    entry.refresh_from_db()
    assert entry.published
    assert entry.body == "Nobody is named."
    assert "Ruel" not in told_everywhere(story, entry)
    page = html_of(Client().get(public(entry)))
    assert "It is known who." in page
    assert "Nobody" not in page.split("It is known who.")[1].split("</article>")[0]
    assert Draft.objects.get().values["body"] == "Nobody knows."


def test_a_cross_post_links_to_the_history_in_its_home_story(client, story):
    entry, other = make_update(story), make_story()
    verbs.cross_post(entry, other)
    way = reverse("admin:entries_story_versions", args=[other.pk, entry.pk])
    assert client.get(way).headers["Location"] == desk_history(entry)


def test_earlier_versions_of_story_details_are_erased(chief, story):
    verbs.edit_story(story, headline="Ruel accused", standfirst="By Ruel.")
    verbs.edit_story(story, headline="A man accused", standfirst="")
    chief.post(head_history(story), {"do": "erase_version", "number": "2"})
    chief.post(head_history(story), {"do": "restore", "number": "2", "version": "3"})
    story.refresh_from_db()
    assert story.headline == "A man accused"
    assert "Ruel" not in repr(list(story.versions.values()))
    assert "Ruel" not in html_of(chief.get(head_history(story)))


def test_erasing_needs_a_permission_that_no_group_has(client, story):
    moderator = Client()
    moderator.force_login(make_user("moderator", "Moderators"))
    entry = make_update(story, "It stays.")
    change(entry, "It stays, too.")
    verbs.edit_story(story, headline="Another")
    for browser in (client, moderator):
        assert "Erase" not in html_of(browser.get(desk_history(entry)))
        for data in ({"do": "erase"}, {"do": "erase_version", "number": "1"}):
            assert browser.post(desk_history(entry), data).status_code == 403
        data = {"do": "erase_version", "number": "1"}
        assert browser.post(head_history(story), data).status_code == 403
    hiding = {"do": "hide", "number": "1"}
    assert moderator.post(desk_history(entry), hiding).status_code == 403
    entry.refresh_from_db()
    assert entry.body == "It stays, too."
    assert entry.versions.get().body == "It stays."
    given = make_user("lawyer", "Editors")
    given.user_permissions.add(Permission.objects.get(codename="erase_entry"))
    browser = Client()
    browser.force_login(given)
    browser.post(desk_history(entry), {"do": "erase"})
    entry.refresh_from_db()
    assert entry.erased_at


def test_an_erased_original_entry_disappears_from_the_page(story):
    original = make_original(story, "Ruel began it.")
    verbs.erase(original)
    assert "Ruel" not in Client().get(story.get_absolute_url()).content.decode()


# --- Erased words in SQLite's own files

SLUG = "ice-on-the-sound"
WORDS = {  # of the text as it was, and as it is: nothing else has such letters
    "before": "Vexquorl was named by mistake.",
    "after": "Wyzkumbat was named after that.",
}
LETTERS = (b"exquor", b"yzkumba", b"jopfzigh")


def left(newsroom: Newsroom) -> list[str]:
    """Return where erased letters are found in the bytes of the database's files."""
    return [
        f"{letters!r} in {path.name}"
        for path in newsroom.data.glob("liveblog.sqlite3*")
        for letters in LETTERS
        if letters in path.read_bytes().lower()
    ]


def send(editor: Editor, path: str, **form: str) -> None:
    editor.token = editor._token(path)
    assert editor._send(path, form).status_code == 200


def erase_all(editor: Editor, story: int, pk: int) -> None:
    history_page = f"/admin/entries/story/{story}/desk/entries/{pk}/history/"
    send(editor, history_page, do="erase_version", number="1")
    send(editor, history_page, do="erase")


@pytest.fixture
def written(newsrooms: Newsrooms) -> Iterator[tuple[Newsroom, int, int]]:
    """Give a site in whose files the words of an entry are everywhere."""
    with newsrooms.open("sqlite") as newsroom:
        story = newsroom.call(actions.make_story, "Ice", SLUG, updates=3)
        pk = newsroom.call(actions.post, SLUG, WORDS["before"])
        newsroom.call(actions.edit, pk, WORDS["after"], "Jopfzigh was not there.")
        newsroom.call(actions.post_many, SLUG, "Others write of other things", 30)
        assert len(left(newsroom)) >= len(LETTERS)
        yield newsroom, story, pk


def test_no_bytes_of_an_erased_text_remain_in_the_files(
    written: tuple[Newsroom, int, int],
) -> None:
    newsroom, story, pk = written
    server = newsroom.server()
    with newsroom.sse(server, SLUG), Editor(server.url, "chief") as chief:
        found = chief.client.get("/search/?q=wyzkumbat").text
        assert "named after that" in found
        erase_all(chief, story, pk)
        assert left(newsroom) == []
        assert "named after that" not in chief.client.get("/search/?q=wyzkumbat").text
        assert "write of" in chief.client.get("/search/?q=others").text


def test_a_reader_of_the_wal_delays_only_the_wiping(
    written: tuple[Newsroom, int, int],
) -> None:
    newsroom, story, pk = written
    server = newsroom.server()
    file = newsroom.data / "liveblog.sqlite3"
    with Editor(server.url, "chief") as chief:
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM entries_entry").fetchone()
            erase_all(chief, story, pk)
            chief.publish(story, "Others go on.")
            assert left(newsroom)
        wait_for(lambda: left(newsroom) == [], "the rest to be wiped")


# --- Texts that were made to take long


def every_other(words: int, other: str) -> str:
    """Return a text in which every other word is as in its like, and the rest not."""
    return " ".join(f"word{number} {other}{number}" for number in range(words))


def pieces_of(old: str, new: str) -> list[differences.Segment]:
    """Return the difference, which must hold both texts whole."""
    pieces = differences.diff_words(old, new)
    assert "".join(one.text for one in pieces if one.kind != "added") == old
    assert "".join(one.text for one in pieces if one.kind != "taken") == new
    kinds = [one.kind for one in pieces]
    assert all(before != after for before, after in pairwise(kinds))
    return pieces


def compared(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> int:
    """Count the pairs of words that the library is asked to compare."""
    real, pairs = difflib.SequenceMatcher, []

    def matcher(junk: None, before: list[str], after: list[str]) -> Any:
        pairs.append(len(before) * len(after))
        return real(junk, before, after)

    with monkeypatch.context() as patch:
        patch.setattr(difflib, "SequenceMatcher", matcher)
        pieces_of(old, new)
    return sum(pairs)


def test_comparing_long_texts_does_not_take_quadratic_time(
    monkeypatch: pytest.MonkeyPatch,
):
    short, long = (
        compared(monkeypatch, every_other(n, "a"), every_other(n, "b"))
        for n in (200, 1600)
    )
    assert 0 < long <= 8 * short
    same = " ".join("abcd"[number % 4] for number in range(5000))
    assert compared(monkeypatch, f"first {same}", f"{same[::-1]} last") == 0


def test_the_diff_of_long_texts_shows_the_changes():
    words = [f"w{number % 700}" for number in range(2000)] + ["and"] * 50
    words += [f"v{number}" for number in range(900)]
    changed = words.copy()
    changed[100:102] = ["other"]
    changed.insert(2500, "new")
    del changed[-3]
    told = pieces_of(" ".join(words), " ".join(changed))
    assert [(one.kind, one.text) for one in told if one.kind != "same"] == [
        ("taken", "w100 w101 "),
        ("added", "other "),
        ("added", "new "),
        ("taken", "v897 "),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_every_diff_contains_both_texts(seed: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(differences, "MAX_PAIRS", 30)
    chance = random.Random(seed)
    old, new = (
        " ".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(0, 40)))
        for _ in range(2)
    )
    pieces_of(old, new)
    assert len(pieces_of(old, old)) == bool(old)


def test_a_long_history_has_pages_that_are_compared_separately(
    client: Client, story: Story, monkeypatch: pytest.MonkeyPatch
):
    entry = make_update(story, "Text 0.")
    for number in range(1, 31):
        entry = change(entry, f"Text {number}.", f"Line {number}.")
    real, asked = differences.diff_words, []
    monkeypatch.setattr(
        differences, "diff_words", lambda old, new: asked.append(new) or real(old, new)
    )
    page = html_of(client.get(desk_history(entry)))
    assert asked == [f"Text {number}." for number in range(30, 10, -1)]
    assert "Line 11." in page
    assert "Line 10." not in page
    assert "Newer changes" not in page
    way = re.search(r'href="(\?page=\d)">Older changes', page)
    older = html_of(client.get(desk_history(entry) + (way[1] if way else "")))
    assert "Line 10." in older
    assert "<del>0. </del>" in older or "0." in older
    assert "Older changes" not in older
    asked.clear()
    read = html_of(Client().get(public(entry)))
    assert len(asked) == differences.MAX_COMPARED
    assert all(f"Line {number}." in read for number in range(1, 31))
