"""The states of a story: announce, go live, keep live, close, reopen, withdraw."""

from typing import Any, Final, Protocol

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, get_story, int_or_zero
from entries.desk.audit_log import log_action
from entries.desk.responses import is_htmx, render_panel, replace_response, respond
from entries.models import Story
from entries.text import time_input
from entries.verbs import Permissions, Refused

_FOLDER = "admin/entries/desk"


class StateVerb(Protocol):
    """A verb that changes the state of a story."""

    def __call__(self, story: Story, *, by: Permissions) -> Story: ...


STATE_VERBS: Final[dict[str, tuple[StateVerb, str]]] = {
    "live": (verbs.go_live, _("The story is live.")),
    "keep": (verbs.keep_live, _("The story stays live.")),
    "reopen": (verbs.reopen_story, _("Story reopened.")),
    "withdraw": (verbs.withdraw_story, _("Story withdrawn.")),
    "restore": (verbs.restore_story, _("Story restored.")),
}


@desk_view("change_story")
def change_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a story's state, or offer stories that coverage can continue in."""
    story = get_story(pk)
    if request.method != "POST" or request.POST.get("do") == "find":
        return _offer_continuations(request, story)
    permissions = Permissions.of(request.user)

    def state_response(**outcome: str) -> HttpResponse:
        typed = request.POST.get("begins", "") if "refused" in outcome else ""
        context = {"story": story, "permissions": permissions, **outcome}
        context["begins"] = typed
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
    title = gettext("Close %(story)s") % {"story": story.headline}
    response = render_panel(request, panel, page, context, title=title)
    if is_htmx(request) and request.method == "POST":
        response["HX-Retarget"], response["HX-Reswap"] = "#continues-found", "outerHTML"
    return response


def _change(story: Story, permissions: Permissions, request: HttpRequest) -> str:
    do = request.POST.get("do", "")
    if do == "close":
        _close(story, permissions, request.POST.get("continues_in"))
        message, values = _("Story closed."), {}
    elif do == "announce":
        moment = _announce(story, permissions, request.POST.get("begins", ""))
        message = _("Announced: coverage begins %(moment)s.")
        values = {"moment": moment}
    elif do in STATE_VERBS:
        verb, message = STATE_VERBS[do]
        verb(story, by=permissions)
        values = {}
    else:
        raise Refused(gettext("There is no such button."))
    log_action(permissions.user, story, message % values)
    return gettext(message) % values


def _announce(story: Story, permissions: Permissions, begins: str) -> str:
    """Announce a story, or change when its coverage begins, as an editor typed it.

    Return when that is, in words.
    """
    now = timezone.now()
    try:
        begins_at = time_input.parse_time(begins, now)
    except time_input.TimeError as error:
        raise Refused(str(error), "begins") from error
    verbs.announce(story, begins_at, by=permissions)
    assert story.begins_at  # noqa: S101 - the verb has set it
    return time_input.describe_moment(story.begins_at, now)


def _close(story: Story, permissions: Permissions, continues_in: str | None) -> None:
    """Close a story; `continues_in` is an id, empty for none, None to keep it."""
    target, pk = None, int_or_zero(continues_in or "")
    if pk:
        target = Story.objects.filter(pk=pk).exclude(pk=story.pk).first()
        if target is None:
            raise Refused(gettext("The story to continue in is not there any more."))
    alone = target is None and continues_in is not None
    verbs.close_story(story, continues_in=target, alone=alone, by=permissions)
