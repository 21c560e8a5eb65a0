"""A site of any size, and the actions to measure on it.

Runs in a process of the product, where Django is set up. Rows are inserted in bulk, as
the verbs would write them: through the verbs, 183,000 entries would take hours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import F, Subquery
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.demo import loading
from entries.models import (
    Entry,
    EntryVersion,
    Image,
    Link,
    Posting,
    Series,
    Story,
    StorySlug,
)
from entries.pages import search
from entries.text import rendering
from entries.verbs import EntryText

COMMON, MIDDLING, RARE = "harbour", "quayside", "zephyr"
ENTRIES = 61  # per closed story
SERIES = 12
RARE_ONES = 25  # texts with the rare word, at any size
ACT = Callable[[], Callable[[], Any]]
START = datetime(2016, 1, 1, 6, tzinfo=UTC)


def fill(updates: int, archived: int, running: int = 10) -> None:
    """Fill an empty site with live stories of `updates` each, and an archive."""
    chance = random.Random(7)
    groups = [Group.objects.get_or_create(name="Contributors")[0]]
    writer = User.objects.create(username="writer", is_staff=True)
    writer.groups.set(groups)
    series = Series.objects.bulk_create(
        Series(name=f"Sorrava Daily {number}", slug=f"sorrava-daily-{number}")
        for number in range(SERIES)
    )
    images = Image.objects.bulk_create(
        Image(
            name=f"pier-{number}",
            stem=f"aa/{number:040x}",
            alt=f"Pier {number} at dawn",
            width=640,
            height=480,
            widths=[320, 640],
        )
        for number in range(100 + archived // 3)
    )
    numbers = range(archived + running)
    for start in range(0, len(numbers), 100):
        group = numbers[start : start + 100]
        _fill_some(chance, series, images, group, archived, updates)
    if connection.vendor == "postgresql":  # as autovacuum would do within a minute
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _fill_some(
    chance: random.Random,
    series: list[Series],
    images: list[Image],
    numbers: range,
    archived: int,
    updates: int,
) -> None:
    now = timezone.now()
    made = Story.objects.bulk_create(
        Story(
            headline=f"{COMMON.title()} watch, day {number}",
            slug=f"watch-{number}",
            series=series[number % SERIES],
            standfirst="Two rivers, one bridge, and a town that waits.",
            state="closed" if number < archived else "live",
            live_at=_begins(number, archived, now),
            first_day=_begins(number, archived, now).date(),
            closed_at=_begins(number, archived, now) + timedelta(hours=12)
            if number < archived
            else None,
            lead_image=images[number % len(images)],
        )
        for number in numbers
    )
    StorySlug.objects.bulk_create(StorySlug(slug=s.slug, story=s) for s in made)
    search.index_texts(stories=made)
    entries = []
    for story in made:
        long = ENTRIES - 1 if story.state == "closed" else updates
        entries += list(_entries(chance, story, long))
    Entry.objects.bulk_create(entries, batch_size=1000)
    postings = []
    for entry in entries:
        entry.story.seq += 1
        posting = Posting(
            entry=entry,
            story=entry.story,
            key_event=chance.random() < 0.1,
            seq=entry.story.seq,
            first_seq=entry.story.seq,
            desk_seq=entry.story.seq,
            html=f'<article id="entry-{entry.pk}">{entry.html}</article>',
        )
        posting.denormalize()
        postings.append(posting)
    Posting.objects.bulk_create(postings, batch_size=1000)
    _fill_around(chance, entries, images)
    newest = Posting.objects.visible().newest_time_in("pk")
    for story in made:
        Story.objects.filter(pk=story.pk).update(
            seq=story.seq,
            head_seq=1,
            desk_seq=story.seq,
            changed_at=story.closed_at or now,
            newest_at=Subquery(newest),
        )


def _fill_around(
    chance: random.Random, entries: list[Entry], images: list[Image]
) -> None:
    """Insert the rows around entries: search text, audit log, images, links."""
    search.index_texts(entries)
    kind = ContentType.objects.get_for_model(Entry)
    chief = User.objects.get(username="chief")
    LogEntry.objects.bulk_create(
        (
            LogEntry(
                user=chief,
                content_type=kind,
                object_id=str(entry.pk),
                object_repr=f"{entry.label} in {entry.story.slug}",
                action_flag=1,
                change_message="Wrote it: published.",
                action_time=entry.placed_at,
            )
            for entry in entries
        ),
        batch_size=1000,
    )
    shows = Entry.images.through
    pictured = [entry for entry in entries if chance.random() < 0.08]
    shows.objects.bulk_create(
        shows(entry=entry, image=chance.choice(images)) for entry in pictured
    )
    EntryVersion.objects.bulk_create(
        EntryVersion(
            entry=entry, number=1, body="As it was.", changed_at=entry.placed_at
        )
        for entry in entries
        if chance.random() < 0.05
    )
    linked = [entry for entry in entries if chance.random() < 0.1]
    targets = list(Story.objects.order_by("pk")[:500])
    Link.objects.bulk_create(
        Link(kind=Link.Kind.SEE, entry=entry, target_story=chance.choice(targets))
        for entry in linked
    )
    Link.objects.bulk_create(
        Link(kind=Link.Kind.SEE, entry=entry, title="A story yet to come")
        for entry in linked[: max(0, 15 - Link.objects.unresolved().count())]
    )


def _begins(number: int, archived: int, now: datetime) -> datetime:
    """Return when a story went live: one per day, the live ones today."""
    if number >= archived:
        return now - timedelta(hours=6)
    return START + timedelta(days=number % 3600)


def _entries(chance: random.Random, story: Story, updates: int) -> Iterator[Entry]:
    texts = _texts()
    began = story.live_at
    assert began is not None
    step = timedelta(hours=6) / (updates + 2)
    for number in range(updates + 1):
        body = chance.choice(texts)
        words = f"{COMMON} crossing {number}"
        if chance.random() < 0.01:
            words += f", {MIDDLING}"
        if number == 5 and story.pk <= RARE_ONES:
            words += f", {RARE}"
        at = (began + number * step).replace(second=0, microsecond=0)
        yield Entry(
            story=story,
            kind="update" if number else "original",
            state="published",
            at=at if number else None,
            body=f"{body}\n\n{words}.",
            html=f"{rendering.render(body)}<p>{words}.</p>",
            version=1,
            author_id=2,
            created_at=at,
            published_at=at,
        )


_read: list[str] = []


def _texts() -> list[str]:
    if not _read:
        rows = loading.read_demo_file("stories.json")["stories"]
        bodies = [update["body"] for row in rows for update in row["updates"]]
        _read.extend(body.replace("![](", "(") for body in bodies)
    return _read


# ---- actions ----------------------------------------------------------------------


def acts() -> dict[str, ACT]:
    """Return the actions by name: each prepares a run and returns what to time."""
    return {**_pages(), **_desk(), **_verbs()}


def live() -> Story:
    return Story.objects.live().order_by("pk")[0]


def post(at: datetime | None = None) -> Entry:
    """Publish an update in the first live story."""
    words = f"Tide tables for the {COMMON} at {timezone.now():%H%M%S%f}."
    return verbs.post(live(), EntryText(words, at=at))


def _ask(client: Client, path: str) -> ACT:
    def prepare() -> Callable[[], Any]:
        post()

        def run() -> None:
            answer = client.get(path)
            assert answer.status_code in (200, 204), f"{path}: {answer.status_code}"
            b"".join(answer) if answer.streaming else answer.content

        return run

    return prepare


def _pages() -> dict[str, ACT]:
    story, reader = live(), Client()
    old = Story.objects.filter(state="closed").order_by("pk")[60]
    series = old.series
    assert series is not None
    entry = story.postings.visible().updates()[5].entry_id
    ended = series.stories.filter(state="closed").order_by("-first_day")[3].pk
    here = f"/stories/{story.slug}/"
    paths = {
        "front": "/",
        "all live stories": f"/?from={story.pk}",
        "series": series.get_absolute_url(),
        "series, older": f"{series.get_absolute_url()}?before={ended}",
        "search, rare": f"/search/?q={RARE}",
        "search, medium": f"/search/?q={MIDDLING}",
        "search, common": f"/search/?q={COMMON}",
        "search, two words": f"/search/?q={COMMON}+{MIDDLING}",
        "search, page 5": f"/search/?q={COMMON}&page=5",
        "story": here,
        "story, oldest first": f"{here}?order=oldest",
        "one update": f"{here}updates/{entry}/",
        "corrections of an update": f"{here}updates/{entry}/history/",
        "closed story": f"/stories/{old.slug}/",
        "changes": f"{here}changes?after={_cursor(story)}",
        "feed": "/feed/",
        "series feed": f"{series.get_absolute_url()}feed/",
        "story feed": f"{here}feed/",
        "closed story's feed": f"/stories/{old.slug}/feed/",
        "JSON export": f"{here[:-1]}.json",
        "sitemap": "/sitemap.xml",
        "news sitemap": "/news-sitemap.xml",
    }
    return {name: _ask(reader, path) for name, path in paths.items()}


def _cursor(story: Story) -> str:
    from entries.models import Site

    return f"{Site.current().epoch}-{story.seq - 1}"


def _signed_in(name: str) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(username=name), "liveblog.accounts.ProfileBackend"
    )
    return client


def _desk() -> dict[str, ACT]:
    story, chief, writer = live(), _signed_in("chief"), _signed_in("writer")
    entry = story.postings.visible().updates()[5].entry_id
    desk = reverse("admin:entries_story_change", args=[story.pk])

    def at(name: str, *more: int) -> str:
        return reverse(f"admin:entries_story_{name}", args=[story.pk, *more])

    lists = {
        f"{model} list": reverse(f"admin:entries_{model}_changelist")
        for model in ("story", "entry", "image", "link", "series")
    }
    stories_list, entries_list = lists["story list"], lists["entry list"]
    auto = "/admin/autocomplete/?app_label=entries&model_name=story"
    paths = {
        "/admin/": "/admin/",
        "/admin/moderate/": "/admin/moderate/",
        "features": "/admin/moderate/features/",
        **lists,
        "story list, search": f"{stories_list}?q=watch",
        "story list, by last update": f"{stories_list}?o=-4",
        "story list, closed": f"{stories_list}?state__exact=closed",
        "story list, last page": f"{stories_list}?p=4",
        "entry list, search rare": f"{entries_list}?q={RARE}",
        "entry list, search common": f"{entries_list}?q={COMMON}",
        "entry list, drafts": f"{entries_list}?state__exact=draft",
        "image list, search": f"{lists['image list']}?q=pier",
        "link list, search": f"{lists['link list']}?q=watch",
        "queue": reverse("admin:entries_entry_queue"),
        "users": "/admin/auth/user/",
        "autocomplete": f"{auto}&field_name=continues_in&term=watch",
        "desk": desk,
        "desk, older": f"{desk}?from={entry}",
        "details": at("details"),
        "story history": at("history"),
        "links": at("links"),
        "find stories": f"{at('find')}?q=watch",
        "find pictures": f"{at('find')}?what=picture&q=pier",
        "edit": at("edit", entry),
        "entry history": at("versions", entry),
        "cross-post": at("cross", entry),
        "move": at("move", entry),
        "entry links": at("entry_links", entry),
    }
    found = {name: _ask(chief, path) for name, path in paths.items()}
    found["desk poll, nothing new"] = _poll(chief, story)
    found["desk poll, one new"] = _poll(chief, story, new=True)
    found["contributor: story list"] = _ask(writer, stories_list)
    found["contributor: desk"] = _ask(writer, desk)
    for name, way, data in (
        (
            "composer notices",
            "notices",
            {"body": "See https://news.example/one for more."},
        ),
        ("save draft", "draft", {"form": "composer", "key": "k", "typed": 1}),
        ("preview", "change", {"body": "A *text*.", "action": "preview"}),
    ):
        found[name] = _send(chief, at(way), data)
    return found


def _send(client: Client, path: str, data: dict[str, Any]) -> ACT:
    def prepare() -> Callable[[], Any]:
        post()

        def run() -> None:
            answer = client.post(path, data, headers={"HX-Request": "true"})
            assert answer.status_code in (200, 204), answer.status_code

        return run

    return prepare


def _poll(client: Client, story: Story, *, new: bool = False) -> ACT:
    from entries.desk import pulse

    def prepare() -> Callable[[], Any]:
        if not new:
            post()
        have = pulse.current_pulse(story.pk)
        if new:
            post()
        path = reverse("admin:entries_story_timeline", args=[story.pk])
        return lambda: client.get(f"{path}?have={have}")

    return prepare


def _verbs() -> dict[str, ACT]:  # noqa: C901 - a list of small actions
    story = live()
    other = Story.objects.live().order_by("pk")[1]
    text = "Words at %s."

    def newest() -> Entry:
        return story.postings.visible().updates().filter(entry__story=story)[0].entry

    def edit() -> Callable[[], Any]:
        entry = post()
        words = EntryText(text % timezone.now())
        return lambda: verbs.edit(entry, words, version=entry.version)

    def withdraw() -> Callable[[], Any]:
        entry = post()
        return lambda: verbs.withdraw(entry)

    def restore() -> Callable[[], Any]:
        entry = verbs.withdraw(post())
        return lambda: verbs.restore(entry)

    def mark() -> Callable[[], Any]:
        posting = story.postings.get(entry=post())
        return lambda: verbs.set_marks(posting, key_event=True)

    def cross() -> Callable[[], Any]:
        entry = post()
        return lambda: verbs.cross_post(entry, other)

    def take_back() -> Callable[[], Any]:
        posting = verbs.cross_post(post(), other)
        return lambda: verbs.remove_cross_post(posting)

    def move() -> Callable[[], Any]:
        entry = post()
        return lambda: verbs.move(entry, other)

    def backdate() -> Callable[[], Any]:
        at = timezone.now() - timedelta(hours=5)
        return lambda: post(at)

    def rename() -> Callable[[], Any]:
        row = Story.objects.select_related("series").get(pk=other.pk)
        words = f"Renamed at {timezone.now():%H%M%S%f}"
        return lambda: verbs.edit_story(row, headline=words)

    def close() -> Callable[[], Any]:
        row = Story.objects.get(pk=other.pk)
        if row.state == Story.State.CLOSED:
            verbs.reopen_story(row)
        return lambda: verbs.close_story(row)

    def reopen() -> Callable[[], Any]:
        row = Story.objects.get(pk=other.pk)
        if row.state == Story.State.LIVE:
            verbs.close_story(row)
        return lambda: verbs.reopen_story(row)

    def link() -> Callable[[], Any]:
        entry = newest()
        return lambda: verbs.add_link(Link.Kind.SEE, entry=entry, target_story=other)

    def tick() -> Callable[[], Any]:
        return lambda: (verbs.publish_due(), verbs.toggle_due_features())

    def due() -> Callable[[], Any]:
        at = timezone.now() + timedelta(hours=1)
        entry = verbs.post(story, EntryText("Due.", at=at), state="scheduled")
        Entry.objects.filter(pk=entry.pk).update(at=F("at") - timedelta(hours=1))
        return tick()

    def suggest() -> Callable[[], Any]:
        words = _texts()[3]
        return lambda: search.suggest_stories(words)

    def total() -> Callable[[], Any]:
        return lambda: Story.objects.public().total_seq()

    return {
        "publish": lambda: post,
        "backdate": backdate,
        "edit": edit,
        "withdraw": withdraw,
        "restore": restore,
        "mark as key event": mark,
        "cross-post, save": cross,
        "remove cross-post": take_back,
        "move, save": move,
        "rename a story": rename,
        "close": close,
        "reopen": reopen,
        "add a link": link,
        "scheduler, nothing due": tick,
        "scheduler, one due": due,
        "suggest stories": suggest,
        "site's change counter": total,
    }
