"""Verbs for entries: post, publish, edit, submit, withdraw, mark, cross-post, move."""

from dataclasses import asdict, replace
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from entries.models import Draft, Entry, EntryVersion, Posting, Story
from entries.models.desk import draft_keys, entries_made_from
from entries.models.fields import max_length
from entries.pages import fragments
from entries.verbs.conditions import (
    EntryConflict,
    check_not_erased,
    check_not_removed,
    check_story_open,
    check_version,
    check_waiting,
)
from entries.verbs.entry_text import (
    EntryText,
    RenderedBody,
    apply_text,
    check_alt_texts,
    render_text,
    rerender_if_changed,
)
from entries.verbs.ledger import Ledger, Refused, act_on_due, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions

State = Entry.State


def post(
    story: Story,
    text: EntryText,
    *,
    author: User | None = None,
    kind: str = Entry.Kind.UPDATE,
    state: str = State.PUBLISHED,
    pinned: bool = False,
    key_event: bool = False,
    key: UUID | None = None,
    by: Permissions = SYSTEM,
) -> Entry:
    """Add an entry to a story and return it.

    A published text with a time in the future is scheduled for it. `key` identifies a
    form of the author: sent again with the same text, it returns the entry it created.
    Keys of other users' forms are ignored.

    Raises Refused for an invalid text or state, EntryConflict if the author has used
    the key for another text.
    """
    text = text.tidy()
    entry = Entry(story=story, kind=kind, author=author)
    posting = Posting(entry=entry, pinned=pinned, key_event=key_event)
    rendered = render_text(text, entry)
    for own in draft_keys(key, entry.author_id):
        entry.key = own
        try:
            with open_ledger(story.pk) as ledger:
                by.check_post(state)
                entry.story = posting.story = ledger.story(story.pk)
                rendered = rerender_if_changed(rendered, text, entry)
                _insert(ledger, posting, text, rendered, state)
                _delete_draft(author, key)
            break
        except (IntegrityError, Refused):
            if earlier := entries_made_from(author, [key]).get(key):
                _check_same(earlier, story, text)
                _delete_draft(author, key)
                return earlier
            if not Entry.objects.filter(key=own, key__isnull=False).exists():
                raise
    return entry


def _insert(
    ledger: Ledger,
    posting: Posting,
    text: EntryText,
    rendered: RenderedBody,
    state: str,
) -> None:
    """Insert a new entry and its posting into a locked story."""
    entry, story = posting.entry, posting.story
    if entry.original and _has_original(story):
        raise Refused(
            gettext("This story has its original entry already: edit that one.")
        )
    apply_text(entry, text, rendered)
    if state == State.PUBLISHED:
        check_story_open(story)
        check_alt_texts(rendered.images)
        entry.set_published()
    elif state == State.SUBMITTED:
        mark_submitted(entry)
    else:
        entry.state = state
        if state == State.SCHEDULED and not entry.at:
            raise Refused(gettext("Give the time to publish at."), "at")
    entry.save(force_insert=True)
    if rendered.images:
        entry.images.set(rendered.images)
    with fragments.without_links(entry):
        ledger.save_posting(posting)
    if posting.key_event and posting.visible:
        ledger.head_changed(story)


def _delete_draft(author: User | None, key: UUID | None) -> None:
    if key and author:
        Draft.objects.of_user(author, key=key).delete()


def _has_original(story: Story) -> bool:
    return story.entries.filter(kind=Entry.Kind.ORIGINAL).exists()


def _check_same(earlier: Entry, story: Story, text: EntryText) -> None:
    """Raise EntryConflict unless the form was sent again unchanged."""
    if not earlier.postings.filter(story=story).exists():
        raise EntryConflict(
            gettext("This form was sent before, in another story."), earlier
        )
    if replace(text, at=None) != replace(EntryText.of(earlier), at=None):
        raise EntryConflict(
            gettext("This form was sent before, with another text."), earlier
        )


def publish(
    entry: Entry, *, version: int | None = None, by: Permissions = SYSTEM
) -> Entry:
    """Publish a draft, submitted or scheduled entry: at its own time, or else now.

    `version` is the one the editor has read; None publishes the current one.
    """
    with open_ledger(entry=entry) as ledger:
        by.check_publish()
        check_waiting(entry)
        check_version(entry, version)
        check_story_open(ledger.story(entry.story_id))
        check_alt_texts(entry.images.all())
        entry.set_published()
        _save(ledger, entry)
    return entry


def edit(
    entry: Entry,
    text: EntryText,
    *,
    version: int,
    author: User | None = None,
    correction: str = "",
    changed_at: datetime | None = None,
    by: Permissions = SYSTEM,
) -> Entry:
    """Change the text or the time of an entry, in every story it is posted in.

    `version` is the one the editor has read. The previous text is saved as a version,
    with `correction`, a note for readers, which is discarded if the text was never
    visible. `changed_at` is the time of the edit, for imports.

    Raises EntryConflict if somebody else has edited the entry, Forbidden if the user
    may not change it (any more), Refused for an invalid text or time.
    """
    text = text.tidy()
    rendered = render_text(text, entry)
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        if entry.version != version:
            raise EntryConflict(
                gettext("Somebody else has changed this entry meanwhile."), entry
            )
        rendered = rerender_if_changed(rendered, text, entry)
        if entry.published_at or entry.state == State.SCHEDULED:
            check_alt_texts(rendered.images)
        # Its current time remains valid, even if the clock was set back.
        moved = text.at if entry.published_at and text.at != entry.at else None
        if moved and moved > timezone.now():
            raise Refused(
                gettext(
                    "A published update cannot move into the future: withdraw it, "
                    "or choose a time that has passed."
                ),
                "at",
            )
        note = correction.strip()
        if note and not (changed_at or entry.postings.visible().exists()):
            note = ""
        edited_at = changed_at or timezone.now()
        _save_version(entry, author, note, edited_at)
        apply_text(entry, text, rendered)
        entry.save()
        entry.images.set(rendered.images)
        ledger.save_postings_of(entry, edited_at if note else None)
    return entry


def _save_version(
    entry: Entry, author: User | None, note: str, changed_at: datetime
) -> None:
    EntryVersion.objects.create(
        entry=entry,
        number=entry.version,
        correction=note,
        changed_by=author,
        changed_at=changed_at,
        **asdict(EntryText.of(entry)),
    )
    entry.version += 1


def withdraw(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Withdraw an entry from every page; also set aside an unpublished one."""
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        if entry.state != State.WITHDRAWN:
            _set_state(ledger, entry, State.WITHDRAWN)
    return entry


def restore(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Restore a withdrawn entry: as published if it ever was, or else as a draft."""
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        state = State.PUBLISHED if entry.published_at else State.DRAFT
        if entry.state == state:
            return entry
        if entry.state != State.WITHDRAWN:
            raise Refused(gettext("This entry is not withdrawn."))
        _set_state(ledger, entry, state)
    return entry


def submit(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Submit a draft to the editors, who review and publish it."""
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        if entry.state == State.SUBMITTED:
            return entry
        if entry.state != State.DRAFT:
            raise Refused(gettext("Only a draft can be submitted."))
        mark_submitted(entry)
        _save(ledger, entry)
    return entry


def mark_submitted(entry: Entry) -> None:
    """Put an entry into the review queue.

    Every submission comes through here: drafts, new texts that are posted as submitted,
    and texts that are submitted again after an editor sent them back. An import does
    not: it restores a state. The entry is saved afterwards, under locks, so slow work
    belongs into `transaction.on_commit`.
    """
    entry.state, entry.sent_back = State.SUBMITTED, ""


def send_back(
    entry: Entry, note: str, *, version: int | None = None, by: Permissions = SYSTEM
) -> Entry:
    """Send a submitted text back to its author as a draft, with a note of one line.

    `version` is the one the editor has read; None sends back the current one.
    """
    note = " ".join(note.split())[: max_length(Entry, "sent_back")]
    if not note:
        raise Refused(gettext("Tell the writer in a line what is missing."), "line")
    with open_ledger(entry=entry) as ledger:
        by.check_edit()
        if entry.state != State.SUBMITTED:
            raise Refused(gettext("This text does not wait for an editor any more."))
        check_version(entry, version)
        entry.sent_back = note
        _set_state(ledger, entry, State.DRAFT)
    return entry


def unschedule(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Turn a scheduled or submitted entry back into a draft, keeping its time."""
    with open_ledger(entry=entry) as ledger:
        by.check_edit()
        check_waiting(entry)
        _set_state(ledger, entry, State.DRAFT)
    return entry


def take_over(entry: Entry, *, author: User, by: Permissions = SYSTEM) -> Entry:
    """Take over a colleague's draft, which stays visible to its first author.

    Raises Refused if it is no draft any more.
    """
    with open_ledger(entry=entry) as ledger:
        by.check_publish()
        check_not_erased(entry)
        if entry.state != State.DRAFT:
            raise Refused(gettext("This text is not a draft any more."))
        if entry.author_id == author.pk:
            return entry
        first = entry.taken_from_id or entry.author_id
        entry.taken_from_id = None if first == author.pk else first
        entry.author = author
        _save(ledger, entry)
    return entry


def _set_state(ledger: Ledger, entry: Entry, state: str) -> None:
    entry.state = state
    _save(ledger, entry)


def _save(ledger: Ledger, entry: Entry) -> None:
    entry.save()
    ledger.save_postings_of(entry)


def set_marks(
    posting: Posting,
    *,
    pinned: bool | None = None,
    key_event: bool | None = None,
    by: Permissions = SYSTEM,
) -> Posting:
    """Set the marks of an entry in one story; None leaves a mark unchanged."""
    entry = posting.entry
    with open_ledger(entry=entry) as ledger:
        by.check_edit()
        check_not_erased(entry)
        posting.refresh_from_db()
        check_not_removed(posting)
        before = (posting.pinned, posting.key_event)
        posting.pinned = posting.pinned if pinned is None else pinned
        posting.key_event = posting.key_event if key_event is None else key_event
        if before == (posting.pinned, posting.key_event):
            return posting
        posting.entry = entry
        ledger.save_posting(posting)
        if posting.key_event != before[1] and posting.visible:
            ledger.head_changed(posting.story)
    return posting


def cross_post(
    entry: Entry,
    story: Story,
    *,
    backdated: bool = False,
    by: Permissions = SYSTEM,
) -> Posting:
    """Post a published update in another story too. Repeating this is harmless.

    With `backdated`, it has been there since its own time, for imports.
    """
    with open_ledger(story.pk, entry=entry) as ledger:
        by.check_has("change_posting")
        _check_cross_postable(ledger, entry)
        check_story_open(ledger.story(story.pk))
        posting, _ = Posting.objects.get_or_create(
            entry=entry, story=ledger.story(story.pk)
        )
        if posting.removed:
            posting.removed = False
            posting.save()
        _save_cross_post(ledger, entry, posting, backdated=backdated)
    return Posting.objects.select_related("entry", "story").get(pk=posting.pk)


def _check_cross_postable(ledger: Ledger, entry: Entry) -> None:
    if entry.original or not entry.published:
        raise Refused(gettext("Only a published update can be cross-posted."))
    if not ledger.story(entry.story_id).begun:
        raise Refused(gettext("Readers cannot see the story that this update is from."))


def remove_cross_post(posting: Posting, *, by: Permissions = SYSTEM) -> None:
    """Remove a cross-post from one story."""
    entry = posting.entry
    with open_ledger(entry=entry) as ledger:
        by.check_has("change_posting")
        posting.refresh_from_db()
        if posting.story_id == entry.story_id:
            raise Refused(
                gettext("This is the update's own story: withdraw it or move it.")
            )
        if not posting.removed:
            posting.removed = True
            posting.save()
            _save_cross_post(ledger, entry, posting)


def restore_cross_post(posting: Posting, *, by: Permissions = SYSTEM) -> None:
    """Put a removed cross-post back with its marks, in closed stories too."""
    entry = posting.entry
    with open_ledger(entry=entry) as ledger:
        by.check_has("change_posting")
        posting.refresh_from_db()
        if posting.story_id == entry.story_id or not posting.removed:
            return
        _check_cross_postable(ledger, entry)
        posting.removed = False
        posting.save()
        _save_cross_post(ledger, entry, posting)


def _save_cross_post(
    ledger: Ledger, entry: Entry, posting: Posting, *, backdated: bool = False
) -> None:
    """Save a cross-post and, if its story has begun, the entry's other postings."""
    if ledger.story(posting.story_id).begun:
        ledger.save_postings_of(entry, backdated=backdated)
    else:
        posting.entry = entry
        ledger.save_posting(posting)
        ledger.row_changed(entry)  # the row in its own story lists the other stories


def move(entry: Entry, story: Story, *, by: Permissions = SYSTEM) -> Entry:
    """Move an update to another story; open pages of both are updated.

    Raises Refused if somebody else has moved it meanwhile.
    """
    home = entry.story_id
    with open_ledger(story.pk, entry=entry) as ledger:
        by.check_edit()
        check_not_erased(entry)
        if entry.original:
            raise Refused(gettext("An original entry stays with its story."))
        if entry.story_id == story.pk:
            return entry
        if entry.story_id != home:
            raise Refused(gettext("Somebody else has moved this update."))
        check_story_open(ledger.story(story.pk))
        old = entry.postings.get(story=entry.story_id)
        new, _ = Posting.objects.get_or_create(
            entry=entry,
            story=ledger.story(story.pk),
            defaults={"pinned": False, "key_event": old.key_event},
        )
        Posting.objects.filter(pk=new.pk).update(removed=False)
        Posting.objects.filter(pk=old.pk).update(removed=True)
        entry.story = ledger.story(story.pk)
        if entry.notes.update(story=story.pk):
            for pk in (home, story.pk):
                ledger.notes_changed(ledger.story(pk))
        _save(ledger, entry)
    return entry


def publish_due() -> int:
    """Publish scheduled entries that are due; return how many.

    The database's clock decides. Entries of draft or closed stories wait.
    """
    return act_on_due(due_entries().order_by("at", "pk"), _publish_due)


def due_entries() -> QuerySet[Entry]:
    """Return the scheduled entries of live stories that are due."""
    return Entry.objects.filter(
        state=State.SCHEDULED, at__lte=Now(), story__state=Story.State.LIVE
    )


def _publish_due(entry: Entry) -> bool:
    """Lock an entry, and publish it if it is still due."""
    with open_ledger(entry=entry) as ledger:
        due = due_entries().filter(pk=entry.pk).exists()
        if due:  # a picture that lacks alt text follows when it has it
            entry.published_at = timezone.now()
            _set_state(ledger, entry, State.PUBLISHED)
    return due
