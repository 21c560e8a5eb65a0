"""What names a story elsewhere: locked with it, and drawn anew when it changes."""

from collections.abc import Callable, Collection

from django.db.models import Exists, OuterRef, Q

from entries.models import Entry, Posting, Story
from entries.verbs.ledger import Ledger, StaleRead, open_ledger, retry_on_stale_read


@retry_on_stale_read
def change_with_references(
    story: Story,
    act: Callable[[Ledger], None],
    follower: Story | None = None,
    *,
    whole: bool = False,
) -> Story:
    """Act on a story under its lock and those of whatever names it.

    The story is refreshed in place first. `follower` is a story whose head is going
    to name it. With `whole` every entry that stands in it is locked as well.
    """
    stories = {story.pk, *referring_stories([story.pk])}
    if follower:
        stories.add(follower.pk)
    entries = referring_entries([story.pk]) | (entries_in(story) if whole else set())
    with open_ledger(*stories, entries=entries) as ledger:
        story.__dict__.update(ledger.story(story.pk).__dict__)
        ledger.stories[story.pk] = story
        act(ledger)
    return story


def referring_entries(stories: Collection[int]) -> set[int]:
    """Return the entries whose HTML, in whatever story, names one of these."""
    elsewhere = Posting.objects.filter(entry=OuterRef("entry"))
    shared = Exists(elsewhere.exclude(story=OuterRef("story")))
    crossed = Posting.objects.filter(shared, story__in=stories)
    lines = Entry.objects.filter(links__target_story__in=stories)
    return {
        *crossed.values_list("entry_id", flat=True),
        *lines.values_list("pk", flat=True),
    }


def entries_in(story: Story) -> set[int]:
    """Return the entries of a story, and those that stand or stood in it."""
    rows = Entry.objects.filter(Q(story=story) | Q(postings__story=story))
    return set(rows.values_list("pk", flat=True))


def referring_stories(stories: Collection[int]) -> set[int]:
    """Return the stories whose heads name these: what led to them, what follows."""
    before = Q(continues_in__in=stories)
    pairs = Story.objects.filter(before | Q(continues__in=stories))
    return set(pairs.values_list("pk", flat=True)) if stories else set()


def change_successor_heads(ledger: Ledger, led: set[int | None]) -> None:
    """Say that the heads of stories change in which coverage goes on, or did."""
    for pk in sorted(pk for pk in led if pk):
        if pk not in ledger.stories:
            raise StaleRead
        ledger.head_changed(ledger.story(pk))


def update_references(
    ledger: Ledger, stories: Collection[Story], entries: Collection[int] = ()
) -> None:
    """Draw anew what names the stories elsewhere, these entries, and every rail.

    Of a story that readers do not see nothing moves, neither a head nor a rail.
    """
    own = [story.pk for story in stories]
    seen = [story.pk for story in stories if ledger.known_to_readers(story)]
    if seen:
        ledger.site_changed()
    told, heads = (
        referring_entries(own) | set(entries),
        referring_stories(seen) - set(own),
    )
    if told - ledger.entries or heads - set(ledger.stories):
        raise StaleRead
    for entry in Entry.objects.filter(pk__in=told).order_by("pk"):
        ledger.rerender_entry(entry)
    for pk in sorted(heads):
        ledger.head_changed(ledger.story(pk))
