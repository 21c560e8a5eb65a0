"""Two people at one text: the second asks while the first one's locks are held.

What the second may do is then another matter than what the page offered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import product
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.apps import create_groups
from entries.desk.access import desk_url
from entries.models import Draft, Entry, Image, Posting, Site, Story
from entries.pages import search
from entries.verbs import EntryText, Refused
from tests import seeds
from tests.builders import make_story, make_update, make_user

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}
PATIENCE = 20.0  # seconds
UNREVIEWED = "Unreviewed words."
LATER = timedelta(days=2)


class Second:
    """Somebody on a connection of their own, whose locks another holds."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.asked = Event()
        self.backend = 0
        if connection.vendor == "postgresql":
            self.backend = pool.submit(_number, "SELECT pg_backend_pid()").result()

    def begins_during(
        self, first: Callable[[], Any], act: Callable[[], Any]
    ) -> tuple[Any, Any]:
        """Let the first act; let the second begin, and wait, before that is saved."""
        self.asked.clear()
        with transaction.atomic():
            before = first()
            future = self.pool.submit(self._act, act)
            self._wait(future)
        return before, future.result(PATIENCE)

    def _act(self, act: Callable[[], Any]) -> Any:
        with connection.execute_wrapper(self._watch):
            return act()

    def _watch(self, execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("BEGIN") or "FOR UPDATE" in sql or "FOR NO KEY" in sql:
            self.asked.set()  # what comes before the locks has been read
        return execute(sql, *rest)

    def _wait(self, future: Future[Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not (self.asked.wait(0.005) and self._blocked()):
            assert not future.done(), f"never asked for a lock: {future.result()}"
            assert time.monotonic() < end

    def _blocked(self) -> bool:
        if not self.backend:  # on SQLite the next statement is the one that waits
            return True
        return bool(_number("SELECT cardinality(pg_blocking_pids(%s))", self.backend))


def _number(sql: str, *values: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.fetchone()[0])


@pytest.fixture
def second() -> Iterator[Second]:
    with ThreadPoolExecutor(1) as pool:
        yield Second(pool)
        pool.submit(lambda: connection.close()).result()


@dataclass
class Desk:
    """Two running stories, and the people who work at them."""

    story: Story = field(default_factory=lambda: make_story(slug="fog"))
    other: Story = field(default_factory=lambda: make_story(slug="ice"))
    clients: dict[str, Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        create_groups()  # their permissions went with the rows of the test before
        people = {"writer": "Contributors", "editor": "Editors", "editor2": "Editors"}
        users = {name: make_user(name, group) for name, group in people.items()}
        users["chief"] = make_user("chief", chief=True)
        self.writer = users["writer"]
        for name, user in users.items():
            self.clients[name] = Client(headers=HTMX)
            self.clients[name].force_login(user)

    def entry(self, state: str) -> Entry:
        """Return a text of the contributor's, which has an earlier version."""
        at = timezone.now() - timedelta(hours=1)
        if state == "scheduled":
            at = timezone.now() + LATER
        start = state if state in ("submitted", "scheduled") else "draft"
        entry = make_update(
            self.story, UNREVIEWED, at=at, state=start, author=self.writer
        )
        verbs.edit(entry, EntryText("Reviewed words.", at=at), version=1)
        if state in ("published", "gone"):
            verbs.publish(entry)
        if state in ("withdrawn", "gone"):
            verbs.withdraw(entry)
        return entry


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    return Desk()


def test_a_change_that_waited_for_another_is_dated_after_it(
    desk: Desk, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited, wait = [], second._wait

    def wait_and_note(future: Future[Any]) -> None:
        wait(future)
        waited.append(timezone.now())

    monkeypatch.setattr(second, "_wait", wait_and_note)
    second.begins_during(
        lambda: verbs.add_link("feature", target_story=desk.story),
        lambda: verbs.edit_story(desk.other, headline="The ice breaks"),
    )
    desk.other.refresh_from_db()
    assert desk.other.changed_at > waited[0]
    assert Site.current().changed_at > waited[0]


def test_a_change_is_dated_after_its_texts_are_indexed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed, index = [], search.index_texts

    def index_and_note(*texts: Any) -> None:
        index(*texts)
        indexed.append(timezone.now())

    monkeypatch.setattr(search, "index_texts", index_and_note)
    make_update(desk.story)
    desk.story.refresh_from_db()
    assert desk.story.changed_at > indexed[-1]


Send = Callable[[Desk, Client, Entry], Any]


def post(name: str, **data: Any) -> Send:
    def send(desk: Desk, client: Client, entry: Entry) -> Any:
        values = {"version": entry.version, "number": 1, "to": desk.other.pk}
        return client.post(desk_url(desk.story, name, entry.pk), values | data)

    return send


def queue(do: str) -> Send:
    def send(desk: Desk, client: Client, entry: Entry) -> Any:
        way = reverse("admin:entries_entry_queue")
        data = {"entry": entry.pk, "version": entry.version, "do": do, "line": "Who?"}
        return client.post(way, data)

    return send


@dataclass(frozen=True)
class Act:
    """What somebody sends, and the states of a text in which the page offers it.

    `reads`: it is about the text, so nothing happens where that is another by now;
    `here`: it is about the story, so nothing happens once it was moved from there.
    """

    send: Send
    states: str
    reads: bool = False
    here: bool = False


ANY_STATE = "draft submitted withdrawn scheduled published gone"
OWN = "draft submitted withdrawn"
WAITING = "draft submitted scheduled"
SCHEDULE = {"at": f"{timezone.now() + LATER:%Y-%m-%d %H%M}", "action": "publish"}
EDITED = {"body": "An editor's words.", "action": "save"}
WRITER = {
    "edits": Act(post("edit", body=UNREVIEWED, action="save"), OWN, reads=True),
    "restores a text": Act(post("versions", do="restore"), OWN, reads=True),
    "withdraws": Act(post("act", do="withdraw"), "draft submitted"),
    "restores": Act(post("act", do="restore"), "withdrawn"),
    "submits": Act(post("act", do="submit"), "draft"),
}
EDITOR = {
    "publishes": Act(post("act", do="publish"), WAITING, reads=True),
    "accepts": Act(queue("publish_own"), "submitted", reads=True),
    "sends back": Act(queue("send_back"), "submitted", reads=True),
    "edits": Act(post("edit", **EDITED), ANY_STATE, reads=True),
    "schedules": Act(post("edit", **EDITED | SCHEDULE), "draft submitted", reads=True),
    "makes a draft": Act(post("act", do="unschedule"), "submitted scheduled"),
    "withdraws": Act(post("act", do="withdraw"), "draft submitted scheduled published"),
    "restores": Act(post("act", do="restore"), "withdrawn gone"),
    "moves": Act(post("move"), ANY_STATE, here=True),
    "marks": Act(post("act", do="key"), ANY_STATE, here=True),
    "cross-posts": Act(post("cross"), "published"),
    "erases": Act(post("versions", do="erase"), ANY_STATE),
}


def now(entry: Entry) -> dict[str, Any]:
    """Return all that can be done to a text, as it is now."""
    names = ("state", "body", "version", "story_id", "at", "published_at")
    names += ("erased_at", "sent_back", "headline")
    marks = Posting.objects.filter(entry=entry).order_by("story_id")
    row = Entry.objects.values(*names).get(pk=entry.pk)
    return row | {"in": list(marks.values("story", "removed", "pinned", "key_event"))}


def state(row: dict[str, Any]) -> str:
    if row["erased_at"]:
        return "erased"
    seen = row["state"] == "withdrawn" and row["published_at"]
    return "gone" if seen else str(row["state"])


def allowed(act: Act, start: dict[str, Any], then: dict[str, Any], who: str) -> bool:
    """Whether somebody may still do what was offered at the start."""
    if act.reads and start["version"] != then["version"]:
        return False
    if who == "writer" and (then["published_at"] or then["state"] == "scheduled"):
        return False
    if start["story_id"] != then["story_id"] and act.here:
        return False
    return state(then) in act.states.split()


def pairs() -> Iterator[tuple[str, str, str, str, str]]:
    """Return who does what in which state, and who does what meanwhile."""
    sides = [("editor", "writer"), ("writer", "editor"), ("editor", "editor2")]
    for start in ANY_STATE.split():
        for one, other in sides[:2] if start in OWN.split() else sides[2:]:
            for (a, first), (b, then) in product(acts(one), acts(other)):
                if start in first.states.split() and start in then.states.split():
                    yield start, one, a, other, b


def acts(who: str) -> Iterable[tuple[str, Act]]:
    return (WRITER if who == "writer" else EDITOR).items()


def browser(desk: Desk, who: str, name: str) -> Client:
    return desk.clients["chief" if name == "erases" else who]


def wrongs(
    desk: Desk, second: Second, start: str, one: str, a: str, other: str, b: str
) -> Iterator[str]:
    """Try one pair; yield what should not have become of the text."""
    entry = desk.entry(start)
    given, began = Entry.objects.get(pk=entry.pk), now(entry)
    early, late = dict(acts(one))[a], dict(acts(other))[b]

    def first() -> Any:
        return early.send(desk, browser(desk, one, a), entry), now(entry)

    client = browser(desk, other, b)
    (answer, then), came_late = second.begins_during(
        first, lambda: late.send(desk, client, given)
    )
    ended = now(entry)
    if answer.status_code >= 400 or then == began:
        yield f"the first did nothing, {answer.status_code}"
    if came_late.status_code >= 500:
        yield f"{came_late.status_code}"
    if ended != then and not allowed(late, began, then, other):
        yield f"{then['state']} became {ended['state']}"
    if ended["state"] == "published" and UNREVIEWED in ended["body"]:
        yield "public and unreviewed"


def test_no_verb_acts_on_a_text_whose_state_has_changed(
    desk: Desk, second: Second
) -> None:
    every = list(pairs())
    wrong = [
        f"{', '.join(pair)}: {what}"
        for pair in seeds.part(every, connection.vendor)
        for what in wrongs(desk, second, *pair)
    ]
    assert not wrong, "\n".join(wrong)
    assert len(every) > 200
    for story in (desk.story, desk.other):
        page = Client().get(f"/stories/{story.slug}.json").content.decode()
        assert UNREVIEWED not in page
        assert "words." in page


def test_a_contributors_text_is_kept_if_an_editor_was_faster(
    desk: Desk, second: Second
) -> None:
    """The answer says who has done what; the form holds the text still."""
    entry = desk.entry("submitted")
    given = Entry.objects.get(pk=entry.pk)
    publish, edit = EDITOR["publishes"], WRITER["edits"]
    client = Client()
    client.force_login(desk.writer)
    _, answer = second.begins_during(
        lambda: publish.send(desk, desk.clients["editor"], entry),
        lambda: edit.send(desk, client, given),
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "An editor has published this update." in page
    assert UNREVIEWED in page
    later = edit.send(desk, client, given)
    assert later.status_code == 403
    assert "An editor has published this update." in later.content.decode()
    assert UNREVIEWED in later.content.decode()


@pytest.mark.parametrize("stop", ["is_active", "is_staff", "groups"])
def test_permissions_revoked_in_the_meantime_do_not_count(
    desk: Desk, second: Second, stop: str
) -> None:
    entry = desk.entry("submitted")
    given = Entry.objects.get(pk=entry.pk)
    editor = User.objects.get(username="editor2")

    def take_away() -> None:
        Entry.objects.select_for_update().get(pk=entry.pk)
        if stop == "groups":
            editor.groups.clear()
        else:
            setattr(editor, stop, False)
            editor.save()

    client = desk.clients["editor2"]
    _, answer = second.begins_during(
        take_away, lambda: EDITOR["publishes"].send(desk, client, given)
    )
    assert answer.status_code == 409
    assert not Entry.objects.get(pk=entry.pk).published


def test_a_story_closed_in_the_meantime_accepts_no_text(
    desk: Desk, second: Second
) -> None:
    """It was closed, withdrawn or deleted while somebody wrote for it."""

    def compose(desk: Desk, story: Story) -> Any:
        data = {"body": "Late words.", "action": "publish", "key": str(uuid4())}
        return desk.clients["editor"].post(desk_url(story), data)

    for turn in (verbs.close_story, verbs.withdraw_story):
        story = make_story()
        _, answer = second.begins_during(
            partial(turn, Story.objects.get(pk=story.pk)), partial(compose, desk, story)
        )
        assert answer.status_code == 422
        assert not story.entries.exists()
        late = Entry.objects.get(pk=desk.entry("published").pk)
        for verb in (verbs.move, verbs.cross_post):
            with pytest.raises(Refused):
                verb(late, story)
    draft = make_story(live=False)
    _, answer = second.begins_during(
        partial(verbs.delete_story, Story.objects.get(pk=draft.pk)),
        partial(compose, desk, draft),
    )
    assert answer.status_code == 422
    assert "deleted" in answer.content.decode()


STORY = {
    "live": "draft",
    "close": "live",
    "reopen": "closed",
    "withdraw": "live closed",
    "restore": "withdrawn",
}


ENDS = {"live": "live", "close": "closed", "reopen": "live", "withdraw": "withdrawn"}


def test_a_change_of_state_happens_once(desk: Desk, second: Second) -> None:
    """Each button beside each other one: the second finds what the first has made."""

    def press(who: str, story: Story, do: str) -> Any:
        way = desk_url(story, "state")
        return desk.clients[who].post(way, {"do": do})

    for begun, one, other in product(("draft", "live", "closed"), STORY, STORY):
        if begun not in STORY[one].split() or begun not in STORY[other].split():
            continue
        story = make_story(live=begun != "draft")
        if begun == "closed":
            verbs.close_story(story)
        _, answer = second.begins_during(
            partial(press, "editor", story, one),
            partial(press, "editor2", story, other),
        )
        now = {"live": "live", "close": "closed", "reopen": "live"}.get(
            one, "withdrawn"
        )
        may = now in STORY[other].split()
        refused = "This story is" in answer.content.decode()
        assert answer.status_code == 200
        assert refused != may or "Only a draft" in answer.content.decode(), (one, other)


def test_a_text_erased_in_the_meantime_does_not_come_back(
    desk: Desk, second: Second
) -> None:
    """Neither by an earlier text that is restored, nor by a form that keeps itself."""
    entry = desk.entry("published")
    version = entry.versions.get()
    chief, writer = desk.clients["chief"], desk.clients["editor"]

    def erase(do: str) -> Any:
        way = desk_url(desk.story, "versions", entry.pk)
        return chief.post(way, {"do": do, "number": version.number})

    restore = {"do": "restore", "number": version.number, "version": entry.version}
    second.begins_during(
        partial(erase, "erase_version"),
        lambda: writer.post(desk_url(desk.story, "versions", entry.pk), restore),
    )
    assert UNREVIEWED not in Entry.objects.get(pk=entry.pk).body
    kept = {"form": f"edit-{entry.pk}", "key": "2", "typed": 1, "body": "Reviewed."}
    _, answer = second.begins_during(
        partial(erase, "erase"),
        lambda: writer.post(desk_url(desk.story, "draft"), kept),
    )
    assert answer.status_code == 410
    assert not Draft.objects.exists()
    with pytest.raises(Refused):
        verbs.add_link("see", entry=entry, title="Words of it")
    assert not entry.links.exists()
    head = make_story()
    verbs.edit_story(head, headline="No longer said")
    verbs.edit_story(head, headline="What is said")
    first = head.versions.get(headline="No longer said")
    data = {"do": "restore", "number": first.number, "version": head.version}
    second.begins_during(
        partial(verbs.erase_story_version, first),
        lambda: writer.post(desk_url(head, "history"), data),
    )
    assert Story.objects.get(pk=head.pk).headline == "What is said"


def test_an_image_used_in_the_meantime_is_neither_deleted_nor_without_alt_text(
    desk: Desk, second: Second
) -> None:
    files = {"stem": f"ab/{'c' * 40}", "widths": [320], "width": 320, "height": 240}
    for act in ("delete", "words"):
        image = Image.objects.create(name=act, alt="A quay", **files)
        way = f"/admin/entries/image/{image.pk}/delete/"
        data = {"post": "yes"}
        if act == "words":
            way = desk_url(desk.story, "words", image.pk)
            alt = f"picture-{image.pk}-alt"
            data = {alt: "", f"{alt}-shown": "A quay"}
        _, answer = second.begins_during(
            partial(make_update, desk.story, f"![](image:{act})"),
            partial(desk.clients["chief"].post, way, data),
        )
        assert answer.status_code in (200, 403, 409)
        assert Image.objects.get(name=act).alt == "A quay"


def test_a_text_published_in_the_meantime_is_not_deleted(
    desk: Desk, second: Second
) -> None:
    entry = desk.entry("draft")
    way = f"/admin/entries/entry/{entry.pk}/delete/"
    _, answer = second.begins_during(
        partial(verbs.publish, Entry.objects.get(pk=entry.pk)),
        partial(desk.clients["chief"].post, way, {"post": "yes"}),
    )
    assert answer.status_code in (403, 409)
    assert Entry.objects.get(pk=entry.pk).published
