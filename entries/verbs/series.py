"""Verbs for series: save and delete."""

from django.utils.translation import gettext

from entries.models import Entry, Series
from entries.text import urls
from entries.verbs.conditions import checked_language
from entries.verbs.ledger import Refused, open_ledger, retry_on_stale_read
from entries.verbs.permissions import SYSTEM, Permissions
from entries.verbs.references import (
    referring_entries,
    referring_stories,
    update_references,
)


@retry_on_stale_read
def save_series(series: Series, *, by: Permissions = SYSTEM) -> Series:
    """Save a series, and rerender everything that refers to it.

    Raises Refused for an invalid language.
    """
    if series.language:
        series.language = checked_language(series.language)
    own = set(series.stories.values_list("pk", flat=True)) if series.pk else set()
    named = _entries_referring_to(series) | referring_entries(own)
    with open_ledger(*own, *referring_stories(own), entries=named) as ledger:
        by.check_has("change_series" if series.pk else "add_series")
        if not series.slug:
            series.slug = free_series_slug(series.name, series.language)
        series.save()
        stories = [ledger.stories[pk] for pk in sorted(own)]
        for story in stories:
            story.series = series
            ledger.head_changed(story)
        ledger.site_changed()
        update_references(ledger, stories, _entries_referring_to(series))
    return series


def free_series_slug(name: str, language: str = "") -> str:
    """Return a slug for a name, with a number if another series has it."""
    base = urls.slug(name, 90, language) or "series"
    return urls.free_name(base, lambda s: Series.objects.filter(slug=s).exists())


def delete_series(series: Series, *, by: Permissions = SYSTEM) -> None:
    """Delete a series. Raises Refused if it has stories or a link leads to it."""
    with open_ledger() as ledger:
        by.check_has("delete_series")
        locked = Series.objects.select_for_update().filter(pk=series.pk).first()
        if locked and (locked.stories.exists() or locked.linked_from.exists()):
            raise Refused(gettext("A story is in it, or a line leads to it."))
        if locked:
            locked.delete()
            ledger.site_changed()


def _entries_referring_to(series: Series) -> set[int]:
    """Return the ids of the entries with a link to a series."""
    if series.pk is None:
        return set()
    lines = Entry.objects.filter(links__target_series=series)
    return set(lines.values_list("pk", flat=True))
