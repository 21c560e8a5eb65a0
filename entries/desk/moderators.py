"""The moderators' page: live stories, their latest updates, and unresolved links.

Moderators cross-post and link updates here, choose the features of the front page, and
resolve links whose target is not known yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_view, get_story, int_or_zero
from entries.desk.audit_log import log_action, target_label
from entries.desk.links import (
    LinkPlace,
    LinkRow,
    Undo,
    add_typed_link,
    place_context,
    put_back,
)
from entries.desk.picker import Target
from entries.desk.responses import (
    is_htmx,
    render_page,
    render_panel,
    replace_response,
    respond,
    with_undo,
)
from entries.desk.rows import Row, as_rows, get_row, with_row_data
from entries.desk.titles import near_stories, similar_stories
from entries.models import Link, Posting, Site, Story
from entries.pages import lists
from entries.verbs import Permissions, Refused

MAX_RECENT_UPDATES = 30
MAX_FEATURES = 20  # of stories; all features of the front page are listed
MAX_GUESSES = 4  # targets suggested for an unresolved link before anything is typed
LINKS_PER_PAGE = 12  # few, since each one runs a search for targets
_FOLDER = "admin/entries/moderate"


@dataclass(frozen=True)
class UnresolvedLink:
    """A link whose target is not known yet, with suggested targets."""

    link: Link
    query: str = ""

    @property
    def home(self) -> Story | None:
        """Return the story that shows it; None for the front page."""
        return self.link.entry.story if self.link.entry else self.link.story

    @cached_property
    def found(self) -> list[Target]:
        """Suggest targets for the query, or for the link's own text without one."""
        excluded = [self.home.pk] if self.home else []
        found = picker.suggest_targets(self.query or self.link.text, "", excluded)
        found = [target for target in found if target.value != "none"]
        if self.query:
            return found
        similar = similar_stories([self.link.text], excluded)
        near = picker.story_targets(near_stories(self.link.text, similar))
        return list(dict.fromkeys([*near, *found]))[:MAX_GUESSES]


@desk_view("change_link")
@require_safe
def moderate(request: HttpRequest) -> HttpResponse:
    """Show the moderators' page, or only the latest updates to htmx."""
    permissions = Permissions.of(request.user)
    if is_htmx(request):
        latest = {"lately": _latest_updates(permissions)}
        return render(request, f"{_FOLDER}/_lately.html", latest)
    unresolved = Link.objects.unresolved().with_targets()
    unresolved = unresolved.select_related("story__series", "entry__story__series")
    pages = Paginator(unresolved.order_by("-pk"), LINKS_PER_PAGE)
    links = pages.get_page(request.GET.get("page"))
    context = {
        **place_context(request, LinkPlace(), typed={}),
        "running": lists.live_stories(Story.objects.all()),
        "most": lists.LIVE_PAGE_SIZE,
        "slots": _story_features(),
        "lately": _latest_updates(permissions),
        "links": links,
        "loose": [UnresolvedLink(link) for link in links],
    }
    template = f"{_FOLDER}/page.html"
    return render_page(
        request, template, context, title=gettext("Moderate"), model=Link
    )


def _story_features() -> list[tuple[Story, LinkRow]]:
    """Return the newest features of live stories."""
    links = Link.objects.filter(
        kind=Link.Kind.FEATURE, story__state=Story.State.LIVE
    ).with_targets()
    now = timezone.now()
    found = links.select_related("story__series").order_by("-pk")[:MAX_FEATURES]
    return [(link.story, LinkRow(link, now)) for link in found if link.story]


def _latest_updates(permissions: Permissions) -> list[Row]:
    """Return the latest updates of all live stories."""
    live = Story.objects.live().order_by("-changed_at")[: lists.LIVE_PAGE_SIZE]
    visible = Posting.objects.visible().updates().order_by("-first_seq")
    newest = visible.first_per_story(live, 2 * MAX_RECENT_UPDATES).order_by(
        "-entry__published_at", "-entry_id"
    )
    # List a cross-posted update only for its own story. This is not filtered in SQL,
    # where PostgreSQL would scan all entries of the story for each row.
    ids = newest.values_list("pk", "story", "entry__story")
    own = [pk for pk, story, home in ids if story == home]
    latest = with_row_data(
        Posting.objects.filter(pk__in=own[:MAX_RECENT_UPDATES]), images=False
    )
    return as_rows(latest.order_by("-entry__published_at", "-entry_id"), permissions)


@desk_view("change_link")
def resolve_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the target of an unresolved link, keeping its text, or remove it; or undo."""
    if request.method == "POST" and "again" in request.POST:
        return _put_back(request, pk)
    link = get_object_or_404(Link.objects.with_targets(), pk=pk)
    if request.method == "POST" and request.POST.get("do") == "undo":
        return _open_again(request, link)
    query = picker.typed_query(request)
    if request.method != "POST" or request.POST.get("do") == "find":
        return _show(request, UnresolvedLink(link, query))

    def resolved(message: str) -> HttpResponse:
        context = {"message": message, "pk": pk}
        target, template = f"#loose-{pk}", f"{_FOLDER}/_settled.html"
        return replace_response(request, target, template, context)

    return respond(
        request,
        lambda: _resolve(request, link, query),
        to=reverse("moderate"),
        partial=resolved,
        retry=lambda: _show(request, UnresolvedLink(link, query)),
    )


def _open_again(request: HttpRequest, link: Link) -> HttpResponse:
    """Take the target of a link away that was just chosen."""
    permissions = Permissions.of(request.user)

    def act() -> str:
        if link.fingerprint != request.POST.get("fingerprint", ""):
            raise Refused(gettext("Somebody else has changed this link since."))
        text, fingerprint = link.text, link.fingerprint
        for name, value in picker.target_fields("none", text).items():
            setattr(link, name, value)
        verbs.save_link(link, fingerprint=fingerprint, by=permissions)
        home = link.entry or link.story or Site.current()
        log_action(permissions.user, home, "Took the target of a line away.")
        return gettext("Undone. “%(text)s” has no target.") % {"text": text}

    return _unresolved_response(request, act, link.pk, lambda: link)


def _put_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an unresolved link again that was just removed."""
    permissions, data = Permissions.of(request.user), request.POST
    story, entry = (int_or_zero(data.get(name, "")) for name in ("story", "entry"))
    place = LinkPlace(get_story(story)) if story else LinkPlace()
    if entry:
        place = LinkPlace(place.story, get_row(request, story, entry).entry)
    added: list[Link] = []

    def act() -> str:
        outcome = add_typed_link(data, place, permissions)
        added.append(Link.objects.with_targets().get(pk=outcome.undo["link"]))
        log_action(permissions.user, place.row, outcome.log)
        return gettext("Undone. The link is there again.")

    return _unresolved_response(request, act, pk, lambda: added[0])


def _unresolved_response(
    request: HttpRequest, act: Callable[[], str], pk: int, link: Callable[[], Link]
) -> HttpResponse:
    """Run an Undo, and show the link that it leaves where the link `pk` was shown."""
    return respond(
        request,
        act,
        to=reverse("moderate"),
        partial=lambda message: replace_response(
            request,
            f"#loose-{pk}",
            f"{_FOLDER}/_loose.html",
            {"one": UnresolvedLink(link()), "message": message},
        ),
    )


def _show(request: HttpRequest, unresolved: UnresolvedLink) -> HttpResponse:
    panel, page = f"{_FOLDER}/_loose.html", f"{_FOLDER}/resolve.html"
    title = gettext("Choose a target for “%(text)s”") % {"text": unresolved.link.text}
    context = {"one": unresolved, "title": title}
    return render_panel(request, panel, page, context, title=title, model=Link)


def _resolve(request: HttpRequest, link: Link, query: str) -> str:
    permissions = Permissions.of(request.user)
    home = link.entry or link.story or Site.current()
    text, fingerprint = link.text, link.fingerprint
    url = reverse("resolve", args=[link.pk])
    if not link.unresolved:
        raise Refused(
            gettext("Somebody else has linked it already: %(target)s.")
            % {"target": link.target_name}
        )
    if request.POST.get("do") == "remove":
        place: Undo = {
            "story": link.entry.story_id if link.entry else link.story_id or ""
        }
        place |= {"entry": link.entry_id or ""} | put_back(link)
        verbs.remove_link(link, by=permissions)
        log_action(permissions.user, home, "Removed a line that led nowhere yet.")
        done = gettext("Removed “%(text)s”.") % {"text": text}
        return with_undo(request, done, url, **place)
    target = request.POST.get("target", "")
    for name, value in picker.target_fields(target, query or text).items():
        setattr(link, name, value)
    link.title = text
    verbs.save_link(link, fingerprint=fingerprint, by=permissions)
    message = f"Said where a line leads: {target_label(link)}."
    log_action(permissions.user, home, message)
    done = gettext("“%(text)s” now links to %(target)s.")
    done %= {"text": text, "target": link.target_name}
    return with_undo(request, done, url, do="undo", fingerprint=link.fingerprint)
