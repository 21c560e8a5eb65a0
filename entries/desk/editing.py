"""The edit form of an entry, guarded by the version that its editor read."""

from dataclasses import replace
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.desk import conflicts, drafts, gone, images, lost_edits, see_lines
from entries.desk.access import desk_url, desk_view, get_story
from entries.desk.audit_log import EDITED, PUBLISHED, log_action, log_in_closed_stories
from entries.desk.conflicts import Choice
from entries.desk.entry_responses import (
    edit_response,
    errors_response,
    preview_response,
)
from entries.desk.forms import EditForm
from entries.desk.preview import render_preview
from entries.desk.responses import (
    is_htmx,
    render_partial,
    replace_response,
    respond,
    trigger,
)
from entries.desk.rows import Row, find_row, get_row, row_response
from entries.models import Draft, Entry
from entries.verbs import (
    EntryConflict,
    EntryText,
    Forbidden,
    Refused,
    StoryNotOpen,
    locked_entry,
)

_FOLDER = "admin/entries/desk"
# Why a correction is not saved, and a button that restores the update with it.
_RESTORE = '{} <button class="choice" name="restore" value="{}">{}</button>'
_STILL_HERE = gettext_lazy("Your text is still here.")


@desk_view("view_story")
def edit_entry(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Show an entry's form in its row, save it, or preview it."""
    if request.method == "POST":
        row = _row_to_save(request, pk, entry_pk)
        if row is None or not row.editable:
            return lost_edits.respond_to_edit(request, get_story(pk), entry_pk, row)
    else:
        row = get_row(request, pk, entry_pk)
        if not row.editable:
            raise PermissionDenied
        form = EditForm.of(row.entry)
        wanted = request.GET.get("kept", "")
        drafts.offer_drafts(row.permissions, row.posting.story, form, wanted=wanted)
        return _show(request, row, form)
    form = EditForm(request.POST, name=f"edit-{entry_pk}")
    action = request.POST.get("action")
    if not form.is_valid():
        return _redisplay(request, row, form)
    if action == "preview":
        return _preview(request, row, form)
    if not images.save_image_forms(request):
        return _redisplay(request, row, form)
    if action == "publish" and not row.permissions.can_publish:
        raise PermissionDenied
    return respond(
        request,
        lambda: _save(row, form, publish=action == "publish"),
        to=row,
        partial=lambda message: _saved(request, pk, row, form, message),
        refused=lambda error: _refuse(request, row, form, error),
    )


def _saved(
    request: HttpRequest, pk: int, row: Row, form: EditForm, message: str
) -> HttpResponse:
    """Return the row as it is now, or say which story it has moved to.

    The message is in the row only if it says more than that the text is saved.
    """
    if row.posting.story_id == pk:
        note = "" if message == gettext("Saved.") else message
        response = row_response(request, row, note)
    else:
        context = {"row": row, "story": row.entry.story}
        target, template = f"#row-{row.entry.pk}", f"{_FOLDER}/_moved.html"
        response = replace_response(request, target, template, context)
    return trigger(response, "desk:done", form=form.name)


def _row_to_save(request: HttpRequest, pk: int, entry_pk: int) -> Row | None:
    """Return the row of the text to save: here, or in the story it was moved to."""
    if gone.AT_ITS_STORY in (request.POST.get("way"), request.POST.get("restore")):
        moved = Entry.objects.filter(pk=entry_pk, postings__story=pk).first()
        return find_row(request, moved.story_id, entry_pk) if moved else None
    return find_row(request, pk, entry_pk)


@desk_view("view_story", "add_image")
def add_image_to_entry(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Add an image to the unsaved text, for browsers without JavaScript."""
    if request.method != "POST":
        return redirect(desk_url(pk, "edit", entry_pk))
    row = find_row(request, pk, entry_pk)
    if row is None or not row.editable:
        return lost_edits.respond_to_edit(request, get_story(pk), entry_pk, row)
    form = images.append_upload(request, EditForm, f"edit-{entry_pk}")
    return _show(request, row, form, 422 if form.form_error else 200)


def _save(row: Row, form: EditForm, *, publish: bool) -> str:
    """Save the text if it has changed, and publish the entry if asked to.

    After a conflict the user may have chosen this text, or a colleague's instead.
    """
    entry, data, permissions = row.entry, form.cleaned_data, row.permissions
    before = entry.body
    choice = Choice.parse(form.data.get("choice", ""))
    version = choice.version if choice.whose == "mine" else data["version"]
    images.check_images(permissions, data["body"])
    with locked_entry(entry):
        if choice == Choice("theirs", entry.version):
            Draft.objects.of_user(permissions.user, entry=entry).delete()
            return gettext("The current version is unchanged.")
        text = form.text(entry.byline)
        if form.data.get("restore") and entry.state == Entry.State.WITHDRAWN:
            verbs.restore(entry, by=permissions)
            log_action(permissions.user, entry, "Restored.")
        if data["correction"]:
            _check_correction(entry, form.data.get("way") or "yes")
        if data["correction"] or not _same_text(entry, text):
            try:
                verbs.edit(
                    entry,
                    text,
                    version=version,
                    author=permissions.user,
                    correction=data["correction"],
                    by=permissions,
                )
                log_action(permissions.user, entry, EDITED)
                done = "corrected" if data["correction"] else "edited"
                log_in_closed_stories(permissions.user, entry, row.elsewhere, done)
            except EntryConflict as conflict:
                # The same text was sent twice, and the first request succeeded.
                if not _same_text(conflict.entry, text):
                    raise
        if publish and not entry.published:
            verbs.publish(entry, version=entry.version, by=permissions)
            log_action(permissions.user, entry, PUBLISHED)
        Draft.objects.of_user(permissions.user, entry=entry).delete()
    see_lines.update_links(entry, before, by=permissions)
    return f"{gettext('Saved.')} {gone.unseen_message(entry)}".rstrip()


def _check_correction(entry: Entry, restore: str) -> None:
    """Refuse a correction that no reader would see: its note would be lost.

    `restore` is the value of the button that restores the update and saves it.
    """
    message = gone.unseen_message(entry)
    if message and entry.state == Entry.State.WITHDRAWN:
        button = gettext("Restore and save the correction")
        raise Refused(format_html(_RESTORE, message, restore, button), "correction")
    if message:
        hint = gettext("Restore it to publish the correction, or make a silent edit.")
        raise Refused(f"{message} {hint}", "correction")


def _same_text(entry: Entry, text: EntryText) -> bool:
    text, now = text.tidy(), EntryText.of(entry)
    return text in (now, replace(now, at=None))


def _refuse(
    request: HttpRequest, row: Row, form: EditForm, refused: Refused
) -> HttpResponse:
    if isinstance(refused, EntryConflict):
        return _conflict(request, row, form, refused.entry)
    story, entry_id = row.posting.story, row.entry.pk
    now = find_row(request, story.pk, entry_id)
    if now is None or now.entry.erased_at:
        return lost_edits.respond_to_edit(request, story, entry_id, now)
    if isinstance(refused, StoryNotOpen):
        story.refresh_from_db(fields=["state"])
        hint = gettext("Save the text without publishing it, or reopen the story.")
        form.refuse("", f"{gone.closed_message(story) or refused} {hint}")
    elif isinstance(refused, Forbidden):
        form.refuse("", f"{refused} {_STILL_HERE}")
    else:
        images.add_refusal(form, refused)
    return _redisplay(request, row, form)


def _show(
    request: HttpRequest, row: Row, form: EditForm, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the form for its row (htmx), or on a separate page."""
    context = {
        "story": row.posting.story,
        "permissions": row.permissions,
        "pictures": _cards(request, row, form),
        "elsewhere": row.elsewhere,
        **extra,
    }
    return edit_response(request, row.entry, form, context, status)


def _cards(request: HttpRequest, row: Row, form: EditForm) -> list[images.ImageForm]:
    """Return the image cards for the form's text."""
    if not row.permissions.can_upload:
        return []
    publishes = row.entry.published or request.POST.get("action") == "publish"
    body = str(form["body"].value() or "")
    return images.bound_cards(request, body, needed=publishes and form.is_bound)


def _redisplay(request: HttpRequest, row: Row, form: EditForm) -> HttpResponse:
    """Return the form with its values and errors."""
    if not is_htmx(request):
        return _show(request, row, form, 422)
    cards = _cards(request, row, form)
    return errors_response(request, row.posting.story, form, cards)


def _preview(request: HttpRequest, row: Row, form: EditForm) -> HttpResponse:
    images.save_image_forms(request)
    row.entry.story = row.posting.story
    marks = {"pinned": row.posting.pinned, "key_event": row.posting.key_event}
    preview = render_preview(
        row.permissions, row.posting.story, row.entry, form, **marks
    )
    if is_htmx(request):
        return preview_response(request, form, preview)
    return _show(request, row, form, preview=preview)


def _conflict(
    request: HttpRequest, row: Row, form: EditForm, theirs: Entry
) -> HttpResponse:
    """Offer both changes in one text if they do not overlap, otherwise both texts.

    Only a form that holds both changes gets the number of their version, so that
    nothing of theirs is overwritten unseen.
    """
    version, user = form.cleaned_data["version"], row.permissions.user
    text = form.text(theirs.byline)
    conflict = conflicts.entry_conflict(theirs, text, version, user)
    if not is_htmx(request):
        data = request.POST.copy()
        for name, value in conflict.merged().items():
            data[name] = value
        form = EditForm(data, name=form.name)
        return _show(request, row, form, 409, conflict=conflict)
    context = {"conflict": conflict, "form": form, "way": request.POST.get("way")}
    context["story"] = theirs.story
    target, template = f"#{form.name}-conflict", f"{_FOLDER}/_conflict.html"
    html = render_partial(request, target, template, context)
    return trigger(HttpResponse(html, status=409), "desk:conflict", form=form.name)
