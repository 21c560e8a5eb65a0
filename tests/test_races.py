"""Two people at one text: the second asks while the first one's locks are held.

What the second may do is then another matter than what the page offered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import publishing
from entries.admin.access import desk_url
from entries.apps import make_groups
from entries.models import Entry, Posting, Story
from entries.publishing import Text
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
        make_groups()  # their permissions went with the rows of the test before
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
        publishing.edit(entry, Text("Reviewed words.", at=at), version=1)
        if state in ("published", "gone"):
            publishing.publish(entry)
        if state in ("withdrawn", "gone"):
            publishing.withdraw(entry)
        return entry


@pytest.fixture
def desk(transactional_db: None) -> Desk:
    return Desk()


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
    "accepts": Act(queue("publish"), "submitted", reads=True),
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
    names = "state body version story_id at published_at erased_at sent_back".split()
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


def test_no_verb_acts_upon_a_text_that_no_longer_allows_it(
    desk: Desk, second: Second
) -> None:
    wrong, tried = [], 0
    for start, one, a, other, b in pairs():
        entry, tried = desk.entry(start), tried + 1
        began = now(entry)

        def first(entry: Entry = entry, one: str = one, a: str = a) -> Any:
            answer = dict(acts(one))[a].send(desk, browser(desk, one, a), entry)
            return answer, now(entry)

        late, client = dict(acts(other))[b], browser(desk, other, b)
        given = Entry.objects.get(pk=entry.pk)
        (answer, then), refused = second.begins_during(
            first, lambda: late.send(desk, client, given)
        )
        ended, told = now(entry), f"{start}: {one} {a}, {other} {b}"
        if answer.status_code >= 400 or then == began:
            wrong.append(f"{told}: the first did nothing, {answer.status_code}")
        if refused.status_code >= 500:
            wrong.append(f"{told}: {refused.status_code}")
        if ended != then and not allowed(late, began, then, other):
            wrong.append(f"{told}: {then['state']} became {ended['state']}")
        if ended["state"] == "published" and UNREVIEWED in ended["body"]:
            wrong.append(f"{told}: public and unreviewed")
    assert not wrong, "\n".join(wrong)
    assert tried > 200
    for story in (desk.story, desk.other):
        page = Client().get(f"/stories/{story.slug}.json").content.decode()
        assert UNREVIEWED not in page
        assert "words." in page
