"""Explain what happened to an entry or a story while somebody was typing.

In the meantime a draft may have been deleted, a text erased, withdrawn or moved, or a
story closed or deleted. The response to a form says who did that and when, and what can
be done with the typed text, which stays in the form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from entries.desk import audit_log
from entries.models import DeletedEntry, Entry, Image, Story, StorySlug
from entries.models.desk import copy_key
from entries.text import time_input
from entries.verbs import Permissions

NEW_DRAFT: Final = "new_draft"
AT_ITS_STORY: Final = "at_its_story"


@dataclass(frozen=True)
class Reason:
    """Why an edit cannot be saved, and what can be done with it instead.

    `way` is NEW_DRAFT (save it as a new draft), AT_ITS_STORY (save it in the story that
    the entry was moved to) or empty. `key` identifies the new draft. `status` is the
    status of the response.
    """

    message: str
    status: int
    hint: str
    way: str = ""
    key: UUID | None = None


def of_edit(
    permissions: Permissions,
    story: Story,
    entry_id: int,
    entry: Entry | None,
    version: str,
) -> Reason:
    """Explain why an edit cannot be saved; `entry` is None if it is not in the story.

    The key of the new draft is the same for each attempt, so that it is created once.
    """
    hint = gettext("Your text is still here.")
    if entry is None and (moved := _moved(permissions, story.pk, entry_id)):
        message = _moved_message(moved, _line_of_move(moved, story.pk))
        return Reason(message, 409, hint, AT_ITS_STORY)
    if entry and entry.erased_at:
        message, status = erased_message(entry), 410
        hint = gettext("Your text is still here. Leave out what was erased.")
    elif entry:
        message, status = permissions.refusal_message(entry), 403
    else:
        message, status = of_entry(permissions, story.pk, entry_id)
    if not permissions.can_write:
        return Reason(message, status, hint)
    key = copy_key(permissions.user.pk, entry_id, version[:20])
    return Reason(message, status, hint, NEW_DRAFT, key)


def of_entry(permissions: Permissions, story_id: int, entry_id: int) -> tuple[str, int]:
    """Explain why a text is not in a story, with the status of the response.

    Nobody learns that there was a text which they were not allowed to see.
    """
    if moved := _moved(permissions, story_id, entry_id):
        if line := _line_of_move(moved, story_id):
            return _moved_message(moved, line), 409
        return gettext("This update is not in this story any more."), 409
    deleted = DeletedEntry.objects.filter(story=story_id, entry_pk=entry_id)
    entry = Entry(pk=entry_id)
    wrote = Q(action_flag=ADDITION, user=permissions.user)
    known = permissions.can_view_unpublished or audit_log.latest(entry, wrote)
    if not (known and deleted.exists()):
        return gettext("This text is no longer here."), 404
    message = _said(
        audit_log.latest(entry, Q(action_flag=DELETION)),
        gettext("This draft was deleted by %(name)s at %(time)s."),
        gettext("This draft was deleted."),
    )
    return message, 410


def _moved(permissions: Permissions, story_id: int, entry_id: int) -> Entry | None:
    """Return a text that was moved away from a story, if the user may change it.

    Or one whose cross-post there was removed; only the log tells the two apart.
    """
    found = Entry.objects.filter(pk=entry_id, postings__story=story_id)
    entry = found.exclude(story=story_id).select_related("story__series").first()
    if entry is None or not permissions.can_see(entry, entry.story):
        return None
    return entry if permissions.can_change(entry) else None


def _line_of_move(entry: Entry, story_id: int) -> LogEntry | None:
    """Return the line in the log about moving an entry away from a story."""
    slugs = StorySlug.objects.filter(story=story_id).values_list("slug", flat=True)
    logged = [f"Moved here from {slug}." for slug in slugs]
    return audit_log.latest(entry, Q(change_message__in=logged))


def _moved_message(entry: Entry, line: LogEntry | None) -> str:
    return _said(
        line,
        gettext("%(name)s moved this update to %(story)s at %(time)s."),
        gettext("This update was moved to %(story)s."),
        story=entry.story.title,
    )


def _said(line: LogEntry | None, known: str, unknown: str, **more: str) -> str:
    """Fill in a message with who did something and when, if the log knows."""
    if line is None:
        return unknown % more if more else unknown
    name = line.user.get_full_name() or line.user.get_username()
    time = time_input.describe_moment(line.action_time, timezone.now())
    return known % {"name": name, "time": time, **more}


def deleted_message(line: LogEntry | None) -> str:
    """Say who has deleted something, and when, by the line in the log."""
    return _said(
        line,
        gettext("This was deleted by %(name)s at %(time)s."),
        gettext("This is no longer here."),
    )


def erased_message(entry: Entry) -> str:
    """Say who has erased a text, and when."""
    return _said(
        audit_log.latest(entry, Q(change_message__startswith="Erased the text")),
        gettext("This text was erased for good by %(name)s at %(time)s."),
        gettext("This text was erased for good."),
    )


def withdrawn_message(entry: Entry) -> str:
    """Say who has withdrawn an entry, and when."""
    return _said(
        audit_log.latest(entry, Q(change_message__startswith="Withdrew")),
        gettext("This update was withdrawn by %(name)s at %(time)s."),
        gettext("This update is withdrawn."),
    )


def not_there_message(entry: Entry) -> str:
    """Say why readers do not see an entry that was withdrawn or erased."""
    return erased_message(entry) if entry.erased_at else withdrawn_message(entry)


def unseen_message(entry: Entry) -> str:
    """Say why readers who have seen an entry do not see it now; empty if they do.

    A correction would not reach them, and its note would be lost.
    """
    seen = entry.postings.exclude(seq=None).exists()
    if not seen or entry.postings.visible().exists():
        return ""
    if entry.state == Entry.State.WITHDRAWN:
        return not_there_message(entry)
    return closed_message(entry.story)


def closed_message(story: Story) -> str:
    """Say who has closed or withdrawn a story, and when; empty if it is neither."""
    if story.state == Story.State.CLOSED:
        logged = ["Story closed.", gettext("Story closed.")]
        known = gettext("This story was closed by %(name)s at %(time)s.")
        unknown = gettext("This story is closed.")
    elif story.state == Story.State.WITHDRAWN:
        logged = ["Story withdrawn.", gettext("Story withdrawn.")]
        known = gettext("This story was withdrawn by %(name)s at %(time)s.")
        unknown = gettext("This story is withdrawn.")
    else:
        return ""
    line = audit_log.latest(story, Q(change_message__in=logged))
    return _said(line, known, unknown)


def explain(permissions: Permissions, where: Mapping[str, Any]) -> tuple[str, int]:
    """Explain why there is nothing at an address, by the numbers in it.

    Return the message and the status of the response.
    """
    story, entry, image = (where.get(k) for k in ("pk", "entry_pk", "image_pk"))
    if story and not Story.objects.filter(pk=story).exists():
        return _deleted(
            Story(pk=story),
            gettext("This story was deleted by %(name)s at %(time)s."),
        )
    if entry:
        return of_entry(permissions, story or 0, entry)
    if image:
        return _deleted(
            Image(pk=image),
            gettext(
                "This picture was deleted by %(name)s at %(time)s. Upload it again to "
                "use it."
            ),
        )
    return gettext("This is no longer here."), 404


def _deleted(row: Story | Image, known: str) -> tuple[str, int]:
    line = audit_log.latest(row, Q(action_flag=DELETION))
    return _said(line, known, gettext("This is no longer here.")), 410 if line else 404
