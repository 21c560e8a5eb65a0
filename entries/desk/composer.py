"""The desk of a story: its page, and the composer in which updates are written.

The page has two forms for new entries: the composer, and one for the original entry.
Each form has a key, so that sending it twice creates one entry.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from entries import verbs
from entries.desk import (
    drafts,
    gone,
    images,
    notes,
    notices,
    presence,
    pulse,
    see_lines,
    summary,
    timeline,
)
from entries.desk.access import (
    desk_url,
    desk_view,
    get_story,
    int_or_zero,
    usual_byline,
)
from entries.desk.audit_log import ADDITION, WROTE, log_action
from entries.desk.entry_responses import errors_response, preview_response
from entries.desk.forms import ComposerForm, EditForm
from entries.desk.preview import render_preview
from entries.desk.responses import (
    is_htmx,
    render_page,
    render_partial,
    respond,
    trigger,
)
from entries.desk.rows import as_rows, row_postings
from entries.models import Audience, Draft, Entry, Story
from entries.pages.differences import diff_words
from entries.text import gmt, time_input, urls
from entries.verbs import EntryConflict, Permissions, Refused, StoryNotOpen

State = Entry.State
STATES = {
    "publish": State.PUBLISHED,
    "submit": State.SUBMITTED,
    "draft": State.DRAFT,
}
_CLOSED_HINT = gettext_lazy("Reopen it to publish, or save your text as a draft.")
_WITHDRAWN_HINT = gettext_lazy("Restore it to publish, or save your text as a draft.")
# A question about a time, and a button that sends the text with the coming one.
_COMING = '{} <button class="choice" name="coming" value="{}">{}</button>'


@desk_view("view_story")
def desk_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the desk of a story, or handle a form for a new entry."""
    story = get_story(pk)
    permissions = Permissions.of(request.user)
    if request.method == "POST":
        return _submitted_form(request, story, permissions).handle()
    byline = usual_byline(permissions.user)
    forms = [ComposerForm.empty(name, byline) for name in ("composer", "original")]
    box = summary.summary_form(story)
    wanted = request.GET.get("kept", "")
    drafts.offer_drafts(permissions, story, *forms, box, wanted=wanted)
    context = {"form": forms[0], "original_form": forms[1], "box": box}
    return _show(request, story, permissions, context)


@desk_view("view_story", "add_image")
def add_image_to_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an image to the text of a new entry, for browsers without JavaScript."""
    if request.method != "POST":
        return redirect(desk_url(pk))
    submitted = _submitted_form(request, get_story(pk), Permissions.of(request.user))
    submitted.form = images.append_upload(request, ComposerForm, submitted.form.name)
    return submitted.redisplay(422 if submitted.form.form_error else 200)


def _show(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    forms: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Render the desk's page with these forms."""
    ticket = (
        None if is_htmx(request) else presence.record_arrival(permissions, story.pk)
    )
    # Read before the rows, so that the next poll returns changes made in between.
    current = pulse.current_pulse(story.pk)
    before, start = (int_or_zero(request.GET.get(k, "")) for k in ("before", "from"))
    context = {
        "story": story,
        "permissions": permissions,
        "window": timeline.timeline_window(story, permissions, before, start),
        "pulse": current,
        "ticket": ticket,
        "readers": Audience.now()[story.pk],
        "colleagues": presence.colleagues(permissions, presence.pages_at(story.pk)),
        **notes.desk_context(story, permissions),
        **_empty_forms(permissions, forms),
        **forms,
    }
    template = "admin/entries/desk/page.html"
    return render_page(request, template, context, title=story.headline, status=status)


def _empty_forms(permissions: Permissions, given: Container[str]) -> dict[str, Any]:
    """Return the forms that are not among the given ones, unsent."""
    names = {"form": "composer", "original_form": "original"}
    missing = {key: name for key, name in names.items() if key not in given}
    byline = usual_byline(permissions.user) if missing else ""
    return {key: ComposerForm.empty(name, byline) for key, name in missing.items()}


@dataclass(frozen=True)
class Posted:
    """An entry created by a form, for the template that confirms it."""

    form: str
    entry: Entry
    story: Story

    @property
    def undoable(self) -> bool:
        """Whether to offer Undo: for updates that are published or scheduled."""
        out = self.entry.state in (State.PUBLISHED, State.SCHEDULED)
        return out and not self.entry.original

    @property
    def url(self) -> str:
        """Return the public URL, or "" if there is none."""
        public = self.entry.state == State.PUBLISHED and self.story.begun
        if self.entry.original or not public:
            return ""
        path = reverse("entry", args=[self.story.slug, self.entry.pk])
        return urls.absolute_url(path)

    @property
    def message(self) -> str:
        """Return the message that confirms what was done."""
        now, entry = timezone.now(), self.entry
        if entry.state == State.SCHEDULED and entry.at:
            words, time = (
                _("Scheduled for {time}"),
                time_input.describe_moment(entry.at, now),
            )
        elif entry.state == State.DRAFT:
            words, time = _("Draft saved {time}"), gmt.format_hhmm(now)
        elif entry.state == State.SUBMITTED:
            words = _("Submitted {time}. Waiting for an editor.")
            time = gmt.format_hhmm(now)
        elif not self.story.begun:
            words, time = _("Saved. It goes out when the story goes live."), ""
        else:
            words, time = (
                _("Published {time}"),
                gmt.format_hhmm(entry.published_at or now),
            )
        return words.format(time=time)


def post_text(
    permissions: Permissions, story: Story, form: ComposerForm, **options: Any
) -> Entry:
    """Create an entry from a form, with its links, and log it.

    A form that is sent again returns the entry that it created before.
    """
    begun = timezone.now()
    images.check_images(permissions, form.cleaned_data["body"])
    user, text = permissions.user, form.text()
    entry = verbs.post(story, text, author=user, by=permissions, **options)
    see_lines.update_links(entry, by=permissions)
    if entry.created_at >= begun:  # else the form was sent before
        log_action(user, entry, WROTE[entry.state], ADDITION)
    return entry


def _submitted_form(
    request: HttpRequest, story: Story, permissions: Permissions
) -> "_SubmittedForm":
    if not permissions.can_write:
        raise PermissionDenied
    original = request.POST.get("kind") == Entry.Kind.ORIGINAL
    form = ComposerForm(request.POST, name="original" if original else "composer")
    kind = Entry.Kind.ORIGINAL if original else Entry.Kind.UPDATE
    default = "publish" if permissions.can_publish else "submit"
    action = request.POST.get("action", default)
    return _SubmittedForm(request, story, permissions, form, kind, action)


@dataclass
class _SubmittedForm:
    """A submitted form for a new entry, and the responses to it."""

    request: HttpRequest
    story: Story
    permissions: Permissions
    form: ComposerForm
    kind: str
    action: str
    posted: Posted | None = None

    def handle(self) -> HttpResponse:
        """Publish, submit, save as a draft or preview the text."""
        if not self.form.is_valid():
            return self.redisplay()
        if self.action == "preview":
            return self._preview()
        publishes = self.action == "publish"
        if self.action not in STATES or (
            publishes and not self.permissions.can_publish
        ):
            raise PermissionDenied
        if not (images.save_image_forms(self.request) and self._time_confirmed()):
            return self.redisplay()
        return respond(
            self.request,
            self._post,
            to=desk_url(self.story),
            partial=lambda message: self._posted_response(),
            refused=self._refuse,
        )

    def _time_confirmed(self) -> bool:
        """Return whether the time is plausible, or was confirmed; else ask about it."""
        if self.action == "draft":
            return True
        at, now = self.form.cleaned_data["at"], timezone.now()
        publishes = self.action == "publish"
        question = notices.time_question(self.story, at, now, publishes=publishes)
        if not question or self.form.cleaned_data["sure"] == at.isoformat():
            return True
        self.form.asked = at.isoformat()
        coming = time_input.coming_time(self.form.data.get("at", ""), now)
        if coming:
            label = notices.coming_label(coming, now)
            question = format_html(_COMING, question, coming.isoformat(), label)
        self.form.refuse("at", question)
        return False

    def _post(self) -> str:
        data = self.form.cleaned_data
        if self.action == "draft":
            pending = self.request.POST.getlist("pending")
            images.reserve_pending(self.permissions, pending, data["body"])
        entry = post_text(
            self.permissions,
            self.story,
            self.form,
            kind=self.kind,
            state=STATES[self.action],
            pinned=data["pinned"] and self.permissions.can_edit,
            key_event=data["key_event"] and self.permissions.can_edit,
            key=data["separate"] or data["key"],
        )
        if data["separate"]:
            own = Draft.objects.of_user(self.permissions.user, key=data["key"])
            own.delete()
        self.posted = Posted(self.form.name, entry, self.story)
        return self.posted.message

    def _posted_response(self) -> HttpResponse:
        """Return the new row for htmx, and let the script clear the form."""
        assert self.posted  # noqa: S101 - confirmed only after posting
        entry = self.posted.entry
        found = row_postings(
            self.story.pk, images="![" in entry.body, others=False, notes=False
        )
        context = {
            "rows": as_rows(found.filter(entry=entry), self.permissions),
            "slots": ComposerForm(name=self.form.name).slots,
            "posted": self.posted,
            "story": self.story,
        }
        template = "admin/entries/desk/_posted.html"
        html = render_to_string(template, context, self.request)
        detail = {"form": self.form.name, "key": str(uuid4())}
        return trigger(HttpResponse(html), "desk:done", **detail)

    def _refuse(self, refused: Refused) -> HttpResponse:
        if isinstance(refused, EntryConflict):
            return self._conflict(refused.entry)
        if isinstance(refused, StoryNotOpen):
            self.story.refresh_from_db(fields=["state"])
            message = gone.closed_message(self.story) or str(refused)
            closed = self.story.state == Story.State.CLOSED
            hint = _CLOSED_HINT if closed else _WITHDRAWN_HINT
            self.form.refuse("", f"{message} {hint}")
        else:
            images.add_refusal(self.form, refused)
        return self.redisplay()

    def redisplay(self, status: int = 422, **extra: Any) -> HttpResponse:
        """Return the form with its values and errors."""
        if is_htmx(self.request) and not extra:
            cards = self._cards()
            return errors_response(self.request, self.story, self.form, cards, status)
        return self._page(status, **extra)

    def _page(self, status: int, **extra: Any) -> HttpResponse:
        name = "original_form" if self.form.name == "original" else "form"
        forms = {name: self.form, "pictures": self._cards(), **extra}
        return _show(self.request, self.story, self.permissions, forms, status)

    def _cards(self) -> list[images.ImageForm]:
        """Return the image cards for the text."""
        if not self.permissions.can_upload:
            return []
        body = self.form.data.get("body", "")
        return images.bound_cards(self.request, body, needed=self.action == "publish")

    def _conflict(self, entry: Entry) -> HttpResponse:
        """Show the entry that this form created earlier beside its current text."""
        form, permissions = self.form, self.permissions
        if not permissions.can_see(entry, entry.story):
            raise PermissionDenied
        editable = permissions.can_change(entry) and entry.story_id == self.story.pk
        typed = {**self.request.POST.dict(), "version": entry.version}
        typed["how"] = EditForm.QUIET
        context = {
            "theirs": entry,
            "pieces": diff_words(entry.body, form.cleaned_data["body"]),
            "clash": EditForm(typed, name=f"edit-{entry.pk}") if editable else None,
            "separate": uuid4(),
        }
        if not is_htmx(self.request):
            return self._page(409, sent_before=form.name, **context)
        context |= {"story": self.story, "form": form, "permissions": permissions}
        target, template = (
            f"#{form.name}-conflict",
            "admin/entries/desk/_sent_before.html",
        )
        html = render_partial(self.request, target, template, context)
        response = HttpResponse(html, status=409)
        return trigger(response, "desk:conflict", form=form.name)

    def _preview(self) -> HttpResponse:
        images.save_image_forms(self.request)
        data = self.form.cleaned_data
        marks = {name: data[name] for name in ("pinned", "key_event")}
        user = self.permissions.user
        entry = Entry(story=self.story, kind=self.kind, author=user)
        preview = render_preview(
            self.permissions, self.story, entry, self.form, **marks
        )
        if is_htmx(self.request):
            return preview_response(self.request, self.form, preview)
        return self._page(200, **{f"{self.form.name}_preview": preview})
