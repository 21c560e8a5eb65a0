"""What the desk answers to htmx: parts of the page, and news for its script."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from entries.desk import timeline
from entries.desk.forms import EntryForm, TextForm
from entries.desk.images import ImageForm
from entries.desk.preview import Preview
from entries.models import Entry, Story
from entries.text import gmt, time_input
from entries.verbs import Permissions

State = Entry.State
_SLOTS = "admin/entries/desk/_slots.html"
_SURE = "admin/entries/desk/_sure.html"


def render_partial(
    request: HttpRequest,
    target: str,
    template: str,
    context: dict[str, Any],
    swap: str = "innerHTML",
) -> SafeString:
    """Return a template as the new content of one place of the page."""
    html = render_to_string(template, context, request)
    return format_html(
        '<hx-partial hx-target="{}" hx-swap="{}">{}</hx-partial>',
        target,
        swap,
        SafeString(html),
    )


def trigger(response: HttpResponse, event: str, **detail: object) -> HttpResponse:
    """Tell the page's script what has happened."""
    response["HX-Trigger"] = json.dumps({event: detail})
    return response


@dataclass(frozen=True)
class Posted:
    """A text that a form has made an entry of."""

    form: str
    entry: Entry
    story: Story
    permissions: Permissions

    @property
    def undoable(self) -> bool:
        """Whether it went to readers, or will."""
        gone = self.entry.state in (State.PUBLISHED, State.SCHEDULED)
        return gone and not self.entry.original

    @property
    def message(self) -> str:
        """Return what has become of it."""
        now = timezone.now()
        entry = self.entry
        if entry.state == State.SCHEDULED and entry.at:
            return f"Scheduled for {time_input.describe_moment(entry.at, now)}"
        if entry.state == State.DRAFT:
            return f"Draft kept {gmt.format_hhmm(now)}"
        if entry.state == State.SUBMITTED:
            return f"Submitted {gmt.format_hhmm(now)}: an editor publishes it"
        if not self.story.public:
            return f"Kept {now:%H%M:%S}: readers see it when the story goes live"
        return f"Published {entry.published_at or now:%H%M:%S}"


def posted_response(request: HttpRequest, posted: Posted) -> HttpResponse:
    """Answer the new row, and let the script empty the form."""
    entry = posted.entry
    found = timeline.row_postings(
        posted.story.pk, images="![" in entry.body, others=False
    )
    context = {
        "rows": timeline.as_rows(found.filter(entry=entry), posted.permissions),
        "slots": EntryForm(name=posted.form).slots,
        "posted": posted,
        "story": posted.story,
    }
    html = render_to_string("admin/entries/desk/_posted.html", context, request)
    response = HttpResponse(html)
    return trigger(response, "desk:done", form=posted.form, key=str(uuid4()))


def preview_response(
    request: HttpRequest, form: TextForm, preview: Preview
) -> HttpResponse:
    """Answer the preview, and that nothing is wrong (any more)."""
    html = render_to_string(_SLOTS, {"slots": form.slots})
    slot, template = f"#{form.name}-preview", "admin/entries/desk/_preview.html"
    return HttpResponse(
        html + render_partial(request, slot, template, {"preview": preview})
    )


def form_errors_response(
    request: HttpRequest,
    story: Story,
    form: TextForm,
    cards: Sequence[ImageForm],
    status: int = 422,
) -> HttpResponse:
    """Answer what is wrong, each sentence beside its field; what is typed stays."""
    html = render_to_string(_SLOTS, {"slots": form.slots})
    if cards:
        template = "admin/entries/desk/_pictures.html"
        slot = f"#{form.name}-pictures"
        context = {"pictures": cards, "story": story}
        html += render_partial(request, slot, template, context)
    if getattr(form, "asked", ""):
        html += render_partial(
            request, f"#{form.name}-sure", _SURE, {"form": form}, "outerHTML"
        )
    response = HttpResponse(html, status=status)
    return trigger(response, "desk:refused", form=form.name)
