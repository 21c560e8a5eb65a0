"""The states of a story: go live, close, reopen, withdraw, restore."""

from typing import Any, Final, Protocol

from django.http import HttpRequest, HttpResponse

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, get_story, int_or_zero
from entries.desk.audit_log import log_action
from entries.desk.responses import is_htmx, render_panel, replace_response, respond
from entries.models import Story
from entries.verbs import Permissions, Refused

_FOLDER = "admin/entries/desk"


class StateVerb(Protocol):
    """A verb that changes the state of a story."""

    def __call__(self, story: Story, *, by: Permissions) -> Story: ...


STATE_VERBS: Final[dict[str, tuple[StateVerb, str]]] = {
    "live": (verbs.go_live, "The story is live."),
    "reopen": (verbs.reopen_story, "The story is live again."),
    "withdraw": (verbs.withdraw_story, "The story was withdrawn."),
    "restore": (verbs.restore_story, "The story is back."),
}


@desk_view("change_story")
def change_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a story's state, or offer stories that coverage can continue in."""
    story = get_story(pk)
    if request.method != "POST" or request.POST.get("do") == "find":
        return _offer_continuations(request, story)
    permissions = Permissions.of(request.user)

    def state_response(**outcome: str) -> HttpResponse:
        context = {"story": story, "permissions": permissions, **outcome}
        target, template = "#story-state", f"{_FOLDER}/_state.html"
        return replace_response(request, target, template, context)

    return respond(
        request,
        lambda: _change(story, permissions, request),
        to=desk_url(story),
        partial=lambda message: state_response(message=message),
        refused=lambda error: (
            state_response(refused=str(error)) if is_htmx(request) else None
        ),
    )


def _offer_continuations(request: HttpRequest, story: Story) -> HttpResponse:
    """Offer stories to continue in, when closing a story."""
    data = request.POST or request.GET
    query = picker.typed_query(request)
    chosen = int_or_zero(data.get("continues_in", str(story.continues_in_id or "")))
    about = f"{story.headline} {story.standfirst} {story.summary}"
    found = picker.suggest_open(query, [story.pk], about)
    if chosen and chosen not in [other.pk for other in found]:
        previous = Story.objects.select_related("series").filter(pk=chosen)
        found = [*previous.exclude(pk=story.pk), *found]
    context: dict[str, Any] = {
        "story": story,
        "permissions": Permissions.of(request.user),
        "onward": {"q": query, "chosen": chosen, "found": found},
    }
    panel, page = f"{_FOLDER}/_continues.html", f"{_FOLDER}/closing_page.html"
    title = f"Close {story.headline}"
    response = render_panel(request, panel, page, context, title=title)
    if is_htmx(request) and request.method == "POST":
        response["HX-Retarget"], response["HX-Reswap"] = "#continues-found", "outerHTML"
    return response


def _change(story: Story, permissions: Permissions, request: HttpRequest) -> str:
    do = request.POST.get("do", "")
    if do == "close":
        _close(story, permissions, request.POST.get("continues_in"))
        message = "The story is closed."
    elif do in STATE_VERBS:
        verb, message = STATE_VERBS[do]
        verb(story, by=permissions)
    else:
        raise Refused("There is no such button.")
    log_action(permissions.user, story, message)
    return message


def _close(story: Story, permissions: Permissions, continues_in: str | None) -> None:
    """Close a story; `continues_in` is an id, empty for none, None to keep it."""
    target, pk = None, int_or_zero(continues_in or "")
    if pk:
        target = Story.objects.filter(pk=pk).exclude(pk=story.pk).first()
        if target is None:
            raise Refused("The story to continue in is not there any more.")
    alone = target is None and continues_in is not None
    verbs.close_story(story, continues_in=target, alone=alone, by=permissions)
