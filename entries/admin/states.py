"""The states of a story, changed by buttons."""

from collections.abc import Callable, Iterable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from entries import stories
from entries.admin.access import Rights, desk, desk_url, is_htmx
from entries.admin.answers import part
from entries.admin.records import record
from entries.ledger import Refused
from entries.models import Story

MOST_TARGETS = 30
TURNS: dict[str, tuple[Callable[[Story], Story], str]] = {
    "live": (stories.go_live, "The story is live."),
    "reopen": (stories.reopen, "The story is live again."),
    "withdraw": (stories.withdraw_story, "The story was withdrawn."),
    "restore": (stories.restore_story, "The story is back."),
}


def closing_targets(story: Story) -> Iterable[Story]:
    """Return the stories in which its coverage can go on; none while it cannot end."""
    if story.state != Story.State.LIVE:
        return []
    others = Story.objects.exclude(pk=story.pk).exclude(state=Story.State.WITHDRAWN)
    return others.select_related("series").newest()[:MOST_TARGETS]


@desk("change_story")
@require_POST
def change_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a story go live, close, reopen, be withdrawn or restored."""
    story = get_object_or_404(Story.objects.select_related("series"), pk=pk)
    rights = Rights.of(request.user)
    words, refused = "", ""
    try:
        words = _turn(story, request.POST.get("do", ""), request)
        record(rights.user, story, words)
    except Refused as error:
        refused = str(error)
    if is_htmx(request):
        context = {
            "story": story,
            "rights": rights,
            "words": words,
            "refused": refused,
            "closing_targets": closing_targets(story),
        }
        template = "admin/entries/desk/_state.html"
        return HttpResponse(
            part(request, "#story-state", template, context, "outerHTML")
        )
    level = messages.ERROR if refused else messages.SUCCESS
    messages.add_message(request, level, refused or words)
    return redirect(desk_url(story))


def _turn(story: Story, do: str, request: HttpRequest) -> str:
    """Change the state and return the sentence that says so."""
    if do == "close":
        number = request.POST.get("continues_in", "")
        target = None
        if number.isdecimal():
            target = Story.objects.filter(pk=int(number)).exclude(pk=story.pk).first()
        alone = target is None and "continues_in" in request.POST
        stories.close(story, continues_in=target, alone=alone)
        return "The story is closed."
    if do not in TURNS:
        raise Refused("There is no such button.")
    verb, words = TURNS[do]
    verb(story)
    return words
