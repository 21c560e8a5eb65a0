"""Template tags for the newsroom's own pages."""

from typing import Any

from django import template
from django.apps import apps

from entries.models import Entry, Story, fields
from entries.pages import lists

register = template.Library()


@register.simple_tag
def max_length(model: str, field: str) -> int:
    """Return how many characters a column holds, for an input's `maxlength`."""
    return fields.max_length(apps.get_model("entries", model), field)


@register.simple_tag
def waiting_texts(user: Any) -> dict[str, object] | None:
    """Return what a person's queue holds: words and a number; None without one."""
    if user.has_perm("entries.change_entry"):
        number = Entry.objects.filter(state=Entry.State.SUBMITTED).count()
        return {"number": number, "words": "Submitted texts"}
    if user.has_perm("entries.add_entry"):
        own = Entry.objects.filter(author=user, state=Entry.State.DRAFT)
        number = own.exclude(sent_back="").count()
        return {"number": number, "words": "Your texts", "what": "sent back"}
    return None


@register.simple_tag
def running_stories(user: Any) -> list[Story]:
    """Return what runs, the latest news first, for those who may see a desk."""
    if not user.has_perm("entries.view_story"):
        return []
    return lists.live_stories(Story.objects.all())
