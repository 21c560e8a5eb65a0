"""The updates on a person's page: their visible ones, newest first."""

from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q

from entries.models import Posting, Profile

AUTHOR_PAGE_SIZE = 50


@dataclass(frozen=True)
class UpdatesPage:
    """A page of updates, each as the posting to show it in.

    `older` is the id of the last entry, after which the next page begins, or 0.
    """

    found: list[Posting]
    older: int


def updates_page(person: Profile, before: int = 0) -> UpdatesPage:
    """Return a person's updates; with `before` those older than that entry.

    Each is shown in its home story if readers see it there, else in another.
    """
    visible = Posting.objects.visible().filter(entry__credited=person)
    home = Posting.objects.visible().filter(
        entry=OuterRef("entry"), story=F("entry__story")
    )
    once = visible.filter(Q(story=F("entry__story")) | ~Exists(home))
    if before:
        first = visible.filter(entry=before).values_list("at", flat=True).first()
        if first is None:
            return UpdatesPage([], 0)
        once = once.filter(Q(at__lt=first) | Q(at=first, entry__lt=before))
    rows = once.newest().select_related("entry__story", "story__series")
    found = {row.entry_id: row for row in rows.defer("html")[: AUTHOR_PAGE_SIZE + 1]}
    shown = list(found.values())[:AUTHOR_PAGE_SIZE]
    return UpdatesPage(shown, shown[-1].entry_id if len(found) > len(shown) else 0)
