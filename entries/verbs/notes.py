"""Verbs for notes between colleagues. Nothing here changes what readers see."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Final
from uuid import UUID, uuid5

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext

from entries.database import wiping
from entries.models import Entry, Mention, Note, Story
from entries.models.desk import draft_keys
from entries.models.fields import max_length
from entries.text import keyboard, rendering
from entries.text.folding import fold
from entries.verbs.ledger import Ledger, Refused, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions

_MENTION: Final = re.compile(r"(?<!\w)@(\S+)")


def add_note(
    story: Story,
    text: str,
    *,
    author: User | None = None,
    entry: Entry | None = None,
    reply_to: Note | None = None,
    handover: bool = False,
    key: UUID | None = None,
    by: Permissions = SYSTEM,
) -> Note:
    """Add a note to a story, to one of its entries, or to another note as a reply.

    Replies to a reply join the same list. Colleagues named with @name are mentioned.
    `key` identifies the form: sent again by its author, it returns the note that it
    made before, unless its text has changed. Raises Refused for an empty or too long
    text.
    """
    text, longest = rendering.tidy(text).strip(), max_length(Note, "text")
    if not text:
        raise Refused(gettext("Write the note first."), "text")
    if len(text) > longest:
        message = gettext("A note has %(number)s characters at most.")
        raise Refused(message % {"number": longest}, "text")
    parent = (reply_to.parent or reply_to) if reply_to else None
    if parent:
        entry, handover = parent.entry, False
    says = (text, parent and parent.pk, handover, entry.pk if entry else story.pk)
    keys = draft_keys(key, author.pk if author else None)
    for own in [*keys, *(uuid5(one, repr(says)) for one in keys if one)]:
        note = Note(text=text, author=author, handover=handover, key=own, parent=parent)
        try:
            with transaction.atomic():
                return _insert(note, story, entry, by)
        except IntegrityError:
            earlier = Note.objects.filter(key=own, author=author).first()
            if earlier and says == _says(earlier):
                return earlier
    raise Refused(gettext("This note was not saved. Press the button again."))


def _says(note: Note) -> tuple[str, int | None, bool, int]:
    """Return the values that identify the form of a note."""
    about = note.entry_id or note.story_id
    return (note.text, note.parent_id, note.handover, about)


def _insert(note: Note, story: Story, entry: Entry | None, by: Permissions) -> Note:
    with open_ledger(story.pk, entry=entry) as ledger:
        by.check_has("add_entry")
        note.story = ledger.story(entry.story_id if entry else story.pk)
        note.entry = entry
        if entry:
            by.check_see(entry, note.story)
        if note.parent and not Note.objects.filter(pk=note.parent.pk).exists():
            raise Refused(gettext("The note that you answer has been deleted."))
        note.save(force_insert=True)
        Mention.objects.bulk_create(
            Mention(note=note, user=user) for user in _mentioned(note)
        )
        _changed(ledger, note)
    return note


def _changed(ledger: Ledger, note: Note) -> None:
    for story in ledger.stories.values():  # those that the entry is posted in, too
        ledger.notes_changed(story)
    if note.entry:
        ledger.row_changed(note.entry)


def _mentioned(note: Note) -> list[User]:
    """Return the colleagues that a note names, without its author.

    Only those who may use the desk and see what the note is about.
    """
    found = _named(note.text) if "@" in _comparable(note.text) else []
    return [
        user
        for user in found
        if user.pk != note.author_id
        and user.has_perm("entries.view_story")
        and (note.entry is None or Permissions.of(user).can_see(note.entry, note.story))
    ]


def _named(text: str) -> list[User]:
    """Return the active colleagues named with @name, each once.

    A name is a username, or a first, last or whole name that only one of them has.
    """
    staff = list(User.objects.filter(is_active=True, is_staff=True))
    by_name: dict[str, set[int]] = {}
    for user in staff:
        for name in {
            user.first_name,
            user.last_name,
            "".join(user.get_full_name().split()),
        }:
            if name:
                by_name.setdefault(_comparable(name), set()).add(user.pk)
    alone = {name: pks.pop() for name, pks in by_name.items() if len(pks) == 1}
    names = alone | {_comparable(user.username): user.pk for user in staff}
    wanted = {names[name] for name in _names_in(text) if name in names}
    return [user for user in staff if user.pk in wanted]


def _names_in(text: str) -> Iterator[str]:
    for typed in _MENTION.findall(_comparable(text)):
        name = "".join(takewhile(_is_in_name, typed)).rstrip(".@+-")
        yield name
        yield re.split(r"[.@+-]", name)[0]


def _is_in_name(letter: str) -> bool:
    is_mark = unicodedata.category(letter).startswith("M")  # as in “प्रिया”
    return letter.isalnum() or letter in "_.@+-" or is_mark


def _comparable(text: str) -> str:
    return fold(keyboard.as_ascii(text))


def set_note_done(
    note: Note,
    *,
    done: bool = True,
    author: User | None = None,
    by: Permissions = SYSTEM,
) -> Note:
    """Mark a note as done, or open it again; its replies follow it."""
    note = note.parent or note
    with open_ledger(note.story_id, entry=note.entry) as ledger:
        by.check_has("add_entry")
        _read_again(note, by)
        if bool(note.done_at) != done:
            note.done_at = timezone.now() if done else None
            note.done_by = author if done else None
            note.save(update_fields=["done_at", "done_by"])
            _changed(ledger, note)
    return note


def delete_note(note: Note, *, by: Permissions = SYSTEM) -> None:
    """Delete a note of one's own with its replies; who may erase deletes any."""
    with open_ledger(note.story_id, entry=note.entry) as ledger:
        _read_again(note, by)
        own = note.author_id is not None and note.author_id == by.user.pk
        by.check_has(*(["add_entry"] if own else []), "erase_entry")
        wiping.wipe_erased_text()
        _changed(ledger, note)
        note.delete()


def _read_again(note: Note, by: Permissions) -> None:
    """Refresh a note under its locks, and check that the person may see it."""
    row = Note.objects.filter(pk=note.pk).values("done_at", "story_id").first()
    if row is None or row["story_id"] != note.story_id:
        raise Refused(gettext("This note has been deleted."))
    note.done_at = row["done_at"]
    if note.entry:
        by.check_see(note.entry, note.entry.story)


def mark_mentions_read(notes: Iterable[Note], user: User) -> int:
    """Mark a person's mentions in some notes as read; return how many were not."""
    unread = Mention.objects.filter(note__in=notes, user=user, read_at=None)
    return unread.update(read_at=timezone.now())
