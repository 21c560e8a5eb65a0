"""The desk of a story: its page, its composer, and what keeps it up to date."""

from typing import Any
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from entries import verbs
from entries.desk import (
    drafts,
    images,
    notices,
    presence,
    pulse,
    see_lines,
    summary,
    timeline,
)
from entries.desk.access import desk_url, desk_view, int_or_zero, is_htmx, text_response
from entries.desk.audit_log import ADDITION, log_action
from entries.desk.forms import EditForm, EntryForm
from entries.desk.preview import render_preview
from entries.desk.pulse import Pulse
from entries.desk.responses import (
    Posted,
    form_errors_response,
    posted_response,
    preview_response,
    render_partial,
    trigger,
)
from entries.models import Draft, Entry, Story
from entries.pages.history import diff_words
from entries.text import time_input
from entries.verbs import EntryConflict, Permissions, Refused

State = Entry.State
STATES = {
    "publish": State.PUBLISHED,
    "submit": State.SUBMITTED,
    "draft": State.DRAFT,
}


def get_story(pk: int) -> Story:
    """Return a story with what its desk shows of it, or answer 404."""
    return get_object_or_404(Story.objects.select_related("series"), pk=pk)


@desk_view("view_story")
def desk_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the desk of a story, or take what its composer sends."""
    story = get_story(pk)
    permissions = Permissions.of(request.user)
    if request.method == "POST":
        return _compose(request, story, permissions)
    forms = [EntryForm.empty(), EntryForm.empty("original")]
    box = summary.summary_form(story)
    wanted = request.GET.get("kept", "")
    drafts.offer_drafts(permissions, story, *forms, box, wanted=wanted)
    context = {"form": forms[0], "original_form": forms[1], "box": box}
    return _show(request, story, permissions, context)


def _show(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    extra: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Draw the whole page."""
    ticket = None if is_htmx(request) else presence.arrive(permissions, story.pk)
    # The pulse first: what changes while the rows are read comes with the next poll.
    present = pulse.current_pulse(story.pk)
    window = timeline.timeline_window(
        story, permissions, before=_id(request, "before"), start=_id(request, "from")
    )
    context = {
        **admin.site.each_context(request),
        "title": story.headline,
        "opts": Story._meta,
        "story": story,
        "permissions": permissions,
        "window": window,
        "pulse": present,
        "ticket": ticket,
        "colleagues": presence.colleagues(permissions, story.pk),
        "original_form": EntryForm.empty("original"),
        **extra,
    }
    return render(request, "admin/entries/desk/page.html", context, status=status)


def _id(request: HttpRequest, name: str) -> int:
    return int_or_zero(request.GET.get(name, ""))


def _compose(
    request: HttpRequest, story: Story, permissions: Permissions
) -> HttpResponse:
    """Publish, keep, submit or preview what was typed."""
    if not permissions.can_write:
        raise PermissionDenied
    original = request.POST.get("kind") == Entry.Kind.ORIGINAL
    form = EntryForm(request.POST, name="original" if original else "composer")
    do = request.POST.get("action", "publish")
    if not form.is_valid():
        return _again(request, story, permissions, form)
    kind = Entry.Kind.ORIGINAL if original else Entry.Kind.UPDATE
    entry = Entry(story=story, kind=kind, author=permissions.user)
    if do == "preview":
        return _preview(request, story, permissions, form, entry)
    if do not in STATES or (do == "publish" and not permissions.can_publish):
        raise PermissionDenied
    if not (images.save_image_forms(request) and _meant(form, story, do)):
        return _again(request, story, permissions, form)
    return _post(request, story, permissions, form, entry, STATES[do])


def _meant(form: EntryForm, story: Story, do: str) -> bool:
    """Ask once about a time that is hardly meant; False where it was asked now."""
    at = form.cleaned_data["at"]
    words = notices.time_question(story, at, timezone.now()) if do != "draft" else ""
    if not words or form.cleaned_data["sure"] == at.isoformat():
        return True
    form.asked = at.isoformat()
    form.refuse("at", words)
    return False


def _post(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    form: EntryForm,
    entry: Entry,
    state: str,
) -> HttpResponse:
    data, begun = form.cleaned_data, timezone.now()
    try:
        see_lines.check_images(permissions, data["body"])
        entry = verbs.post(
            story,
            form.text(),
            author=permissions.user,
            kind=entry.kind,
            state=state,
            pinned=data["pinned"] and permissions.can_edit,
            key_event=data["key_event"] and permissions.can_edit,
            key=data["separate"] or data["key"],
            by=permissions,
        )
    except EntryConflict as conflict:
        return _conflict(request, story, permissions, form, conflict)
    except Refused as refused:
        images.add_refusal(form, refused)
        return _again(request, story, permissions, form)
    see_lines.update_links(entry)
    if data["separate"]:
        Draft.objects.of_user(permissions.user, key=data["key"]).delete()
    if entry.created_at >= begun:  # not one that was sent before
        log_action(permissions.user, entry, f"Wrote it: {entry.state}.", ADDITION)
    posted = Posted(form.name, entry, story, permissions)
    if is_htmx(request):
        return posted_response(request, posted)
    messages.success(request, posted.message)
    return redirect(desk_url(story))


def _again(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    form: EntryForm,
    status: int = 422,
    **extra: Any,
) -> HttpResponse:
    """Give the form back with what was typed and what is wrong."""
    cards = _cards(request, permissions, form)
    if is_htmx(request) and not extra:
        return form_errors_response(request, story, form, cards, status)
    own = "original_form" if form.name == "original" else "form"
    fresh = {"form": EntryForm.empty()}
    context = {**fresh, own: form, "pictures": cards, **extra}
    return _show(request, story, permissions, context, status)


def _cards(
    request: HttpRequest, permissions: Permissions, form: EntryForm
) -> list[images.ImageForm]:
    """Return the cards of the pictures that a form's text shows."""
    if not permissions.can_upload:
        return []
    needed = request.POST.get("action", "publish") == "publish"
    body = form.data.get("body", "")
    return images.bound_cards(request, body, needed=needed)


def _conflict(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    form: EntryForm,
    conflict: EntryConflict,
) -> HttpResponse:
    """Show the text that this form made before beside the text it holds now."""
    entry, slot = conflict.entry, f"#{form.name}-conflict"
    if not permissions.can_see(entry, entry.story):
        raise PermissionDenied
    typed = {**request.POST.dict(), "version": entry.version, "how": EditForm.QUIET}
    context: dict[str, Any] = {
        "theirs": entry,
        "pieces": diff_words(entry.body, form.cleaned_data["body"]),
        "clash": EditForm(typed, name=f"edit-{entry.pk}")
        if permissions.can_change(entry) and entry.story_id == story.pk
        else None,
        "separate": uuid4(),
    }
    if is_htmx(request):
        template = "admin/entries/desk/_sent_before.html"
        context |= {"story": story, "form": form, "permissions": permissions}
        response = HttpResponse(
            render_partial(request, slot, template, context), status=409
        )
        return trigger(response, "desk:conflict", form=form.name)
    context |= {"sent_before": form.name}
    return _again(request, story, permissions, form, 409, **context)


def _preview(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    form: EntryForm,
    entry: Entry,
) -> HttpResponse:
    images.save_image_forms(request)
    data = form.cleaned_data
    marks = {name: data[name] for name in ("pinned", "key_event")}
    preview = render_preview(permissions, story, entry, form, **marks)
    if is_htmx(request):
        return preview_response(request, form, preview)
    own = "original_form" if form.name == "original" else "form"
    context = {
        "form": EntryForm.empty(),
        own: form,
        f"{form.name}_preview": preview,
        "pictures": _cards(request, permissions, form),
    }
    return _show(request, story, permissions, context)


@desk_view("view_story", "add_image")
def add_image_to_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a picture to a text without JavaScript, at an address of uploads."""
    if request.method != "POST":
        return redirect(desk_url(pk))
    permissions = Permissions.of(request.user)
    if not permissions.can_write:
        raise PermissionDenied
    original = request.POST.get("kind") == Entry.Kind.ORIGINAL
    name = "original" if original else "composer"
    form = images.append_upload(request, EntryForm, name)
    status = 422 if form.form_error else 200
    return _again(request, get_story(pk), permissions, form, status)


@require_safe
def poll(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Answer what has changed since a pulse; 204 where nothing has.

    Whoever holds the present pulse, which cannot be guessed, saw everything when
    they were let in: they are told "nothing new" in one query. Every few seconds
    the page says, in one more, what is being done there.
    """
    asked = request.GET
    known = "beat" not in asked or presence.beat(
        asked.get("me", ""), pk, asked.get("doing", "")
    )
    given = Pulse.parse(asked.get("have", ""))
    present = pulse.current_pulse(pk)
    if known and present is not None and present.same(given):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    return _changes(request, pk, given, present)


@desk_view("view_story")
def _changes(
    request: HttpRequest,
    pk: int,
    given: Pulse | None,
    present: Pulse | None,
) -> HttpResponse:
    story = get_story(pk)
    permissions = Permissions.of(request.user)
    if given is None or present is None:
        return text_response("Load this page again.", 400)
    since = given.known(present)
    changed = timeline.desk_changes(story, permissions, since, _id(request, "below"))
    # With the last part the page has what stood there when it asked for the first.
    began = Pulse.parse(request.GET.get("then", "")) or present
    context = {
        "story": story,
        "permissions": permissions,
        "pulse": given if changed.below else began,
        "then": began,
        "below": changed.below,
        "ticket": presence.renew_ticket(permissions, pk, request.GET.get("me", "")),
        "colleagues": presence.colleagues(permissions, pk),
        "rows": changed.rows,
        "gone": changed.gone,
        "restated": given.state != present.state,
        "retold": given.seq < story.head_seq,
    }
    return render(request, "admin/entries/desk/_changes.html", context)


@desk_view("view_story")
@require_safe
def time_hint(request: HttpRequest, pk: int) -> HttpResponse:
    """Say in words what a typed time means."""
    now = timezone.now()
    try:
        at = time_input.parse_time(request.GET.get("at", ""), now)
    except time_input.TimeError as error:
        return render(request, "admin/entries/desk/_echo.html", {"error": error})
    story = get_story(pk)
    early = at is not None and story.first_day and at.date() < story.first_day
    context = {"message": time_input.describe_time(at, now), "early": early}
    return render(request, "admin/entries/desk/_echo.html", context)
