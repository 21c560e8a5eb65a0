"""Edits of texts that were deleted, erased, moved or published meanwhile.

The form keeps what was typed, and has a button that saves it as a new draft, or in the
story that the text is in now.
"""

from typing import Any
from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from entries.desk import gone, images
from entries.desk.access import desk_url
from entries.desk.composer import post_text
from entries.desk.entry_responses import edit_response, errors_response
from entries.desk.forms import ComposerForm, EditForm, TextForm
from entries.desk.gone import Reason
from entries.desk.responses import (
    is_htmx,
    render_partial,
    respond,
    trigger,
)
from entries.desk.rows import Row, as_rows, find_row, row_postings
from entries.models import Draft, Entry, Story
from entries.verbs import NOT_ALLOWED, EntryConflict, Permissions, Refused

_FOLDER = "admin/entries/desk"


def respond_to_edit(
    request: HttpRequest, story: Story, entry_id: int, row: Row | None
) -> HttpResponse:
    """Say what happened to the text of an edit, or save the edit as a new draft.

    `row` is the one of the text, if the user still sees it in the story.
    """
    permissions = Permissions.of(request.user)
    entry = row.entry if row else None
    if row and not row.posting.home:
        raise PermissionDenied
    if not (permissions.can_write or permissions.can_edit):
        raise PermissionDenied
    version = request.POST.get("version", "")
    found = gone.of_edit(permissions, story, entry_id, entry, version)
    if found.message == str(NOT_ALLOWED):
        raise PermissionDenied
    lost = _LostEdit(request, story, permissions, entry_id, entry, found)
    wanted = request.POST.get("way") == gone.NEW_DRAFT == found.way
    return lost.save_as_draft() if wanted else lost.offer()


class _LostEdit:
    """A form that edits a text which cannot be edited any more."""

    def __init__(
        self,
        request: HttpRequest,
        story: Story,
        permissions: Permissions,
        entry_id: int,
        entry: Entry | None,
        found: Reason,
    ) -> None:
        self.request, self.story, self.permissions = request, story, permissions
        self.entry_id, self.entry, self.gone = entry_id, entry, found
        self.name = f"edit-{entry_id}"
        self.form = ComposerForm(request.POST, name=self.name)
        self.key = self._sent_key() or found.key

    def _sent_key(self) -> UUID | None:
        try:
            return UUID(self.request.POST.get("separate", ""))
        except ValueError:
            return None

    def offer(self, message: str = "", status: int = 0) -> HttpResponse:
        """Say what happened, and offer what can be done with the text."""
        status = status or self.gone.status
        form = EditForm(self.request.POST, name=self.name)
        context: dict[str, Any] = {
            "gone": self.gone,
            "message": message or self.gone.message,
            "key": self.key or "",
        }
        if not is_htmx(self.request):
            return self._page(form, status, **context)
        context["form"] = form
        target, template = f"#{self.name}-conflict", f"{_FOLDER}/_lost_edit.html"
        html = render_partial(self.request, target, template, context)
        detail = {"form": self.name, "key": str(self.key or "")}
        return trigger(HttpResponse(html, status=status), "desk:gone", **detail)

    def _page(self, form: TextForm, status: int, **extra: Any) -> HttpResponse:
        """Show the form on a page of its own, with everything that was typed."""
        entry = self.entry or Entry(pk=self.entry_id, story=self.story)
        context = {"story": self.story, "permissions": self.permissions, **extra}
        context["pictures"] = self._cards()
        return edit_response(self.request, entry, form, context, status)

    def _cards(self) -> list[images.ImageForm]:
        if not self.permissions.can_upload:
            return []
        return images.bound_cards(self.request, self.form.data.get("body", ""))

    def save_as_draft(self) -> HttpResponse:
        """Save the text as a new draft of the story, once however often it is sent."""
        if not (self.form.is_valid() and images.save_image_forms(self.request)):
            return self._redisplay()
        made: list[Entry] = []
        return respond(
            self.request,
            lambda: self._post(made),
            to=desk_url(self.story),
            partial=lambda message: self._saved(made[0], message),
            refused=self._refuse,
        )

    def _post(self, made: list[Entry]) -> str:
        user = self.permissions.user
        Draft.objects.filter(user=user, entry=self.entry_id).become_new_texts()
        state, key = Entry.State.DRAFT, self.key
        entry = post_text(self.permissions, self.story, self.form, state=state, key=key)
        Draft.objects.of_user(user, key=self.gone.key).delete()
        made.append(entry)
        saved, note = gettext("Saved as a new draft."), self._correction()
        if not note:
            return saved
        return gettext("%(saved)s Your correction note: “%(note)s”") % {
            "saved": saved,
            "note": note,
        }

    def _correction(self) -> str:
        """Return the typed correction note, which a draft has no place for."""
        return " ".join(self.request.POST.get("correction", "").split())

    def _saved(self, draft: Entry, message: str) -> HttpResponse:
        """Return the row of the new draft, and what is left of the old one."""
        found = row_postings(self.story.pk).filter(entry=draft)
        old = find_row(self.request, self.story.pk, self.entry_id)
        context = {
            "story": self.story,
            "rows": [*as_rows(found, self.permissions), *([old] if old else [])],
            "gone": [] if old else [self.entry_id],
            "note": message,
        }
        response = render(self.request, f"{_FOLDER}/_rows.html", context)
        new = f"row-{draft.pk}"
        return trigger(response, "desk:done", form=self.name, row=new)

    def _refuse(self, refused: Refused) -> HttpResponse:
        if isinstance(refused, EntryConflict):
            self.key = uuid4()
            message = gettext("This form was saved as a draft before, with other text.")
            return self.offer(message, 409)
        images.add_refusal(self.form, refused)
        return self._redisplay()

    def _redisplay(self) -> HttpResponse:
        if is_htmx(self.request):
            return errors_response(self.request, self.story, self.form, self._cards())
        context = {"gone": self.gone, "message": self.gone.message, "key": self.key}
        return self._page(self.form, 422, **context)
