"""The summary box of a story, edited in place at its desk."""

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from entries import verbs
from entries.desk.access import desk_url, desk_view, is_htmx
from entries.desk.audit_log import log_action
from entries.desk.forms import TextForm
from entries.desk.responses import render_partial, trigger
from entries.models import Draft, Story
from entries.pages.history import diff_words
from entries.text import rendering
from entries.verbs import Permissions, Refused

_NAME = "summary"
_BOX = "admin/entries/desk/_summary.html"


class SummaryForm(forms.Form):
    """The box, and the version of the story's words that its editor began from."""

    body = forms.CharField(required=False, strip=False)
    version = forms.IntegerField(min_value=1)


@desk_view("change_story")
@require_POST
def save_summary(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the box, unless somebody else has changed it meanwhile: show both then."""
    story = get_object_or_404(Story.objects.select_related("series"), pk=pk)
    permissions = Permissions.of(request.user)
    form = SummaryForm(request.POST)
    context: dict[str, object] = {"permissions": permissions}
    status = 200
    if "body" not in request.POST or not form.is_valid():
        # From a page that was open before its form was another one.
        typed = request.POST.get("body", request.POST.get("summary", ""))
        context |= {"typed": typed, "error": "Read it again, and save it once more."}
        status = 422
    else:
        typed = rendering.tidy(form.cleaned_data["body"])
        try:
            _save(story, permissions, typed, form.cleaned_data["version"])
            context["saved"] = "Saved."
        except Refused as refused:
            story = Story.objects.select_related("series").get(pk=pk)
            status = 409 if isinstance(refused, verbs.StoryConflict) else 422
            context |= {"typed": typed, "error": str(refused)}
            if status == 409:
                context["pieces"] = diff_words(story.summary, typed)
    if is_htmx(request):
        context |= {"story": story}
        box = render_partial(request, "#summary-box", _BOX, context, "outerHTML")
        response = HttpResponse(box, status=status)
        return response if status > 200 else trigger(response, "desk:done", form=_NAME)
    if status == 200:
        return redirect(desk_url(story))
    # A page of its own: what was typed stands in it, as in that of an entry.
    context |= {**admin.site.each_context(request), "story": story}
    context |= {"title": "Summary box"}
    context["opts"] = Story._meta
    page = "admin/entries/desk/summary_page.html"
    return render(request, page, context, status=status)


def _save(story: Story, permissions: Permissions, typed: str, version: int) -> None:
    with transaction.atomic():
        verbs.edit_story(
            story,
            version=version,
            author=permissions.user,
            by=permissions,
            summary=typed,
        )
        Draft.objects.filter(user=permissions.user, story=story, form=_NAME).delete()
        log_action(permissions.user, story, "Changed summary.")


def summary_form(story: Story) -> TextForm:
    """Return the box's form, for texts that were typed into it and never sent."""
    form = TextForm(initial={"version": story.version}, name=_NAME)
    form.guard = "version"
    return form
