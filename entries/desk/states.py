"""The states of a story, changed by buttons."""

from typing import Any, Final, Protocol

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, int_or_zero, is_htmx
from entries.desk.audit_log import log_action
from entries.desk.responses import render_partial
from entries.models import Story
from entries.verbs import Permissions, Refused

_FOLDER = "admin/entries/desk"


class StateVerb(Protocol):
    """A verb that turns a story to another state."""

    def __call__(self, story: Story, *, by: Permissions) -> Story:
        """Do so under its locks."""


STATE_VERBS: Final[dict[str, tuple[StateVerb, str]]] = {
    "live": (verbs.go_live, "The story is live."),
    "reopen": (verbs.reopen_story, "The story is live again."),
    "withdraw": (verbs.withdraw_story, "The story was withdrawn."),
    "restore": (verbs.restore_story, "The story is back."),
}


@desk_view("change_story")
def change_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a story go live, close, reopen, be withdrawn or restored.

    Asked, or told to find, it offers stories in which the coverage can go on.
    """
    story = get_object_or_404(Story.objects.select_related("series"), pk=pk)
    if request.method != "POST" or request.POST.get("do") == "find":
        return _offer(request, story)
    permissions = Permissions.of(request.user)
    message, refused = "", ""
    try:
        message = _change(story, permissions, request)
        log_action(permissions.user, story, message)
    except Refused as error:
        refused = str(error)
    if is_htmx(request):
        context = {
            "story": story,
            "permissions": permissions,
            "message": message,
            "refused": refused,
        }
        template = f"{_FOLDER}/_state.html"
        return HttpResponse(
            render_partial(request, "#story-state", template, context, "outerHTML")
        )
    level = messages.ERROR if refused else messages.SUCCESS
    messages.add_message(request, level, refused or message)
    return redirect(desk_url(story))


def _offer(request: HttpRequest, story: Story) -> HttpResponse:
    """Answer the stories to choose from at closing; without scripts, as a page."""
    data = request.POST or request.GET
    query = data.get("q", "").strip()[:200]
    chosen = int_or_zero(data.get("continues_in", str(story.continues_in_id or "")))
    found = picker.suggest_open(query, [story.pk], _about(story))
    if chosen and chosen not in [other.pk for other in found]:
        kept = Story.objects.select_related("series").filter(pk=chosen)
        found = [*kept.exclude(pk=story.pk), *found]
    onward = {"q": query, "chosen": chosen, "found": found}
    context: dict[str, Any] = {"story": story, "onward": onward}
    if is_htmx(request):
        answer = render(request, f"{_FOLDER}/_continues.html", context)
        if request.method == "POST":
            answer["HX-Retarget"], answer["HX-Reswap"] = "#continues-found", "outerHTML"
        return answer
    context |= admin.site.each_context(request) | {"opts": Story._meta}
    context |= {"title": f"Close {story.headline}"}
    context["permissions"] = Permissions.of(request.user)
    return render(request, f"{_FOLDER}/closing_page.html", context)


def _about(story: Story) -> str:
    return f"{story.headline} {story.standfirst} {story.summary}"[:2000]


def _change(story: Story, permissions: Permissions, request: HttpRequest) -> str:
    """Change the state and return the sentence that says so."""
    do = request.POST.get("do", "")
    if do == "close":
        target, pk = None, int_or_zero(request.POST.get("continues_in", ""))
        if pk:
            target = Story.objects.filter(pk=pk).exclude(pk=story.pk).first()
            if target is None:
                raise Refused("The story to continue in is not there any more.")
        alone = target is None and "continues_in" in request.POST
        verbs.close_story(story, continues_in=target, alone=alone, by=permissions)
        return "The story is closed."
    if do not in STATE_VERBS:
        raise Refused("There is no such button.")
    verb, message = STATE_VERBS[do]
    verb(story, by=permissions)
    return message
