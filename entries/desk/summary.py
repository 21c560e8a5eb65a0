"""The summary box of a story, edited in place at its desk."""

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from entries import verbs
from entries.desk import conflicts
from entries.desk.access import desk_url, desk_view, get_story
from entries.desk.audit_log import log_action
from entries.desk.conflicts import Choice
from entries.desk.forms import TextForm
from entries.desk.responses import (
    is_htmx,
    render_page,
    render_partial,
    respond,
    trigger,
)
from entries.models import Draft, Story
from entries.text import rendering
from entries.verbs import Permissions, Refused

_NAME = "summary"


class SummaryForm(forms.Form):
    """The summary, and the version of the story's head that the editor has read."""

    body = forms.CharField(required=False, strip=False)
    version = forms.IntegerField(min_value=1)

    @property
    def typed(self) -> str:
        """Return the text, which pages of earlier releases send as `summary`."""
        return rendering.tidy(self.data.get("body", self.data.get("summary", "")))


@desk_view("change_story")
@require_POST
def save_summary(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the summary; show both versions if a colleague has changed it meanwhile."""
    story, permissions = get_story(pk), Permissions.of(request.user)
    form = SummaryForm(request.POST)

    def box(status: int = 200, **extra: object) -> HttpResponse:
        context = {"story": story, "permissions": permissions, **extra}
        if not is_htmx(request):
            template, title = "admin/entries/desk/summary_page.html", gettext("Summary")
            return render_page(request, template, context, title=title, status=status)
        target, template = "#summary-box", "admin/entries/desk/_summary.html"
        html = render_partial(request, target, template, context, "outerHTML")
        return HttpResponse(html, status=status)

    def refused(error: Refused) -> HttpResponse:
        story.refresh_from_db()
        if not isinstance(error, verbs.StoryConflict):
            return box(422, typed=form.typed, error=str(error))
        version, typed = form.cleaned_data["version"], form.typed
        user = permissions.user
        conflict = conflicts.story_conflict(story, {"summary": typed}, version, user)
        merged = conflict.merged({"summary": "body"})
        # Only a box that holds both changes gets the number of their version.
        return box(
            409,
            conflict=conflict,
            typed=merged.get("body", typed),
            version=merged.get("version", version),
            error=conflict.message,
        )

    return respond(
        request,
        lambda: _save(story, permissions, form),
        to=desk_url(story),
        partial=lambda message: trigger(box(saved=message), "desk:done", form=_NAME),
        refused=refused,
    )


def _save(story: Story, permissions: Permissions, form: SummaryForm) -> str:
    if "body" not in form.data or not form.is_valid():
        raise Refused(gettext("Read it again, and save it once more."))
    user = permissions.user
    choice = Choice.parse(form.data.get("choice", ""))
    version = form.cleaned_data["version"]
    with transaction.atomic():
        if choice.whose == "theirs":
            Draft.objects.filter(user=user, story=story, form=_NAME).delete()
            return gettext("The current version is unchanged.")
        verbs.edit_story(
            story,
            version=choice.version if choice.whose == "mine" else version,
            author=user,
            by=permissions,
            summary=form.typed,
        )
        Draft.objects.filter(user=user, story=story, form=_NAME).delete()
        log_action(user, story, "Changed summary.")
    return gettext("Saved.")


def summary_form(story: Story) -> TextForm:
    """Return the form of the summary, for offering unsent drafts."""
    form = TextForm(initial={"version": story.version}, name=_NAME)
    form.guard = "version"
    return form
