"""What the desk remembers of those who work at it: what they type, where they are."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Self
from uuid import UUID, uuid5

from django.conf import settings
from django.db import models

from entries.models.entries import Entry
from entries.models.stories import Story


def draft_keys(key: UUID | str | None, user_id: int | None) -> list[UUID | None]:
    """Return the keys under which a person's filled form may have been saved.

    The second is for a form whose key is somebody else's already. A text that is no
    key gives None alone.
    """
    try:
        own = key if isinstance(key, UUID) else UUID(key or "")
    except ValueError:
        return [None]
    return [own, uuid5(own, str(user_id))]


def entries_made_from(author: Any, keys: Iterable[Any]) -> dict[Any, Entry]:
    """Return the entries that an author's filled forms have made, by their keys."""
    own = {key: draft_keys(key, author.pk if author else None) for key in keys}
    wanted = set(chain(*own.values())) - {None}
    found = Entry.objects.filter(author=author, key__in=wanted)
    made = {entry.key: entry for entry in found}
    return {k: made[one] for k, ones in own.items() for one in ones if one in made}


class DraftQuerySet(models.QuerySet["Draft"]):
    """Drafts by whose they are."""

    def of_user(
        self, user: Any, *, key: object = None, entry: Entry | None = None
    ) -> Self:
        """Keep a person's drafts of a new text's form, or of an entry's edit."""
        mine = self.filter(user=user)
        return mine.filter(entry=entry) if entry else mine.filter(key=str(key))

    def of_author_of(self, entry: Entry) -> Self:
        """Keep what its author's page had kept of an entry before it was sent."""
        mine = self.filter(user=entry.author_id)
        keys = mine.values_list("pk", "key") if entry.key and entry.author_id else []
        made = [pk for pk, k in keys if entry.key in draft_keys(k, entry.author_id)]
        return mine.filter(pk__in=made)


class Draft(models.Model):
    """A text as it stands in a form that was not sent yet, for its writer alone.

    `form` is the form's name at the desk, `key` tells one filled form from another:
    the key of a new text, the version that an edit began from. No locks, no
    versions: the latest typing stands.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="drafts"
    )
    story = models.ForeignKey(Story, models.CASCADE, related_name="drafts")
    entry = models.ForeignKey(Entry, models.CASCADE, null=True, related_name="drafts")
    form = models.CharField(max_length=30)
    key = models.CharField(max_length=36)
    values = models.JSONField(default=dict)
    typed = models.BigIntegerField()  # milliseconds, by the clock of its browser
    saved_at = models.DateTimeField(auto_now=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        ordering = ["-typed", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "story", "form", "key"], name="a_draft_a_filled_form"
            )
        ]

    def __str__(self) -> str:
        return f"{self.form} in {self.story_id} by {self.user_id}"


class Presence(models.Model):
    """One open page of a desk, and what its editor is doing there.

    `mark` is a number of its own for each page and doing, so that the sum of those
    that are fresh tells when anything differs.
    """

    tab = models.CharField(max_length=16, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    story = models.ForeignKey(Story, models.CASCADE, related_name="presences")
    entry = models.ForeignKey(Entry, models.CASCADE, null=True, related_name="+")
    writing = models.BooleanField(default=False)
    mark = models.BigIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["story", "seen_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.story_id}"
