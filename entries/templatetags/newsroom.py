"""Template tags for the pages of the newsroom."""

import json
from typing import Any

from django import template
from django.apps import apps
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from entries.desk import images
from entries.desk.script_words import SCRIPT_MESSAGES, SCRIPT_PLURALS
from entries.models import Entry, Story, fields
from entries.text import script_words

register = template.Library()
MAX_SWITCH = 20
MIRRORED_ICONS = {"list", "open", "quote"}  # as lines of text, they have a direction


@register.simple_tag(name="max_length")
def column_length(model: str, field: str) -> int:
    """Return the maximum length of a model's field, for an input's `maxlength`."""
    return fields.max_length(apps.get_model("entries", model), field)


@register.simple_tag
def accepted_files() -> str:
    """Return the kinds of files that editors can upload, for `accept`."""
    return images.ACCEPTED_FILES


@register.simple_tag(name="script_words")
def desk_words() -> SafeString:
    """Render the messages and URLs that the desk's scripts need, as JSON."""
    words = script_words.script_words(SCRIPT_MESSAGES, SCRIPT_PLURALS)
    urls = {
        "sign_in": reverse("admin:login"),
        "emoji": static("vendor/emoji-en-US.json"),
    }
    content = json.dumps(words | {"urls": urls}, ensure_ascii=False)
    return format_html('<meta name="desk-words" content="{}">', content)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Render an icon of `icons.svg`, in the colour and size of the text around it."""
    sprite = static("entries/icons.svg")
    kind = "icon mirrored" if name in MIRRORED_ICONS else "icon"
    html = '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>'
    return format_html(html, kind, sprite, name)


@register.filter
def initials(name: str) -> str:
    """Return the initials of a name of several words, else its first two letters."""
    words = name.split()
    letters = words[0][0] + words[-1][0] if len(words) > 1 else name[:2]
    return letters.upper()


@register.simple_tag
def queue_summary(user: Any) -> dict[str, object] | None:
    """Return the label and length of a user's queue, or None if they have none.

    An editor's queue holds the submitted texts; a contributor's, those sent back.
    """
    if user.has_perm("entries.change_entry"):
        number = Entry.objects.filter(state=Entry.State.SUBMITTED).count()
        return {"number": number, "words": gettext("Review queue")}
    if user.has_perm("entries.add_entry"):
        drafts = Entry.objects.filter(author=user, state=Entry.State.DRAFT)
        number = drafts.exclude(sent_back="").count()
        return {
            "number": number,
            "words": gettext("Your texts"),
            "what": gettext("sent back"),
        }
    return None


@register.simple_tag
def story_switch(user: Any) -> list[Story]:
    """Return the live stories to switch to, the latest coverage first."""
    if not user.has_perm("entries.view_story"):
        return []
    return list(Story.objects.live().select_related("series").newest()[:MAX_SWITCH])
