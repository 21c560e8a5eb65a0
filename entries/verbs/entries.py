"""The verbs that change an entry and tell the readers of every story it stands in."""

import logging
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from entries.models import Draft, Entry, EntryVersion, Posting, Story
from entries.models.desk import draft_keys, entries_made_from
from entries.pages import fragments
from entries.verbs.conditions import WAITING_STATES as WAITING_STATES
from entries.verbs.conditions import EntryConflict as EntryConflict
from entries.verbs.conditions import (
    check_not_erased,
    check_not_removed,
    check_story_open,
    check_version,
    check_waiting,
)
from entries.verbs.drafting import EntryText as EntryText
from entries.verbs.drafting import (
    RenderedBody,
    apply_text,
    check_alt_texts,
    render_text,
    rerender_if_changed,
)
from entries.verbs.ledger import Ledger, Refused, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions

logger = logging.getLogger(__name__)
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

    A published text whose time lies in the future is scheduled for it. `key` names
    one filled form of its author: sent again with the same text it returns the
    entry it made. The key of somebody else's form names nothing.

    Raises Refused with the sentence to show, Conflict where the author has used the
    key for another text.
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
                _insert(
                    ledger,
                    posting,
                    text,
                    rerender_if_changed(rendered, text, entry),
                    state,
                )
                _forget_draft(author, key)
            break
        except (IntegrityError, Refused):
            if earlier := entries_made_from(author, [key]).get(key):
                _check_same(earlier, story, text)
                _forget_draft(author, key)
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
    """Write a new entry and its posting into a story that is locked."""
    entry, story = posting.entry, posting.story
    if entry.original and _has_original(story):
        raise Refused("This story has its original entry already: edit that one.")
    apply_text(entry, text, rendered)
    if state == State.PUBLISHED:
        check_story_open(story)
        check_alt_texts(rendered.images)
        entry.set_published()
    else:
        entry.state = state
        if state == State.SCHEDULED and not entry.at:
            raise Refused("Give the time to publish at.", "at")
    entry.save(force_insert=True)
    if rendered.images:
        entry.images.set(rendered.images)
    with fragments.without_links(entry):
        ledger.save_posting(posting)
    if posting.key_event and posting.visible:
        ledger.head_changed(story)


def _forget_draft(author: User | None, key: UUID | None) -> None:
    if key and author:
        Draft.objects.of_user(author, key=key).delete()


def _has_original(story: Story) -> bool:
    return story.entries.filter(kind=Entry.Kind.ORIGINAL).exists()


def _check_same(earlier: Entry, story: Story, text: EntryText) -> None:
    """Raise Conflict unless a form was sent again just as it was before."""
    if not earlier.postings.filter(story=story).exists():
        raise EntryConflict("This form was sent before, in another story.", earlier)
    if (earlier.body, earlier.headline) != (text.body, text.headline):
        raise EntryConflict("This form was sent before, with another text.", earlier)


def publish(
    entry: Entry, *, version: int | None = None, by: Permissions = SYSTEM
) -> Entry:
    """Publish an entry that waited: at its own time, or now where it has none.

    `version` is the one that was read; None where nobody can have changed it since.
    """
    with open_ledger(entry=entry) as ledger:
        by.check_publish()
        check_waiting(entry)
        check_version(entry, version)
        check_story_open(ledger.story(entry.story_id))
        check_alt_texts(entry.images.all())
        entry.set_published()
        entry.save()
        ledger.save_postings_of(entry)
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
    """Change the words or the time of an entry, wherever it is posted.

    `version` is the one the editor began from; `correction` is the line for
    readers where the edit is one; it is dropped where no reader saw the text
    before, which is kept as a version. `changed_at` is when it was replaced, for
    texts that come from elsewhere.

    Raises Conflict where another edit came in between, Forbidden where its writer
    may not change it any more, Refused for a text or a time that cannot stand.
    """
    text = text.tidy()
    rendered = render_text(text, entry)
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        if entry.version != version:
            raise EntryConflict(
                "Somebody else has changed this entry meanwhile.", entry
            )
        rendered = rerender_if_changed(rendered, text, entry)
        if entry.published_at:  # one that was withdrawn may be restored as it is
            check_alt_texts(rendered.images)
            # A clock that was put back must not forbid the time that stands.
            if text.at and text.at != entry.at and text.at > timezone.now():
                raise Refused(
                    "A published update cannot move into the future: withdraw it, "
                    "or choose a time that has passed.",
                    "at",
                )
        line = correction.strip()
        if line and not (changed_at or entry.postings.visible().exists()):
            line = ""
        _keep_version(entry, author, line, changed_at)
        apply_text(entry, text, rendered)
        entry.save()
        entry.images.set(rendered.images)
        ledger.save_postings_of(entry)
    return entry


def _keep_version(
    entry: Entry, author: User | None, line: str, changed_at: datetime | None
) -> None:
    EntryVersion.objects.create(
        entry=entry,
        number=entry.version,
        at=entry.at,
        headline=entry.headline,
        body=entry.body,
        correction=line,
        changed_by=author,
        changed_at=changed_at or timezone.now(),
    )
    entry.version += 1


def withdraw(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Take an entry away from every page, or put aside one that waited."""
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        if entry.state != State.WITHDRAWN:
            _set_state(ledger, entry, State.WITHDRAWN)
    return entry


def restore(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Bring back a withdrawn entry: to its pages, or to the drafts it was among."""
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        state = State.PUBLISHED if entry.published_at else State.DRAFT
        if entry.state == state:
            return entry
        if entry.state != State.WITHDRAWN:
            raise Refused("This entry is not withdrawn.")
        _set_state(ledger, entry, state)
    return entry


def submit(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Hand a draft to the editors, who publish it."""
    with open_ledger(entry=entry) as ledger:
        check_not_erased(entry)
        by.check_change(entry)
        if entry.state not in (State.DRAFT, State.SUBMITTED):
            raise Refused("Only a draft can be submitted.")
        entry.sent_back = ""
        _set_state(ledger, entry, State.SUBMITTED)
    return entry


def send_back(
    entry: Entry, line: str, *, version: int | None = None, by: Permissions = SYSTEM
) -> Entry:
    """Give what was submitted back to its writer, with a line that says why.

    `version` is the one that was read; None where nobody can have changed it since.
    """
    line = " ".join(line.split())[:300]
    if not line:
        raise Refused("Tell the writer in a line what is missing.", "line")
    with open_ledger(entry=entry) as ledger:
        by.check_edit()
        if entry.state != State.SUBMITTED:
            raise Refused("This text does not wait for an editor any more.")
        check_version(entry, version)
        entry.sent_back = line
        _set_state(ledger, entry, State.DRAFT)
    return entry


def unschedule(entry: Entry, *, by: Permissions = SYSTEM) -> Entry:
    """Make a draft of what is scheduled or submitted; its time stays written in it."""
    with open_ledger(entry=entry) as ledger:
        by.check_edit()
        check_waiting(entry)
        _set_state(ledger, entry, State.DRAFT)
    return entry


def _set_state(ledger: Ledger, entry: Entry, state: str) -> None:
    entry.state = state
    entry.save()
    ledger.save_postings_of(entry)


def set_marks(
    posting: Posting,
    *,
    pinned: bool | None = None,
    key_event: bool | None = None,
    by: Permissions = SYSTEM,
) -> Posting:
    """Set the marks of an entry in one story; None leaves a mark as it is."""
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


def cross_post(entry: Entry, story: Story, *, by: Permissions = SYSTEM) -> Posting:
    """Stand a published update in a second story too; repeating it is harmless."""
    with open_ledger(story.pk, entry=entry) as ledger:
        by.check_has("change_posting")
        if entry.original or not entry.published:
            raise Refused("Only a published update can be cross-posted.")
        if not ledger.story(entry.story_id).public:
            raise Refused("Readers cannot see the story that this update is from.")
        check_story_open(ledger.story(story.pk))
        posting, _ = Posting.objects.get_or_create(
            entry=entry, story=ledger.story(story.pk)
        )
        if posting.removed:
            posting.removed = False
            posting.save()
        _post_crossed(ledger, entry, posting)
    return Posting.objects.select_related("entry", "story").get(pk=posting.pk)


def remove_cross_post(posting: Posting, *, by: Permissions = SYSTEM) -> None:
    """Take a cross-post out of the story it was posted in, and there alone."""
    entry = posting.entry
    with open_ledger(entry=entry) as ledger:
        by.check_has("change_posting")
        posting.refresh_from_db()
        if posting.story_id == entry.story_id:
            raise Refused("This is the update's own story: withdraw it or move it.")
        if not posting.removed:
            posting.removed = True
            posting.save()
            _post_crossed(ledger, entry, posting)


def _post_crossed(ledger: Ledger, entry: Entry, posting: Posting) -> None:
    """Tell of a cross-post; of one in a story that readers do not see, only there."""
    if ledger.story(posting.story_id).public:
        ledger.save_postings_of(entry)
    else:
        posting.entry = entry
        ledger.save_posting(posting)
        ledger.row_changed(entry)  # its row at home says where else it is


def move(entry: Entry, story: Story, *, by: Permissions = SYSTEM) -> Entry:
    """Move an update to the story it belongs in; readers of both see it.

    Raises Refused where somebody else has moved it to another one meanwhile.
    """
    home = entry.story_id
    with open_ledger(story.pk, entry=entry) as ledger:
        by.check_edit()
        check_not_erased(entry)
        if entry.original:
            raise Refused("An original entry stays with its story.")
        if entry.story_id == story.pk:
            return entry
        if entry.story_id != home:
            raise Refused("Somebody else has moved this update.")
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
        entry.save()
        ledger.save_postings_of(entry)
    return entry


def publish_due() -> int:
    """Publish what is scheduled and due by the database's clock; return how many.

    Any number of processes may call it: the state is asked again under the lock.
    Entries of draft or closed stories wait.
    """
    done = 0
    for entry in due_entries().order_by("at", "pk"):
        try:
            done += _publish_due(entry)
        except Exception:  # one that cannot be published holds back no other
            logger.exception("Entry %s was due and could not be published.", entry.pk)
    return done


def due_entries() -> QuerySet[Entry]:
    return Entry.objects.filter(
        state=State.SCHEDULED, at__lte=Now(), story__state=Story.State.LIVE
    )


def _publish_due(entry: Entry) -> bool:
    """Publish an entry that is due still, now that nobody else can change it."""
    with open_ledger(entry=entry) as ledger:
        due = due_entries().filter(pk=entry.pk).exists()
        if due:
            check_alt_texts(entry.images.all())
            entry.published_at = timezone.now()
            _set_state(ledger, entry, State.PUBLISHED)
    return due
