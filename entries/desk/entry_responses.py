"""Responses of the composer and the edit form: errors, image cards, a preview."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext

from entries.desk.forms import TextForm
from entries.desk.images import ImageForm, deleted_images
from entries.desk.preview import Preview
from entries.desk.responses import render_panel, render_partial, trigger
from entries.models import Entry, Story

_EDIT = ("admin/entries/desk/_edit.html", "admin/entries/desk/edit_page.html")
_SLOTS = "admin/entries/desk/_slots.html"


def edit_response(
    request: HttpRequest,
    entry: Entry,
    form: TextForm,
    context: Mapping[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Return the edit form of an entry for its row (htmx), or on a separate page."""
    given = {"form": form, "edit_entry": entry, **context}
    title = gettext("Edit %(entry)s") % {"entry": entry.label}
    return render_panel(request, *_EDIT, given, title=title, status=status)


def errors_response(
    request: HttpRequest,
    story: Story,
    form: TextForm,
    cards: Sequence[ImageForm],
    status: int = 422,
) -> HttpResponse:
    """Return the errors and image cards for htmx, leaving the text in the page."""
    html = render_to_string(_SLOTS, {"slots": form.slots})
    if cards and not deleted_images(request):  # whose words are still in the page
        template = "admin/entries/desk/_pictures.html"
        context = {"pictures": cards, "story": story}
        html += render_partial(request, f"#{form.name}-pictures", template, context)
    if getattr(form, "asked", ""):
        target, template = f"#{form.name}-sure", "admin/entries/desk/_sure.html"
        html += render_partial(request, target, template, {"form": form}, "outerHTML")
    return trigger(HttpResponse(html, status=status), "desk:refused", form=form.name)


def preview_response(
    request: HttpRequest, form: TextForm, preview: Preview
) -> HttpResponse:
    """Return the preview for htmx, and clear earlier errors."""
    html = render_to_string(_SLOTS, {"slots": form.slots})
    target, template = f"#{form.name}-preview", "admin/entries/desk/_preview.html"
    html += render_partial(request, target, template, {"preview": preview})
    return HttpResponse(html)
