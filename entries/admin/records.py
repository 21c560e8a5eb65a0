"""Who did what at the desk, in the log that Django's admin keeps."""

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from entries.models import Entry, Story

__all__ = [
    "ADDITION",
    "CHANGE",
    "EDITED",
    "forget",
    "of_entry",
    "of_story",
    "record",
]

EDITED = "Changed the text."


def record(user: User, row: Entry | Story, words: str, flag: int = CHANGE) -> None:
    """Write a line into the log. `words` never repeat a text: the log keeps them."""
    LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=_name(row),
        action_flag=flag,
        change_message=words,
    )


def _name(row: Entry | Story) -> str:
    if isinstance(row, Story):
        return row.headline
    return f"{row.label} in {row.story.slug}"


def _about(row: Entry | Story) -> Q:
    kind = ContentType.objects.get_for_model(row)
    return Q(content_type=kind, object_id=str(row.pk))


def _lines(about: Q) -> QuerySet[LogEntry]:
    found = LogEntry.objects.filter(about)
    return found.select_related("user").order_by("-action_time", "-pk")


def of_entry(entry: Entry) -> QuerySet[LogEntry]:
    """Return the lines about an entry, newest first; its versions tell of edits."""
    return _lines(_about(entry)).exclude(change_message=EDITED)


def of_story(story: Story) -> QuerySet[LogEntry]:
    """Return the lines about a story and the entries at home in it, newest first."""
    ids = story.entries.annotate(name=Cast("pk", TextField())).values("name")
    kind = ContentType.objects.get_for_model(Entry)
    return _lines(_about(story) | Q(content_type=kind, object_id__in=ids))


def forget(row: Entry | Story, name: str) -> None:
    """Let no line about a row name it by words that had to go."""
    LogEntry.objects.filter(_about(row)).update(object_repr=name)
