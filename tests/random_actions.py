"""Seeded random actions of a newsroom, one at a time, for the oracle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from django.utils import timezone

from entries import verbs
from entries.models import Entry, Image, Link, Posting, Story
from entries.text import gmt
from entries.verbs import EntryText, Refused

WORDS = ["tide", "quay", "ice", "gull", "lamp", "rope", "mast", "fog", "buoy", "keel"]


class Newsroom:
    """Happenings in one story, and between it, another and one that is announced."""

    def __init__(
        self, story: Story, other: Story, coming: Story, chance: Random
    ) -> None:
        self.story, self.other, self.coming = story, other, coming
        self.chance = chance

    def words(self, least: int = 5, most: int = 60) -> str:
        number = self.chance.randint(least, most)
        return " ".join(self.chance.choices(WORDS, k=number)).capitalize() + "."

    def posting(
        self, *, home: bool = True, old: bool = False, **wanted: object
    ) -> Posting:
        """Choose one of the newest updates; with `old` often one of an older page."""
        rows = self.story.postings.filter(
            removed=False, seq__isnull=False, **wanted
        ).updates()
        rows = rows.filter(entry__story=self.story) if home else rows
        if old and self.chance.random() < 0.3:
            rows = rows.reverse()
        found = list(rows.select_related("entry", "story")[:30])
        if not found:
            raise Refused("nothing to choose from")
        return self.chance.choice(found)

    def text(self, entry: Entry, body: str = "") -> EntryText:
        return EntryText(body or entry.body, entry.headline, entry.at, entry.byline)

    def post(self) -> None:
        verbs.post(
            self.story,
            EntryText(self.words(), self.chance.choice(["", self.words(2, 5)])),
            key_event=self.chance.random() < 0.2,
        )

    def backdate(self) -> None:
        at = timezone.now() - timedelta(minutes=self.chance.randint(1, 20))
        verbs.post(self.story, EntryText(self.words(), at=at))

    def schedule(self) -> None:
        at = timezone.now() + timedelta(minutes=2)
        entry = verbs.post(self.story, EntryText(self.words(), at=at))
        Entry.objects.filter(pk=entry.pk).update(at=gmt.this_minute())

    def draft(self) -> None:
        verbs.post(self.story, EntryText(self.words()), state=Entry.State.DRAFT)

    def publish_draft(self) -> None:
        entry = self.story.entries.filter(state=Entry.State.DRAFT).first()
        if entry:
            verbs.publish(entry)

    def edit(self) -> None:
        entry = self.posting(old=True).entry
        text = self.text(entry, self.words(3, 200))
        verbs.edit(entry, text, version=entry.version)

    def correct(self) -> None:
        entry = self.posting(old=True, entry__state="published").entry
        text = self.text(entry, self.words())
        verbs.edit(entry, text, version=entry.version, correction=self.words(3, 9))

    def retime(self) -> None:
        entry = self.posting(entry__state="published").entry
        at = timezone.now() - timedelta(minutes=self.chance.randint(0, 20))
        text = EntryText(entry.body, entry.headline, at, entry.byline)
        verbs.edit(entry, text, version=entry.version)

    def edit_original(self) -> None:
        entry = self.story.entries.get(kind=Entry.Kind.ORIGINAL)
        text = self.text(entry, self.words(30, 90))
        verbs.edit(entry, text, version=entry.version)

    def pin(self) -> None:
        posting = self.posting(home=False, old=True)
        verbs.set_marks(posting, pinned=not posting.pinned)

    def key_event(self) -> None:
        posting = self.posting(home=False, old=True)
        verbs.set_marks(posting, key_event=not posting.key_event)

    def withdraw(self) -> None:
        verbs.withdraw(self.posting(entry__state="published").entry)

    def restore(self) -> None:
        verbs.restore(self.posting(entry__state="withdrawn").entry)

    def cross_post(self) -> None:
        posting = self.posting(old=True, entry__state="published")
        verbs.cross_post(posting.entry, self.other)

    def cross_post_here(self) -> None:
        entry = verbs.post(self.other, EntryText(self.words()))
        verbs.cross_post(entry, self.story)

    def edit_cross_post(self) -> None:
        entry = self._foreign().entry
        text = self.text(entry, self.words())
        verbs.edit(entry, text, version=entry.version)

    def take_back(self) -> None:
        verbs.remove_cross_post(self._foreign())

    def put_back(self) -> None:
        rows = self.story.postings.filter(removed=True, entry__story=self.other)
        for posting in rows.select_related("entry", "story")[:1]:
            verbs.restore_cross_post(posting)

    def _foreign(self) -> Posting:
        rows = self.story.postings.filter(removed=False, entry__story=self.other)
        posting = rows.select_related("entry", "story").first()
        if posting is None:
            raise Refused("nothing to choose from")
        return posting

    def move(self) -> None:
        verbs.move(self.posting(entry__state="published").entry, self.other)

    def move_here(self) -> None:
        verbs.move(verbs.post(self.other, EntryText(self.words())), self.story)

    def head(self) -> None:
        verbs.edit_story(
            self.story,
            headline=self.words(3, 9),
            standfirst=self.words(3, 30),
            summary=f"- {self.words()}\n- {self.words()}",
        )

    def rename(self) -> None:
        slug = f"{self.chance.choice(WORDS)}-{self.chance.randint(1, 10**9)}"
        verbs.edit_story(self.story, slug=slug)

    def rename_other(self) -> None:
        verbs.edit_story(self.other, headline=self.words(3, 9))

    def link(self) -> None:
        entry = self.posting(old=True).entry
        verbs.add_link("see", entry=entry, target_story=self.other)

    def link_latest(self) -> None:
        verbs.add_link("latest", story=self.story, title=self.words(2, 6))

    def feature_begins(self) -> None:
        soon = timezone.now() + timedelta(minutes=2)
        link = verbs.add_link(
            "feature", story=self.story, title=self.words(2, 6), starts_at=soon
        )
        Link.objects.filter(pk=link.pk).update(starts_at=gmt.this_minute())

    def feature_ends(self) -> None:
        running = Link.objects.filter(kind="feature", active=True).first()
        if running:
            Link.objects.filter(pk=running.pk).update(ends_at=gmt.this_minute())

    def link_both_ways(self) -> None:
        kind = self.chance.choice(["see", "previous", "next", "latest"])
        link = Link(kind=kind, story=self.story, target_story=self.other)
        verbs.add_link_both_ways(link)

    def order_links(self) -> None:
        links = list(self.story.links.all())
        self.chance.shuffle(links)
        verbs.order_links(links)

    def unlink(self) -> None:
        link = self.story.links.first()
        if link:
            verbs.remove_link(link)

    def missing_picture(self) -> None:
        name = f"{self.chance.choice(WORDS)}-{self.chance.randint(1, 10**9)}"
        verbs.save_image(Image(name=name))
        body = f"{self.words()}\n\n![](image:{name})\n\n{self.words()}"
        verbs.post(self.story, EntryText(body))

    def close_and_reopen(self) -> None:
        verbs.close_story(self.story)
        verbs.reopen_story(self.story)

    def other_leads_here(self) -> None:
        verbs.close_story(self.other, self.story)

    def other_runs_again(self) -> None:
        verbs.reopen_story(self.other)

    def other_goes_and_comes(self) -> None:
        verbs.withdraw_story(self.other)
        verbs.restore_story(self.other)

    def other_falls_quiet(self) -> None:
        at = timezone.now() - timedelta(days=1)
        Story.objects.filter(pk=self.other.pk).update(active_at=at)
        verbs.mark_quiet_stories()

    def other_is_kept_live(self) -> None:
        verbs.keep_live(self.other)

    def post_in_coming(self) -> None:
        verbs.post(self.coming, EntryText(self.words()), key_event=True)

    def cross_post_to_coming(self) -> None:
        posting = self.posting(old=True, entry__state="published")
        verbs.cross_post(posting.entry, self.coming)

    def move_to_coming(self) -> None:
        verbs.move(self.posting(entry__state="published").entry, self.coming)

    def link_coming(self) -> None:
        entry = self.posting(old=True).entry
        verbs.add_link("see", entry=entry, target_story=self.coming)

    def head_of_coming(self) -> None:
        fields = {"headline": self.words(3, 9), "summary": self.words()}
        verbs.edit_story(self.coming, **fields)

    def coming_is_put_off(self) -> None:
        days = timedelta(days=self.chance.randint(2, 9))
        verbs.announce(self.coming, timezone.now() + days)

    def coming_goes_and_comes(self) -> None:
        verbs.withdraw_story(self.coming)
        verbs.restore_story(self.coming)

    def coming_begins(self) -> None:
        begun = Story.objects.filter(pk=self.coming.pk, state="announced")
        begun.update(begins_at=gmt.this_minute())


HAPPENINGS: tuple[tuple[int, Callable[[Newsroom], None]], ...] = (
    (6, Newsroom.post),
    (3, Newsroom.backdate),
    (2, Newsroom.schedule),
    (1, Newsroom.draft),
    (1, Newsroom.publish_draft),
    (4, Newsroom.edit),
    (2, Newsroom.correct),
    (3, Newsroom.retime),
    (1, Newsroom.edit_original),
    (3, Newsroom.pin),
    (3, Newsroom.key_event),
    (4, Newsroom.withdraw),
    (3, Newsroom.restore),
    (2, Newsroom.cross_post),
    (3, Newsroom.cross_post_here),
    (2, Newsroom.edit_cross_post),
    (2, Newsroom.take_back),
    (1, Newsroom.put_back),
    (1, Newsroom.move),
    (2, Newsroom.move_here),
    (2, Newsroom.head),
    (1, Newsroom.rename),
    (2, Newsroom.rename_other),
    (2, Newsroom.link),
    (1, Newsroom.link_latest),
    (2, Newsroom.feature_begins),
    (1, Newsroom.feature_ends),
    (1, Newsroom.link_both_ways),
    (1, Newsroom.order_links),
    (1, Newsroom.unlink),
    (1, Newsroom.missing_picture),
    (1, Newsroom.close_and_reopen),
    (1, Newsroom.other_leads_here),
    (4, Newsroom.other_runs_again),
    (1, Newsroom.other_goes_and_comes),
    (1, Newsroom.other_falls_quiet),
    (1, Newsroom.other_is_kept_live),
    (2, Newsroom.post_in_coming),
    (2, Newsroom.cross_post_to_coming),
    (1, Newsroom.move_to_coming),
    (1, Newsroom.link_coming),
    (1, Newsroom.head_of_coming),
    (1, Newsroom.coming_is_put_off),
    (1, Newsroom.coming_goes_and_comes),
    (1, Newsroom.coming_begins),
)


LEAST, MOST = 104, 145  # updates of the story


def happen(slug: str, other: str, coming: str, seed: str) -> str:
    """Let one thing happen; return its name."""
    chance = Random(seed)
    newsroom = Newsroom(
        Story.objects.get(slugs__slug=slug),
        Story.objects.get(slugs__slug=other),
        Story.objects.get(slugs__slug=coming),
        chance,
    )
    weights = [weight for weight, _ in HAPPENINGS]
    verb = chance.choices([verb for _, verb in HAPPENINGS], weights)[0]
    # Pages break at every fifty: an open one keeps what a fresh one leaves to the next.
    updates = newsroom.story.postings.visible().updates().count()
    if not LEAST <= updates <= MOST:
        verb = Newsroom.post if updates < LEAST else Newsroom.withdraw
    try:
        verb(newsroom)
    except Refused as refusal:
        return f"{verb.__name__} was refused: {refusal}"
    return verb.__name__
