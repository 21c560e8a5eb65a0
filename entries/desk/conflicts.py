"""Conflicts: what a colleague changed in a text while somebody else was editing it.

Changes that do not overlap are merged and offered; a second press saves them. Where
they overlap both versions are shown, and nothing is saved until one is chosen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from entries.desk.access import display_name, int_or_zero
from entries.models import Entry, EntryVersion, Story, StoryVersion
from entries.pages.merging import FieldMerge, merge_fields
from entries.text import time_input
from entries.verbs import EntryText

_WORD_BY_WORD: Final = ("body", "summary", "standfirst")
_Version = EntryVersion | StoryVersion


class Choice(NamedTuple):
    """Which version its editor chose to keep, and the other one's number then."""

    whose: Literal["mine", "theirs", ""] = ""
    version: int = 0

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """Parse what a button of a conflict sends, such as `mine-7`."""
        whose, _, number = text.partition("-")
        if whose == "mine":
            return cls("mine", int_or_zero(number))
        return cls("theirs", int_or_zero(number)) if whose == "theirs" else cls()


@dataclass(frozen=True)
class Conflict:
    """A form's values beside those that colleagues have saved meanwhile.

    `version` is the number of their version; `authors` changed it, the last at `at`.
    """

    version: int
    fields: Sequence[FieldMerge]
    authors: Sequence[User | None]
    at: datetime | None
    user: User
    is_entry: bool = True

    @property
    def overlaps(self) -> bool:
        """Whether both changed the same words, so that one has to be chosen."""
        return any(field.overlaps for field in self.fields)

    @property
    def names(self) -> str:
        """Return who changed it, as a list of names."""
        names = dict.fromkeys(
            display_name(one) or gettext("A colleague")
            for one in self.authors or [None]
        )
        return ", ".join(names)

    @property
    def message(self) -> str:
        """Return who changed what, and when."""
        when = timezone.now() if self.at is None else self.at
        values = {
            "names": self.names,
            "time": time_input.describe_moment(when, timezone.now()),
        }
        if {one.pk for one in self.authors if one} == {self.user.pk}:
            text = gettext("You saved another version at %(time)s, in another window.")
        elif self.is_entry:
            text = gettext(
                "%(names)s changed this update at %(time)s, while you were editing."
            )
        else:
            text = gettext(
                "%(names)s changed this story at %(time)s, while you were editing."
            )
        return text % values

    @property
    def hint(self) -> str:
        """Return what to do about it."""
        if self.overlaps:
            return gettext("Nothing is saved until you choose one of the two versions.")
        return ngettext(
            "Both changes are in the text below. Check it, then save.",
            "All changes are in the text below. Check it, then save.",
            max(1, len(self.fields)),
        )

    def merged(self, names: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the merged values for the form, with the version they are based on.

        `names` are those of fields that the form calls otherwise. Empty if the changes
        overlap.
        """
        if self.overlaps:
            return {}
        named = names or {}
        values = {named.get(one.name, one.name): one.value for one in self.fields}
        return {**values, "version": str(self.version)}

    @property
    def merged_json(self) -> str:
        """Return the merged values for the script that fills the form with them."""
        merged = self.merged({"summary": "body"})
        return json.dumps(merged) if merged else ""


def entry_conflict(entry: Entry, text: EntryText, version: int, user: User) -> Conflict:
    """Return the conflict of an edit, begun at a version, with the entry as it is."""
    names = ("headline", "body", "byline", "at")
    since = list(
        entry.versions.filter(number__gte=version)
        .select_related("changed_by")
        .order_by("number")
    )
    base = _base(since, version)
    mine = text.tidy()
    at = mine.at or (base.at if isinstance(base, EntryVersion) else entry.at)
    labels = {
        "headline": gettext("Headline"),
        "body": gettext("Text"),
        "byline": gettext("Byline"),
        "at": gettext("Time"),
    }
    fields = merge_fields(
        _entry_values(base, base.at) if isinstance(base, EntryVersion) else None,
        _entry_values(mine, at),
        _entry_values(entry, entry.at),
        labels,
        _WORD_BY_WORD.__contains__,
    )
    authors, last = _changed_since(since, entry, names)
    return Conflict(entry.version, fields, authors, last, user)


def _entry_values(row: Any, at: datetime | None) -> dict[str, str]:
    return {
        "headline": row.headline,
        "body": row.body,
        "byline": row.byline,
        "at": time_input.format_typed(at) if at else "",
    }


def story_conflict(
    story: Story, typed: Mapping[str, str], version: int, user: User
) -> Conflict:
    """Return the conflict of a story's head, begun at a version, with its row now."""
    since = list(
        story.versions.filter(number__gte=version)
        .select_related("changed_by")
        .order_by("number")
    )
    base = _base(since, version)
    labels = {
        "headline": gettext("Headline"),
        "standfirst": gettext("Standfirst"),
        "summary": gettext("Summary"),
    }
    labels = {name: label for name, label in labels.items() if name in typed}
    fields = merge_fields(
        {name: getattr(base, name) for name in labels} if base else None,
        typed,
        {name: getattr(story, name) for name in labels},
        labels,
        _WORD_BY_WORD.__contains__,
    )
    authors, at = _changed_since(since, story, tuple(labels))
    return Conflict(story.version, fields, authors, at, user, is_entry=False)


def _base(since: Sequence[_Version], version: int) -> _Version | None:
    """Return the text that an edit began from, unless it is unknown or erased."""
    first = since[0] if since else None
    return first if first and first.number == version and not first.erased else None


def _changed_since(
    since: Sequence[_Version], now: Entry | Story, names: Sequence[str]
) -> tuple[list[User | None], datetime | None]:
    """Return who changed one of the fields since a version, and when they last did."""
    authors: list[User | None] = []
    at = None
    rows: list[Any] = [*since, now]
    for old, new in pairwise(rows):
        if any(getattr(old, name) != getattr(new, name) for name in names):
            authors.append(old.changed_by)
            at = old.changed_at
    return authors, at
