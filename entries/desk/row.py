"""What can be done with one entry in the timeline: edit, mark, publish, withdraw."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

from entries import verbs
from entries.desk import drafts, images, see_lines, timeline
from entries.desk.access import desk_url, desk_view, is_htmx, text_response
from entries.desk.audit_log import EDITED, log_action, log_cross_post
from entries.desk.forms import EditForm
from entries.desk.preview import render_preview
from entries.desk.responses import (
    form_errors_response,
    preview_response,
    render_partial,
    trigger,
)
from entries.desk.timeline import Row
from entries.models import Draft, Entry, Story
from entries.pages.history import diff_words
from entries.text import gmt
from entries.verbs import (
    NOT_ALLOWED,
    EntryConflict,
    EntryText,
    Forbidden,
    Permissions,
    Refused,
    locked_entry,
)

_FOLDER = "admin/entries/desk"
STILL_HERE = "Your text is still here."
EDIT, CONFLICT = f"{_FOLDER}/_edit.html", f"{_FOLDER}/_conflict.html"
VERSION = f"{_FOLDER}/_version.html"


def get_row(request: HttpRequest, pk: int, entry_pk: int) -> Row:
    """Return a row of a story that somebody may see, or answer 404."""
    permissions = Permissions.of(request.user)
    found = timeline.row_postings(pk).filter(entry=entry_pk, removed=False)
    rows = timeline.as_rows(found, permissions)
    if not rows or not rows[0].viewable:
        raise Http404
    return rows[0]


def _answer(request: HttpRequest, row: Row) -> HttpResponse:
    """Answer the row as it stands now."""
    story = row.posting.story
    if not is_htmx(request):
        return redirect(_address(row))
    rows = timeline.row_postings(story.pk).filter(entry=row.entry.pk)
    context: dict[str, Any] = {"story": story, "rows": [], "gone": []}
    for fresh in timeline.as_rows(rows, row.permissions):
        if fresh.posting.removed:
            context["gone"].append(fresh.entry.pk)
        else:
            context["rows"].append(fresh)
    html = render_to_string("admin/entries/desk/_rows.html", context, request)
    return HttpResponse(html)


def _address(row: Row) -> str:
    number = row.entry.pk
    page = f"?from={number}" if row.place == "timeline" else ""
    return f"{desk_url(row.posting.story)}{page}#row-{number}"


@desk_view("view_story")
def edit_entry(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Show an entry's form in its row, or save it."""
    row = get_row(request, pk, entry_pk)
    if not row.editable:
        return _refuse(request, row)
    if request.method != "POST":
        form = EditForm.of(row.entry)
        wanted = request.GET.get("kept", "")
        drafts.offer_drafts(row.permissions, row.posting.story, form, wanted=wanted)
        return _show(request, row, form)
    form = EditForm(request.POST, name=f"edit-{entry_pk}")
    if not form.is_valid():
        return _again(request, row, form)
    if request.POST.get("action") == "preview":
        return _preview(request, row, form)
    if not images.save_image_forms(request):
        return _again(request, row, form)
    before = row.entry.body
    try:
        see_lines.check_images(row.permissions, form.cleaned_data["body"])
        _save(row, form, publish=request.POST.get("action") == "publish")
    except EntryConflict as conflict:
        return _conflict(request, row, form, conflict.entry)
    except Forbidden as forbidden:
        form.refuse("", f"{forbidden} {STILL_HERE}")
        return _again(request, row, form)
    except Refused as refused:
        images.add_refusal(form, refused)
        return _again(request, row, form)
    see_lines.update_links(row.entry, before)
    return trigger(_answer(request, row), "desk:done", form=form.name)


@desk_view("view_story", "add_image")
def add_image_to_entry(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Add a picture to an entry's text without JavaScript; save nothing else."""
    row = get_row(request, pk, entry_pk)
    if not row.editable:
        raise PermissionDenied
    if request.method != "POST":
        return redirect(desk_url(pk, "edit", entry_pk))
    form = images.append_upload(request, EditForm, f"edit-{entry_pk}")
    return _show(request, row, form, 422 if form.form_error else 200)


def _refuse(request: HttpRequest, row: Row) -> HttpResponse:
    """Refuse an edit; tell a writer what has become of the text, and keep the edit."""
    words = row.permissions.refusal_message(row.entry)
    if request.method != "POST" or not row.posting.home or words == NOT_ALLOWED:
        raise PermissionDenied
    words = f"{words} {STILL_HERE}"
    if is_htmx(request):
        return text_response(words, 403)
    form = EditForm(request.POST, name=f"edit-{row.entry.pk}")
    form.refuse("", words)
    return _show(request, row, form, 403)


def _save(row: Row, form: EditForm, *, publish: bool) -> None:
    """Save the text, unless it stands there already, and publish it if asked."""
    if publish and not row.permissions.can_publish:
        raise PermissionDenied
    entry, data, permissions = row.entry, form.cleaned_data, row.permissions
    with locked_entry(entry):
        text = form.text(entry.byline)
        if not _same_text(entry, text) or data["correction"]:
            try:
                verbs.edit(
                    entry,
                    text,
                    version=data["version"],
                    author=permissions.user,
                    correction=data["correction"],
                    by=permissions,
                )
                log_action(permissions.user, entry, EDITED)
                _log_in_closed_stories(
                    row, "corrected" if data["correction"] else "edited"
                )
            except EntryConflict as conflict:
                # The same text sent twice: its first copy arrived after all.
                if not _same_text(conflict.entry, text):
                    raise
        if publish and not entry.published:
            verbs.publish(entry, version=entry.version, by=permissions)
            log_action(permissions.user, entry, DONE["publish"])
        Draft.objects.of_user(permissions.user, entry=entry).delete()


def _log_in_closed_stories(row: Row, done: str) -> None:
    """Write into the histories of ended stories that a text they show was changed.

    Their readers get corrections like all others; their editors, who are not at
    work on them any more, find there what was done and by whom.
    """
    for posting in row.elsewhere:
        if posting.story.state == Story.State.CLOSED:
            words = f"{row.entry.label} of {row.entry.story.title} was {done} there."
            log_action(row.permissions.user, posting.story, words)


def _same_text(entry: Entry, text: EntryText) -> bool:
    text = text.tidy()
    same_time = text.at is None or text.at == entry.at
    given = (text.body, text.headline, text.byline)
    return same_time and given == (entry.body, entry.headline, entry.byline)


def _show(
    request: HttpRequest, row: Row, form: EditForm, status: int = 200, **extra: Any
) -> HttpResponse:
    """Answer the form alone to htmx, on a page of its own to others."""
    context = {
        "form": form,
        "edit_entry": row.entry,
        "story": row.posting.story,
        "permissions": row.permissions,
        "pictures": _cards(request, row, form),
        "elsewhere": row.elsewhere,
        **extra,
    }
    if is_htmx(request):
        return render(request, EDIT, context, status=status)
    context |= admin.site.each_context(request)
    context |= {"title": f"Edit {row.entry.label}", "opts": Story._meta}
    return render(request, "admin/entries/desk/edit_page.html", context, status=status)


def _cards(request: HttpRequest, row: Row, form: EditForm) -> list[images.ImageForm]:
    """Return the cards of the pictures that a form's text shows."""
    if not row.permissions.can_upload:
        return []
    publishes = row.entry.published or request.POST.get("action") == "publish"
    body = str(form["body"].value() or "")
    return images.bound_cards(request, body, needed=publishes and form.is_bound)


def _again(request: HttpRequest, row: Row, form: EditForm) -> HttpResponse:
    if not is_htmx(request):
        return _show(request, row, form, 422)
    cards = _cards(request, row, form)
    return form_errors_response(request, row.posting.story, form, cards)


def _preview(request: HttpRequest, row: Row, form: EditForm) -> HttpResponse:
    images.save_image_forms(request)
    row.entry.story = row.posting.story
    marks = {"pinned": row.posting.pinned, "key_event": row.posting.key_event}
    preview = render_preview(
        row.permissions, row.posting.story, row.entry, form, **marks
    )
    if not is_htmx(request):
        return _show(request, row, form, preview=preview)
    return preview_response(request, form, preview)


def _conflict(
    request: HttpRequest, row: Row, form: EditForm, theirs: Entry
) -> HttpResponse:
    """Show both texts; the next save begins from the version that is there now."""
    data = request.POST.copy()
    data["version"] = str(theirs.version)
    pieces = diff_words(theirs.body, form.cleaned_data["body"])
    form = EditForm(data, name=form.name)
    context = {"theirs": theirs, "pieces": pieces, "form": form}
    if not is_htmx(request):
        return _show(request, row, form, 409, theirs=theirs, pieces=pieces)
    html = render_partial(request, f"#{form.name}-conflict", CONFLICT, context)
    html += render_partial(
        request, f"#{form.name}-version", VERSION, context, "outerHTML"
    )
    return trigger(HttpResponse(html, status=409), "desk:conflict", form=form.name)


Do = Callable[[Row], object]


def _mark(*, pinned: bool | None = None, key_event: bool | None = None) -> Do:
    return lambda row: verbs.set_marks(
        row.posting, pinned=pinned, key_event=key_event, by=row.permissions
    )


def _publish(row: Row) -> object:
    """Publish at the entry's own time; what was scheduled, now."""
    entry, version = row.entry, row.entry.version
    with locked_entry(entry):
        if entry.state == Entry.State.SCHEDULED and not row.late:
            now = EntryText(entry.body, entry.headline, gmt.this_minute(), entry.byline)
            author, by = row.permissions.user, row.permissions
            verbs.edit(entry, now, version=version, author=author, by=by)
            version = entry.version
        return verbs.publish(entry, version=version, by=row.permissions)


MARKS: dict[str, Do] = {
    "key": _mark(key_event=True),
    "unkey": _mark(key_event=False),
    "pin": _mark(pinned=True),
    "unpin": _mark(pinned=False),
}
STEPS: dict[str, Do] = {
    "publish": _publish,
    "submit": lambda row: verbs.submit(row.entry, by=row.permissions),
    "unschedule": lambda row: verbs.unschedule(row.entry, by=row.permissions),
    "withdraw": lambda row: verbs.withdraw(row.entry, by=row.permissions),
    "undo": lambda row: verbs.withdraw(row.entry, by=row.permissions),
    "restore": lambda row: verbs.restore(row.entry, by=row.permissions),
    "take_back": lambda row: verbs.remove_cross_post(row.posting, by=row.permissions),
}
ACTIONS = MARKS | STEPS
_PUT_DOWN = {"withdraw": "withdrawn", "undo": "withdrawn", "restore": "restored"}
DONE = {
    "key": "Marked as a key event.",
    "unkey": "Took the key-event mark away.",
    "pin": "Pinned.",
    "unpin": "Unpinned.",
    "publish": "Published.",
    "submit": "Submitted.",
    "unschedule": "Made a draft again.",
    "withdraw": "Withdrew.",
    "undo": "Withdrew, just after publishing.",
    "restore": "Restored.",
}


def _check_read(request: HttpRequest, row: Row) -> None:
    """Refuse to publish another text than the one that stood beside the button."""
    read = request.POST.get("version", "")
    if read and read != str(row.entry.version):
        raise Refused("Its writer has changed this text: read it again.")


def _allowed(row: Row, do: str) -> bool:
    """Whether somebody may press a button, be it offered at this moment or not."""
    if do == "take_back":
        return row.permissions.can_cross_post
    if do in ("withdraw", "undo", "restore", "submit"):
        return row.editable
    return row.permissions.can_edit and (row.posting.home or do in MARKS)


def _record(row: Row, do: str) -> None:
    user, posting = row.permissions.user, row.posting
    if do == "take_back":
        log_cross_post(user, row.entry, posting.story, back=True)
    else:
        where = "" if posting.home else f" In {posting.story.slug}."
        log_action(user, row.entry, DONE[do] + where)


@desk_view("view_story")
@require_POST
def row_action(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Do what a button of a row says, and answer the row.

    Each says what it wants the row to be, so that a double click is one.
    """
    row = get_row(request, pk, entry_pk)
    do = request.POST.get("do", "")
    if do not in ACTIONS:
        return text_response("There is no such button.", 400)
    if not _allowed(row, do):
        raise PermissionDenied
    before = row.state_key
    try:
        if do == "publish":
            _check_read(request, row)
        ACTIONS[do](row)
        if row.state_key != before:
            _record(row, do)
            if do in _PUT_DOWN:
                _log_in_closed_stories(row, _PUT_DOWN[do])
    except Refused as refused:
        if is_htmx(request):
            return text_response(str(refused), 409)
        messages.error(request, str(refused))
    response = _answer(request, row)
    return trigger(response, "desk:undone") if do == "undo" else response
