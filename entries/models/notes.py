"""Notes between colleagues on a story or an entry. Readers never see them."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from entries.models.entries import Entry
from entries.models.stories import Story


class NoteQuerySet(models.QuerySet["Note"]):
    """Queries for notes that are not done."""

    def threads(self) -> Self:
        """Return the notes that are not replies, newest first."""
        return self.filter(parent=None).order_by("-pk")

    def open(self) -> Self:
        """Return the notes that are not done; replies count as their note does."""
        return self.filter(done_at=None, parent__done_at=None)


class Note(models.Model):
    """A note on a story or one of its entries, or a reply to another note.

    A hand-over note stays above the timeline until somebody marks it as done. `key`
    names the form it was written in, so that one that is sent twice makes one note.
    """

    story = models.ForeignKey(Story, models.CASCADE, related_name="notes")
    entry = models.ForeignKey(Entry, models.CASCADE, null=True, related_name="notes")
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, related_name="replies"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    text = models.TextField(max_length=1000)
    handover = models.BooleanField(default=False)
    key = models.UUIDField(null=True, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    objects = NoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        indexes = [
            models.Index(
                fields=["story"],
                condition=Q(handover=True, done_at=None),
                name="note_handover",
            )
        ]

    def __str__(self) -> str:
        return f"note {self.pk} on {self.entry_id or self.story_id}"


class MentionQuerySet(models.QuerySet["Mention"]):
    """Queries for the mentions of a person."""

    def unread_by(self, user_id: int | None) -> Self:
        """Return the unread mentions of a person in notes that are not done."""
        mine = self.filter(user=user_id, read_at=None)
        return mine.filter(note__done_at=None, note__parent__done_at=None)


class Mention(models.Model):
    """A colleague whom a note names with @name."""

    note = models.ForeignKey(Note, models.CASCADE, related_name="mentions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mentions"
    )
    read_at = models.DateTimeField(null=True)

    objects = MentionQuerySet.as_manager()

    class Meta:
        verbose_name = _("mention")
        verbose_name_plural = _("mentions")
        constraints = [
            models.UniqueConstraint(
                fields=["note", "user"], name="a_mention_once_a_note"
            )
        ]
        indexes = [
            models.Index(
                fields=["user"], condition=Q(read_at=None), name="mention_unread"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in note {self.note_id}"
