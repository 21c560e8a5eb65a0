"""Template tags for the pages of the newsroom."""

from typing import Any

from django import template
from django.apps import apps

from entries.models import Entry, Story, fields
from entries.pages import lists

register = template.Library()


@register.simple_tag
def max_length(model: str, field: str) -> int:
    """Return the maximum length of a model's field, for an input's `maxlength`."""
    return fields.max_length(apps.get_model("entries", model), field)


@register.simple_tag
def queue_summary(user: Any) -> dict[str, object] | None:
    """Return the label and length of a user's queue, or None if they have none.

    An editor's queue holds the submitted texts; a contributor's, those sent back.
    """
    if user.has_perm("entries.change_entry"):
        number = Entry.objects.filter(state=Entry.State.SUBMITTED).count()
        return {"number": number, "words": "Submitted texts"}
    if user.has_perm("entries.add_entry"):
        drafts = Entry.objects.filter(author=user, state=Entry.State.DRAFT)
        number = drafts.exclude(sent_back="").count()
        return {"number": number, "words": "Your texts", "what": "sent back"}
    return None


@register.simple_tag
def live_desks(user: Any) -> list[Story]:
    """Return the live stories, latest news first, if a user may see their desks."""
    if not user.has_perm("entries.view_story"):
        return []
    return lists.live_stories(Story.objects.all())
