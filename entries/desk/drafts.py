"""Drafts of forms: texts saved on the server while their writer types them."""

import json
from contextlib import nullcontext
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from entries.desk import gone
from entries.desk.access import desk_view, get_story
from entries.desk.forms import TextForm
from entries.desk.responses import text_response
from entries.models import Draft, Entry, Posting, Story
from entries.models.desk import copy_keys, entries_made_from
from entries.models.fields import max_length
from entries.verbs import NOT_ALLOWED, Permissions

MAX_OFFERED = 10  # newest drafts of a form
MAX_DRAFT_LENGTH = 200_000  # a draft may exceed the limit of the text itself
_TEXT_FIELDS = ("at", "headline", "body", "byline", "how", "correction")
_CHECKBOXES = ("key_event", "pinned")


class DraftForm(forms.Form):
    """The fields of any form of the desk, without its validation."""

    form = forms.RegexField(r"^(composer|original|summary|edit-\d{1,18})$")
    key = forms.CharField(max_length=max_length(Draft, "key"))
    typed = forms.IntegerField(min_value=0, max_value=2**53)
    key_event = forms.BooleanField(required=False)
    pinned = forms.BooleanField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _TEXT_FIELDS:
            self.fields[name] = forms.CharField(
                required=False, strip=False, max_length=MAX_DRAFT_LENGTH
            )

    def values(self) -> dict[str, Any]:
        """Return the fields that have a value, for restoring the form."""
        given = {
            name: self.cleaned_data[name] for name in (*_TEXT_FIELDS, *_CHECKBOXES)
        }
        return {name: value for name, value in given.items() if value not in ("", None)}


@desk_view("view_story")
@require_POST
def save_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the draft of a form; delete it if the form was emptied."""
    permissions = Permissions.of(request.user)
    form = DraftForm(request.POST)
    if not form.is_valid():
        return text_response(
            gettext("This text is too long to be kept while you type."), 422
        )
    data = form.cleaned_data
    own = {"user": permissions.user, "story_id": pk, "form": data["form"]}
    own["key"] = data["key"]
    if request.POST.get("forget"):
        Draft.objects.filter(**own).delete()
        return HttpResponse(status=204)
    if data["form"] == "composer" and (erased := _erased(permissions, pk, data["key"])):
        return text_response(gone.erased_message(erased), 410)
    edits = data["form"].startswith("edit-")
    # Under the entry's lock, so that no draft survives the erasure of its text.
    with transaction.atomic() if edits else nullcontext():
        try:
            entry = _entry_of(permissions, pk, data["form"])
        except _Lost as lost:
            return _save_lost(permissions, pk, form, lost)
        _save(Draft(**own, entry=entry, values=form.values(), typed=data["typed"]))
    return HttpResponse(status=204)


def _erased(permissions: Permissions, story_id: int, key: str) -> Entry | None:
    """Return the erased entry that a new text was copied from, if there is one."""
    found = Entry.objects.filter(postings__story=story_id).exclude(erased_at=None)
    user = permissions.user.pk
    return next((entry for entry in found if key in copy_keys(user, entry)), None)


def _save(draft: Draft) -> None:
    Draft.objects.bulk_create(
        [draft],
        update_conflicts=True,
        unique_fields=["user", "story", "form", "key"],
        update_fields=["values", "typed", "saved_at"],
    )


class _Lost(Exception):
    """The text that a form edits is gone, or its writer may no longer change it.

    `entry` is that text, None if they may not see it.
    """

    def __init__(self, entry_id: int, entry: Entry | None = None) -> None:
        super().__init__()
        self.entry_id, self.entry = entry_id, entry


def _save_lost(
    permissions: Permissions, story_id: int, form: DraftForm, lost: _Lost
) -> HttpResponse:
    """Save an edit as the draft of a new text, and say why.

    `Desk-Key` names the new text. The server saves nothing that may repeat a text that
    was erased, and nothing for a text that the user may never have seen.
    """
    story, data = get_story(story_id), form.cleaned_data
    found = gone.of_edit(permissions, story, lost.entry_id, lost.entry, data["key"])
    if not permissions.can_write:
        raise PermissionDenied
    response = text_response(f"{found.message} {found.hint}", found.status)
    may_know = found.status != 404 or permissions.can_view_unpublished
    if found.key and may_know and not (lost.entry and lost.entry.erased_at):
        user = permissions.user
        Draft.objects.filter(user=user, entry=lost.entry_id).become_new_texts()
        own = {"user": user, "story": story, "form": "composer"}
        values, typed = form.values(), data["typed"]
        _save(Draft(**own, key=str(found.key), values=values, typed=typed))
        response["Desk-Key"] = str(found.key)
    return response


def _entry_of(permissions: Permissions, story_id: int, name: str) -> Entry | None:
    """Lock and return the entry that a form edits; None for other forms.

    The entry may have been moved to another story. Raises PermissionDenied or Http404
    if the user may not use the form, _Lost if there is no such entry, which is also
    what they learn of one that they may not see.
    """
    if not name.startswith("edit-"):
        get_object_or_404(Story.objects.only("pk"), pk=story_id)
        if not (
            permissions.can_edit_stories if name == "summary" else permissions.can_write
        ):
            raise PermissionDenied
        return None
    rows = Entry.objects.select_for_update(of=("self",)).select_related("story")
    posted = Exists(Posting.objects.filter(story=story_id, entry=OuterRef("pk")))
    entry = rows.filter(posted, pk=int(name[5:])).first()
    if entry is None or not permissions.can_see(entry, entry.story):
        raise _Lost(int(name[5:]))
    if entry.erased_at:
        raise _Lost(entry.pk, entry)
    if not permissions.can_change(entry):
        if permissions.refusal_message(entry) == str(NOT_ALLOWED):
            raise PermissionDenied
        raise _Lost(entry.pk, entry)
    return entry


def offer_drafts(
    permissions: Permissions, story: Story, *targets: TextForm, wanted: str = ""
) -> None:
    """Offer the user's unsent drafts in the forms they belong to.

    `wanted` is the key of a draft to restore, for browsers without JavaScript.
    """
    here = Q(story=story) | Q(entry__isnull=False)  # an entry may have been moved
    names = [form.name for form in targets]
    saved = Draft.objects.filter(here, user=permissions.user, form__in=names)
    unsent = _unsent(permissions.user, list(saved))
    for form in targets:
        own = [draft for draft in unsent if draft.form == form.name][:MAX_OFFERED]
        if found := next((draft for draft in own if draft.key == wanted), None):
            form.restore_draft(found.key, found.values)
            own.remove(found)
        form.offers = own
        form.kept = json.dumps([_draft_data(draft) for draft in own]) if own else ""


def _unsent(user: User, drafts: list[Draft]) -> list[Draft]:
    """Leave out drafts whose form was sent, which a late request may have saved."""
    sent = entries_made_from(user, {draft.key for draft in drafts})
    return [draft for draft in drafts if not _was_sent(draft, sent.get(draft.key))]


def _was_sent(draft: Draft, entry: Entry | None) -> bool:
    if entry is None:
        return False
    same = draft.values.get("body", "").strip() == entry.body.strip()
    return same or draft.saved_at < entry.created_at


def _draft_data(draft: Draft) -> dict[str, Any]:
    return {"key": draft.key, "typed": draft.typed, "values": draft.values}
