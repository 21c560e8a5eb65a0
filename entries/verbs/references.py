"""References to a story, which are locked with it and rerendered when it changes."""

from collections.abc import Callable, Collection

from django.db.models import Exists, OuterRef, Q

from entries.models import Entry, Posting, Story
from entries.verbs.ledger import Ledger, StaleRead, open_ledger, retry_on_stale_read


@retry_on_stale_read
def change_with_references(
    story: Story,
    act: Callable[[Ledger], None],
    successor: Story | None = None,
    *,
    whole: Callable[[], bool] = lambda: False,
) -> Story:
    """Lock a story and everything that refers to it, and call `act` to change it.

    `act` gets the ledger once the story is refreshed in place. `successor` is a story
    whose head will refer to it. If `whole` returns true, every entry of the story is
    locked too.
    """
    stories = {story.pk, *referring_stories([story.pk])}
    if successor:
        stories.add(successor.pk)
    entries = referring_entries([story.pk]) | (entries_in(story) if whole() else set())
    with open_ledger(*stories, entries=entries) as ledger:
        story.__dict__.update(ledger.story(story.pk).__dict__)
        ledger.stories[story.pk] = story
        act(ledger)
    return story


def referring_entries(stories: Collection[int]) -> set[int]:
    """Return the ids of the entries whose HTML names one of the stories."""
    elsewhere = Posting.objects.filter(entry=OuterRef("entry"))
    shared = Exists(elsewhere.exclude(story=OuterRef("story")))
    crossed = Posting.objects.filter(shared, story__in=stories)
    lines = Entry.objects.filter(links__target_story__in=stories)
    return {
        *crossed.values_list("entry_id", flat=True),
        *lines.values_list("pk", flat=True),
    }


def entries_in(story: Story) -> set[int]:
    """Return the ids of all entries that are, or ever were, posted in a story."""
    rows = Entry.objects.filter(Q(story=story) | Q(postings__story=story))
    return set(rows.values_list("pk", flat=True))


def referring_stories(stories: Collection[int]) -> set[int]:
    """Return the ids of the stories that continue, or are continued by, the stories."""
    before = Q(continues_in__in=stories)
    pairs = Story.objects.filter(before | Q(continues__in=stories))
    return set(pairs.values_list("pk", flat=True)) if stories else set()


def change_successor_heads(ledger: Ledger, stories: set[int | None]) -> None:
    """Record changed heads of the stories that coverage continues in, or did before."""
    for pk in sorted(pk for pk in stories if pk):
        if pk not in ledger.stories:
            raise StaleRead
        ledger.head_changed(ledger.story(pk))


def update_references(
    ledger: Ledger, stories: Collection[Story], entries: Collection[int] = ()
) -> None:
    """Rerender everything that refers to the stories, and further entries.

    Heads and the rail change only for stories that readers know of.
    """
    own = [story.pk for story in stories]
    seen = [story.pk for story in stories if ledger.known_to_readers(story)]
    if seen:
        ledger.site_changed()
    referring = referring_entries(own) | set(entries)
    heads = referring_stories(seen) - set(own)
    if referring - ledger.entries or heads - set(ledger.stories):
        raise StaleRead
    for entry in Entry.objects.filter(pk__in=referring).order_by("pk"):
        ledger.rerender_entry(entry)
    for pk in sorted(heads):
        ledger.head_changed(ledger.story(pk))
