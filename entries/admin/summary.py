"""The summary box of a story, edited in place at its desk."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from entries import rendering, stories
from entries.admin.access import Rights, desk, desk_url, is_htmx
from entries.admin.answers import part
from entries.admin.records import record
from entries.history import difference
from entries.ledger import Refused
from entries.models import Story

BOX = "admin/entries/desk/_summary.html"


class SummaryForm(forms.Form):
    """The box, and the version of the story's words that its editor began from."""

    summary = forms.CharField(required=False, strip=False)
    version = forms.IntegerField(min_value=1)


@desk("change_story")
@require_POST
def save(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the box, unless somebody else has changed it meanwhile: show both then."""
    story = get_object_or_404(Story.objects.select_related("series"), pk=pk)
    rights = Rights.of(request.user)
    form = SummaryForm(request.POST)
    context: dict[str, object] = {"rights": rights}
    status = 200
    if form.is_valid():
        typed = rendering.tidy(form.cleaned_data["summary"])
        try:
            stories.edit_story(
                story,
                version=form.cleaned_data["version"],
                author=rights.user,
                summary=typed,
            )
            record(rights.user, story, "Changed summary.")
            context["saved"] = "Saved."
        except Refused as refused:
            story = Story.objects.select_related("series").get(pk=pk)
            status = 409 if isinstance(refused, stories.Changed) else 422
            context |= {"typed": typed, "error": str(refused)}
            if status == 409:
                context["pieces"] = difference(story.summary, typed)
    if is_htmx(request):
        context |= {"story": story}
        box = part(request, "#summary-box", BOX, context, "outerHTML")
        return HttpResponse(box, status=status)
    if status == 200:
        return redirect(desk_url(story))
    # A page of its own: what was typed stands in it, as in that of an entry.
    context |= {**admin.site.each_context(request), "story": story}
    context |= {"title": "Summary box", "opts": Story._meta}
    page = "admin/entries/desk/summary_page.html"
    return render(request, page, context, status=status)
