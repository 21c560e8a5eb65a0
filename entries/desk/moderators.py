"""The moderators' page: all running stories, what came in, and what needs a hand."""

from dataclasses import dataclass
from functools import cached_property

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from entries import verbs
from entries.desk import picker, timeline
from entries.desk.access import desk_view, is_htmx, text_response
from entries.desk.audit_log import log_action, target_label
from entries.desk.links import LinkPlace, LinkRow, place_context
from entries.desk.picker import Target
from entries.desk.responses import render_partial
from entries.desk.timeline import Row
from entries.models import Link, Posting, Site, Story
from entries.pages import lists
from entries.verbs import Permissions, Refused

_LATEST = 30
_LINKS_PER_PAGE = 12  # unresolved links; each is searched for
_FOLDER = "admin/entries/moderate"


@dataclass(frozen=True)
class UnresolvedLink:
    """A link of which nobody has said yet where it leads."""

    link: Link
    query: str = ""

    @property
    def home(self) -> Story | None:
        """Return the story that shows it."""
        return self.link.entry.story if self.link.entry else self.link.story

    @cached_property
    def found(self) -> list[Target]:
        """Return where it may lead, its own words asked for unless others are."""
        excluded = [self.home.pk] if self.home else []
        found = picker.suggest_targets(self.query or self.link.text, "", excluded)
        found = [target for target in found if target.value != "none"]
        return found if self.query else found[:4]


@desk_view("change_link")
@require_safe
def moderate(request: HttpRequest) -> HttpResponse:
    """Show the page; htmx asks for what came in alone."""
    permissions = Permissions.of(request.user)
    if is_htmx(request):
        news = {"lately": _lately(permissions)}
        return render(request, f"{_FOLDER}/_lately.html", news)
    loose = Link.objects.unresolved().with_targets()
    loose = loose.select_related("story__series", "entry__story__series")
    pages = Paginator(loose.order_by("-pk"), _LINKS_PER_PAGE)
    links = pages.get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        **place_context(request, LinkPlace(), typed={}),
        "title": "Moderate",
        "opts": Link._meta,
        "running": lists.live_stories(Story.objects.all()),
        "most": lists.LIVE_PAGE_SIZE,
        "slots": _slots(),
        "lately": _lately(permissions),
        "links": links,
        "loose": [UnresolvedLink(link) for link in links],
    }
    return render(request, f"{_FOLDER}/page.html", context)


def _slots() -> list[tuple[Story, LinkRow]]:
    """Return the features beside stories that run, the newest first."""
    links = Link.objects.filter(
        kind=Link.Kind.FEATURE, story__state=Story.State.LIVE
    ).with_targets()
    now = timezone.now()
    found = links.select_related("story__series").order_by("-pk")[:20]
    return [(link.story, LinkRow(link, now)) for link in found if link.story]


def _lately(permissions: Permissions) -> list[Row]:
    """Return what was published last, in whatever running story."""
    live = Story.objects.live().order_by("-changed_at")[: lists.LIVE_PAGE_SIZE]
    visible = Posting.objects.visible().updates().order_by("-first_seq")
    newest = visible.first_per_story(live, 2 * _LATEST).order_by(
        "-entry__published_at", "-entry_id"
    )
    # A cross-posted update is shown in its own story alone. Asked of the database,
    # PostgreSQL would look through all entries of that story for each row.
    rows = newest.values_list("pk", "story", "entry__story")
    own = [pk for pk, story, home in rows if story == home]
    found = Posting.objects.filter(pk__in=own[:_LATEST])
    last = timeline.with_row_data(found, images=False)
    return timeline.as_rows(
        last.order_by("-entry__published_at", "-entry_id"), permissions
    )


@desk_view("change_link")
def resolve_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Say where a link leads, or remove it; its words stay as they are."""
    link = get_object_or_404(Link.objects.with_targets(), pk=pk)
    query = (request.POST or request.GET).get("q", "")[:200]
    if request.method != "POST" or request.POST.get("do") == "find":
        return _show(request, UnresolvedLink(link, query))
    home = link.entry or link.story or Site.current()
    permissions = Permissions.of(request.user)
    try:
        words, told = _settle(link, request.POST, query, permissions)
    except Refused as refused:
        if is_htmx(request):
            return text_response(str(refused), 409)
        messages.error(request, str(refused))
        return _show(request, UnresolvedLink(link, query))
    log_action(permissions.user, home, told)
    if is_htmx(request):
        context = {"words": words, "pk": pk}
        target, template = f"#loose-{pk}", f"{_FOLDER}/_settled.html"
        return HttpResponse(
            render_partial(request, target, template, context, "outerHTML")
        )
    messages.success(request, words)
    return redirect("moderate")


def _show(request: HttpRequest, loose: UnresolvedLink) -> HttpResponse:
    context = {"one": loose, "title": f"Where does “{loose.link.text}” lead?"}
    if is_htmx(request):
        return render(request, f"{_FOLDER}/_loose.html", context)
    context |= admin.site.each_context(request) | {"opts": Link._meta}
    return render(request, f"{_FOLDER}/resolve.html", context)


def _settle(
    link: Link, data: dict[str, str], query: str, permissions: Permissions
) -> tuple[str, str]:
    words, seen = link.text, link.fingerprint
    if not link.unresolved:
        raise Refused(f"Somebody else has said where it leads: {link.target_name}.")
    if data.get("do") == "remove":
        verbs.remove_link(link, by=permissions)
        return f"Removed “{words}”.", "Removed a line that led nowhere yet."
    fields = picker.target_fields(data.get("target", ""), query or words)
    for name, value in (fields | {"title": words}).items():
        setattr(link, name, value)
    verbs.save_link(link, fingerprint=seen, by=permissions)
    return (
        f"“{words}” leads to {link.target_name}.",
        f"Said where a line leads: {target_label(link)}.",
    )
