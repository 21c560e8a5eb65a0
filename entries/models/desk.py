"""Drafts of unsent forms, presence at desks, tombstones of rows, and snippets."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Self
from uuid import NAMESPACE_OID, UUID, uuid5

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from entries.models.entries import Entry, written_by
from entries.models.fields import FoldedField, LineField, has_words
from entries.models.stories import Story


def draft_keys(key: UUID | str | None, user_id: int | None) -> list[UUID | None]:
    """Return the keys that an entry made from a user's form may have.

    The second one is used if another user's entry has the form's key already. Return
    only None if `key` is malformed.
    """
    try:
        own = key if isinstance(key, UUID) else UUID(key or "")
    except ValueError:
        return [None]
    return [own, uuid5(own, str(user_id))]


def entries_made_from(author: Any, keys: Iterable[Any]) -> dict[Any, Entry]:
    """Return the entries that were made from an author's forms, by the forms' keys."""
    own = {key: draft_keys(key, author.pk if author else None) for key in keys}
    wanted = set(chain(*own.values())) - {None}
    found = Entry.objects.filter(written_by(author), key__in=wanted)
    made = {entry.key: entry for entry in found}
    return {k: made[one] for k, ones in own.items() for one in ones if one in made}


def copy_key(user_id: int, entry_id: int, version: str) -> UUID:
    """Return the key of the new text that a user's lost edit is kept as.

    `version` is the one that the edit started from. The key is the same for each save,
    so that the text is created once, and tells which entry the text may repeat.
    """
    number = int(version) if version.isdecimal() else 0
    return uuid5(NAMESPACE_OID, f"{user_id}-{entry_id}-{number}")


def copy_keys(user_id: int, entry: Entry, version: int | None = None) -> set[str]:
    """Return the keys of a user's lost edits of an entry, or of one version of it."""
    numbers = range(entry.version + 1) if version is None else [version]
    return {str(copy_key(user_id, entry.pk, str(number))) for number in numbers}


class DraftQuerySet(models.QuerySet["Draft"]):
    """Queries for drafts by their user."""

    def of_user(
        self, user: Any, *, key: object = None, entry: Entry | None = None
    ) -> Self:
        """Return a user's drafts for the form of a new text, or for an entry's edit."""
        own = self.filter(user=user)
        return own.filter(entry=entry) if entry else own.filter(key=str(key))

    def sent_as(self, entry: Entry) -> Self:
        """Return the drafts of the form that became an entry, by its first author."""
        writer = entry.taken_from_id or entry.author_id
        own = self.filter(user=writer)
        keys = own.values_list("pk", "key") if entry.key and writer else []
        sent = [pk for pk, k in keys if entry.key in draft_keys(k, writer)]
        return own.filter(pk__in=sent)

    def copied_from(self, entry: Entry, version: int | None = None) -> Self:
        """Return the lost edits of an entry that are kept as drafts of new texts."""
        new = self.filter(form="composer", story__postings__entry=entry)
        rows = list(new.values_list("pk", "user_id", "key"))
        keys = {user: copy_keys(user, entry, version) for _pk, user, _key in rows}
        return self.filter(pk__in=[pk for pk, user, key in rows if key in keys[user]])

    def become_new_texts(self) -> None:
        """Keep edits that can no longer be sent as drafts of new texts.

        A copy of the same edit that was saved already is newer.
        """
        copies = [
            Draft(
                user_id=edit.user_id,
                story_id=edit.story_id,
                form="composer",
                key=str(copy_key(edit.user_id, edit.entry_id, edit.key)),
                values=edit.values,
                typed=edit.typed,
            )
            for edit in self
            if edit.entry_id
        ]
        Draft.objects.bulk_create(copies, ignore_conflicts=True)
        self.delete()


class Draft(models.Model):
    """The unsent content of a form at the desk, visible to its user only.

    `form` is the name of the form, and `key` identifies one instance of it: the key of
    a new text, or the version that an edit started from. There are no locks and no
    versions: the latest save wins.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="drafts"
    )
    story = models.ForeignKey(Story, models.CASCADE, related_name="drafts")
    entry = models.ForeignKey(Entry, models.CASCADE, null=True, related_name="drafts")
    form = models.CharField(max_length=30)
    key = models.CharField(max_length=36)
    values = models.JSONField(default=dict)
    typed = models.BigIntegerField()  # milliseconds, by the browser's clock
    saved_at = models.DateTimeField(auto_now=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        verbose_name = _("unpublished text")
        verbose_name_plural = _("unpublished texts")
        ordering = ["-typed", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "story", "form", "key"], name="a_draft_a_filled_form"
            )
        ]

    def __str__(self) -> str:
        return f"{self.form} in {self.story_id} by {self.user_id}"


class Presence(models.Model):
    """One open desk page, and what its editor is doing there.

    `mark` is a hash of the page and the activity, so that the sum of the marks changes
    whenever anything does.
    """

    tab = models.CharField(max_length=16, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    story = models.ForeignKey(Story, models.CASCADE, related_name="presences")
    entry = models.ForeignKey(Entry, models.CASCADE, null=True, related_name="+")
    writing = models.BooleanField(default=False)
    mark = models.BigIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("open desk")
        verbose_name_plural = _("open desks")
        indexes = [models.Index(fields=["story", "seen_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.story_id}"


class DeletedEntry(models.Model):
    """A tombstone: it tells open desks to remove the row of an entry that was deleted.

    `desk_seq` is the story's desk counter at the deletion.
    """

    story = models.ForeignKey(Story, models.CASCADE, related_name="deleted_entries")
    entry_pk = models.BigIntegerField()
    desk_seq = models.BigIntegerField()

    class Meta:
        verbose_name = _("deleted entry")
        verbose_name_plural = _("deleted entries")
        indexes = [models.Index(fields=["story", "desk_seq"], name="deleted_entry")]

    def __str__(self) -> str:
        return f"{self.entry_pk} of {self.story_id}"


class SnippetQuerySet(models.QuerySet["Snippet"]):
    """A query for the search in snippets."""

    def matching(self, text: str) -> Self:
        """Return the snippets that have every word of a text in their name or text."""
        return self.filter(has_words(text, "folded"))


class Snippet(models.Model):
    """A text that the newsroom writes again and again, offered in the composer."""

    name = LineField(_("name"), max_length=60, unique=True)
    body = models.TextField(_("text"), max_length=2000, help_text=_("In Markdown."))
    order = models.PositiveIntegerField(_("order"), default=0)
    folded = FoldedField(sources=["name", "body"])

    objects = SnippetQuerySet.as_manager()

    class Meta:
        verbose_name = _("snippet")
        verbose_name_plural = _("snippets")
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name
