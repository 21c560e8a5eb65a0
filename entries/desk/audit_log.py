"""The audit log: who did what at the desk, as Django's LogEntry rows.

Messages never quote a text, because they remain when the text is erased. They are saved
in English, by which they can be found, and translated when they are shown.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from entries.database import errors, wiping
from entries.models import Entry, Image, Link, Posting, Site, Story

__all__ = [
    "ADDITION",
    "CHANGE",
    "DELETION",
    "EDITED",
    "PUBLISHED",
    "created_by",
    "latest",
    "log_action",
    "log_cross_post",
    "log_in_closed_stories",
    "log_of_entry",
    "log_of_story",
    "log_of_user",
    "log_once",
    "rename_in_log",
    "target_label",
    "translated",
]

EDITED = "Changed the text."
PUBLISHED = "Published."
_ONCE_WITHIN = timedelta(minutes=10)

WROTE = {
    "draft": _("Wrote it: draft."),
    "submitted": _("Wrote it: submitted."),
    "scheduled": _("Wrote it: scheduled."),
    "published": _("Wrote it: published."),
}
# What the log says, to be translated; parts that are filled in are names and numbers.
LOG_MESSAGES = (
    _("Wrote it."),
    *WROTE.values(),
    _("Published."),
    _("Published from review."),
    _("Submitted."),
    _("Sent back."),
    _("Unscheduled."),
    _("Made a draft again."),
    _("Took over the draft."),
    _("Changed the text."),
    _("Corrected: %(correction)s"),
    _("Marked as a key event."),
    _("Took the key-event mark away."),
    _("Pinned."),
    _("Unpinned."),
    _("Withdrew."),
    _("Withdrew, just after publishing."),
    _("Restored."),
    _("Restored an earlier text."),
    _("Hid a correction."),
    _("Showed a correction."),
    _("Erased the text for good."),
    _("Erased an earlier text for good."),
    _("Deleted %(entry)s, which was never public."),
    _("Deleted a note."),
    _("Cross-posted to %(story)s."),
    _("Cross-posted here: %(entry)s."),
    _("Took the cross-post back from %(story)s."),
    _("Took back %(entry)s."),
    _("%(entry)s of %(story)s was corrected there."),
    _("%(entry)s of %(story)s was edited there."),
    _("%(entry)s of %(story)s was restored there."),
    _("%(entry)s of %(story)s was withdrawn there."),
    _("Moved here from %(story)s."),
    _("Moved %(entry)s to %(story)s."),
    _("Made from %(entry)s."),
    _("Made a story of its own: %(story)s."),
    _("Linked: link (%(kind)s) to %(target)s."),
    _("Linked both ways: link (%(kind)s) to %(target)s."),
    _("Saved: link (%(kind)s) to %(target)s."),
    _("Removed: link (%(kind)s) to %(target)s."),
    _("Moved up: link (%(kind)s) to %(target)s."),
    _("Moved down: link (%(kind)s) to %(target)s."),
    _("Ordered its links."),
    _("Said where a line leads: %(target)s."),
    _("Took the target of a line away."),
    _("Removed a line that led nowhere yet."),
    _("Removed a line that led to a draft story, which was deleted."),
    _("The story was made."),
    _("Made the story."),
    _("Changed %(fields)s."),
    _("The story is live."),
    _("The story stays live."),
    _("Story closed."),
    _("Story reopened."),
    _("Story withdrawn."),
    _("Story restored."),
    _("Announced: coverage begins %(moment)s."),
    _("Erased earlier words of the head for good."),
    _("Restored earlier words of the head."),
    _("Uploaded the file."),
    _("Changed its words."),
)
_PATTERNS = [
    (message, re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(message))))
    for message in LOG_MESSAGES
]
# What was done to a cross-post, in another story than its own.
_IN_STORY = re.compile(r"(?P<done>.+\.) In (?P<story>\S+)\.")

Loggable = Entry | Story | Image | Link | Site


def log_action(user: User, row: Loggable, message: str, flag: int = CHANGE) -> LogEntry:
    """Log what a user did to a row.

    The change has been saved by then, so on a full disk the log line is lost, instead
    of an error suggesting that nothing was saved.
    """
    line = LogEntry(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=_name(row),
        action_flag=flag,
        change_message=message,
    )
    with errors.optional_write():
        line.save()
    return line


def translated(message: str) -> str:
    """Return a message of the log in the language of the request."""
    for known, pattern in _PATTERNS:
        if found := pattern.fullmatch(message):
            return gettext(known) % found.groupdict()
    if there := _IN_STORY.fullmatch(message):
        where = gettext("In %(story)s.") % {"story": there["story"]}
        return f"{translated(there['done'])} {where}"
    return message


def log_once(user: User, row: Loggable, message: str) -> None:
    """Log an action that repeats while a user types, once in ten minutes at most."""
    recent = LogEntry.objects.filter(_about(row), user=user, change_message=message)
    if not recent.filter(action_time__gt=timezone.now() - _ONCE_WITHIN).exists():
        log_action(user, row, message)


def log_cross_post(user: User, entry: Entry, story: Story, *, removed: bool) -> None:
    """Log a cross-post or its removal, for both the entry and the story."""
    there = f"{entry.log_label} of {entry.story.slug}"
    if removed:
        log_action(user, entry, f"Took the cross-post back from {story.slug}.")
        log_action(user, story, f"Took back {there}.")
    else:
        log_action(user, entry, f"Cross-posted to {story.slug}.")
        log_action(user, story, f"Cross-posted here: {there}.")


def log_in_closed_stories(
    user: User, entry: Entry, cross_posts: Iterable[Posting], done: str
) -> None:
    """Log a change of an entry in the closed stories it is cross-posted to.

    Their editors no longer watch the desk, but find the change in the story's history.
    """
    for posting in cross_posts:
        if posting.story.state == Story.State.CLOSED:
            message = f"{entry.log_label} of {entry.story.slug} was {done} there."
            log_action(user, posting.story, message)


def target_label(link: Link) -> str:
    """Name the target of a link without quoting a title."""
    if link.target_story:
        return link.target_story.slug
    if link.target_series:
        return link.target_series.slug
    return urlsplit(link.target_url).hostname or "no known target"


def _name(row: Loggable) -> str:
    if isinstance(row, Story):
        return row.headline
    if isinstance(row, Entry):
        return f"{row.log_label} in {row.story.slug}"
    if isinstance(row, Link):
        return f"{row.get_kind_display()}, to {target_label(row)}"[:200]
    return row.name if isinstance(row, Image) else "Front page"


def _about(row: Loggable) -> Q:
    kind = ContentType.objects.get_for_model(row)
    return Q(content_type=kind, object_id=str(row.pk))


def _lines(about: Q) -> QuerySet[LogEntry]:
    found = LogEntry.objects.filter(about)
    return found.select_related("user").order_by("-action_time", "-pk")


def latest(row: Loggable, about: Q) -> LogEntry | None:
    """Return the newest line on a row, deleted or not, that meets a condition."""
    return _lines(_about(row) & about).first()


def log_of_entry(entry: Entry) -> QuerySet[LogEntry]:
    """Return the log of an entry, newest first, without edits, which are versions."""
    return _lines(_about(entry)).exclude(change_message=EDITED)


def log_of_story(story: Story) -> QuerySet[LogEntry]:
    """Return the log of a story and of the entries that belong to it, newest first."""
    ids = story.entries.annotate(name=Cast("pk", TextField())).values("name")
    kind = ContentType.objects.get_for_model(Entry)
    return _lines(_about(story) | Q(content_type=kind, object_id__in=ids))


def log_of_user(
    user: User, model: type[Model], message: str, since: datetime
) -> QuerySet[LogEntry]:
    """Return what a user has done to rows of a model since a time, newest first."""
    kind = ContentType.objects.get_for_model(model)
    about = Q(content_type=kind, user=user, change_message=message)
    return _lines(about & Q(action_time__gte=since))


def created_by(user: User, story: Story) -> bool:
    """Return whether a user created a story."""
    lines = LogEntry.objects.filter(_about(story), user=user, action_flag=ADDITION)
    return lines.exists()


def rename_in_log(row: Entry | Story, name: str) -> None:
    """Rename a row in the log after its text was erased."""
    LogEntry.objects.filter(_about(row)).update(object_repr=name)
    wiping.wipe_erased_text()
