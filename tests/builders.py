"""Create stories, entries and users for tests, through the verbs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import F, Subquery
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.demo import loading
from entries.models import Entry, EntryVersion, Image, Posting, Series, Site, Story
from entries.verbs import EntryText
from tests.servers import PASSWORD

DAY = date(2026, 3, 14)

_numbers = count(1)


def gmt(hhmm: str, day: date = DAY) -> datetime:
    """Return a time on a day: `gmt("1804")`."""
    return datetime(
        day.year, day.month, day.day, int(hhmm[:2]), int(hhmm[2:]), tzinfo=UTC
    )


def text(
    body: str = "", *, at: str | datetime | None = "1200", headline: str = ""
) -> EntryText:
    """Return a text with a time; None means the time of publication."""
    if isinstance(at, str):
        at = gmt(at)
    words = body or f"The ferry has made crossing number {next(_numbers)}."
    return EntryText(words, headline=headline, at=at)


def make_series(name: str = "Sorrava Daily") -> Series:
    """Return the series with a name, creating it if necessary."""
    slug = name.lower().replace(" ", "-")
    return Series.objects.get_or_create(name=name, defaults={"slug": slug})[0]


def make_story(
    headline: str = "", *, live: bool = True, series: str = "", **fields: Any
) -> Story:
    """Create a story, live by default; `series` is the name of its series."""
    fields.setdefault("first_day", DAY)
    story = verbs.create_story(
        headline or f"Fog over the harbour, day {next(_numbers)}",
        series=make_series(series) if series else None,
        **fields,
    )
    return verbs.go_live(story) if live else story


def make_update(
    story: Story,
    body: str = "",
    *,
    at: str | datetime | None = "1200",
    headline: str = "",
    **options: Any,
) -> Entry:
    """Create an update, published by default."""
    return verbs.post(story, text(body, at=at, headline=headline), **options)


def make_original(story: Story, body: str = "How the fog came.") -> Entry:
    """Create the story's original entry."""
    return verbs.post(story, text(body, at=None), kind=Entry.Kind.ORIGINAL)


def bulk_updates(
    story: Story, number: int, start: datetime | None = None, *, a_minute: int = 1
) -> None:
    """Add published updates, `a_minute` of them per minute, in a few statements.

    The rows are those that the verbs would write, which would take minutes for many
    pages.
    """
    start = start or gmt("0000")
    story.refresh_from_db(fields=["seq", "desk_seq"])
    entries = Entry.objects.bulk_create(
        Entry(
            story=story,
            state=Entry.State.PUBLISHED,
            at=start + timedelta(minutes=index // a_minute),
            body=f"Crossing {index}.",
            html=f"<p>Crossing {index}.</p>",
            published_at=start,
        )
        for index in range(number)
    )
    Posting.objects.bulk_create(
        Posting(
            entry=entry,
            story=story,
            seq=story.seq + index,
            first_seq=story.seq + index,
            at=entry.at,
            public_at=entry.at,
            visible=story.public,
            desk_seq=story.desk_seq + 1,
            html=f'<article id="entry-{entry.pk}"></article>',
        )
        for index, entry in enumerate(entries, 1)
    )
    story.seq, story.desk_seq = story.seq + number, story.desk_seq + 1
    visible = Posting.objects.visible()
    Story.objects.filter(pk=story.pk).update(
        seq=story.seq,
        desk_seq=story.desk_seq,
        newest_at=Subquery(visible.newest_time_in("pk")),
        newest_public_at=Subquery(visible.newest_time_in("pk", "public_at")),
    )


def let_time_pass(minutes: float = 1) -> None:
    """Let everything that readers see have changed some minutes earlier."""
    passed = timedelta(minutes=minutes)
    for changed in (Story.objects, Site.objects):
        changed.update(changed_at=F("changed_at") - passed)
    Posting.objects.update(public_at=F("public_at") - passed)
    EntryVersion.objects.update(changed_at=F("changed_at") - passed)
    published = Entry.objects.exclude(published_at=None)
    published.update(published_at=F("published_at") - passed)


def make_user(name: str, *groups: str, chief: bool = False) -> User:
    """Create a staff account in groups, which are created if necessary."""
    user = User(username=name, is_staff=True, is_superuser=chief)
    user.set_password(PASSWORD)
    user.save()
    user.groups.set(Group.objects.get_or_create(name=group)[0] for group in groups)
    return user


def make_accounts() -> None:
    """Create the accounts of the demo: a chief, two editors and a moderator."""
    make_user("chief", chief=True)
    make_user("editor", "Editors")
    make_user("editor2", "Editors")
    make_user("moderator", "Moderators")


def seqs(story: Story) -> list[int]:
    """Return the seqs of a story's postings, sorted."""
    numbers = story.postings.exclude(seq=None).values_list("seq", flat=True)
    return sorted(number for number in numbers if number is not None)


def signed_in(name: str, *groups: str, chief: bool = False) -> Client:
    """Return a test client that is signed in to a new account."""
    client = Client()
    client.force_login(make_user(name, *groups, chief=chief))
    return client


class _DemoLoader(loading.Loader):
    def _image(self, row: dict[str, str]) -> None:
        Image.objects.create(name=row["name"], alt=row["alt"], caption=row["caption"])


def load_demo() -> None:
    """Load the demo's stories, without making the files of their pictures."""
    _DemoLoader(loading.read_demo_file("stories.json"), timezone.now()).load()
