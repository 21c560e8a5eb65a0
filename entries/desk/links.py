"""The links of a story, of one entry, or of the site: added, ordered, removed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, int_or_zero, is_htmx, text_response
from entries.desk.audit_log import log_action, target_label
from entries.desk.responses import render_partial
from entries.desk.row import get_row
from entries.models import Entry, Image, Link, Site, Story
from entries.models.links import LinkQuerySet
from entries.text import gmt, time_input
from entries.verbs import Permissions, Refused

Kind = Link.Kind
_LISTS = "admin/entries/links/_links.html"
_FINGERPRINT = "admin/entries/links/_fingerprints.html"
_NEWS = "admin/entries/links/_news.html"
KINDS = {
    "site": (Kind.FEATURE,),
    "story": (Kind.FEATURE, Kind.LATEST, Kind.PREVIOUS, Kind.NEXT, Kind.SEE),
    "entry": (Kind.SEE, Kind.CROSS_POSTED),
}
MAX_ABOUT_LENGTH = 2000  # characters


@dataclass(frozen=True)
class LinkRow:
    """A link as its list shows it."""

    link: Link
    now: datetime

    @property
    def leads_to(self) -> str:
        """Say where it leads, where its own words do not; nothing if unresolved."""
        link = self.link
        if link.target_story:
            state = link.target_story.get_state_display().lower()
            return f"{link.target_story.title}, {state}" if link.title else state
        return link.target_series.name if link.target_series else link.target_url

    @property
    def when(self) -> str:
        """Say when it shows; nothing where that is always."""
        start, end = self.link.starts_at, self.link.ends_at
        if end and end <= self.now:
            return f"Ended {time_input.describe_moment(end, self.now)}"
        if start and start > self.now:
            words = f"Begins {time_input.describe_moment(start, self.now)}"
        else:
            words = "Shows now" if end else ""
        return (
            f"{words}, until {time_input.describe_moment(end, self.now)}"
            if end
            else words
        )

    @property
    def typed(self) -> dict[str, str]:
        """Return its times as its form shows them."""
        times = {"starts": self.link.starts_at, "ends": self.link.ends_at}
        return {
            name: time_input.format_typed(at) if at else ""
            for name, at in times.items()
        }


@dataclass(frozen=True)
class LinkPlace:
    """Where links leave from: a story, one entry in it, or (neither) the site."""

    story: Story | None = None
    entry: Entry | None = None

    @property
    def row(self) -> Entry | Story | Site:
        """Return what the log names."""
        return self.entry or self.story or Site.current()

    @property
    def kind(self) -> str:
        """Return `site`, `story` or `entry`."""
        return "entry" if self.entry else "story" if self.story else "site"

    @property
    def key(self) -> str:
        """Return what tells it from other places on a page."""
        row = self.entry or self.story
        return f"{self.kind}-{row.pk}" if row else self.kind

    @property
    def url(self) -> str:
        """Return where its links are listed and changed."""
        if self.entry and self.story:
            return desk_url(self.story, "entry_links", self.entry.pk)
        return desk_url(self.story, "links") if self.story else reverse("feature")

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Return the kinds of links that leave from it, with their names."""
        return [(kind.value, str(kind.label)) for kind in KINDS[self.kind]]

    @property
    def links(self) -> LinkQuerySet:
        """Return its links, in their order."""
        story = None if self.entry else self.story
        found = Link.objects.filter(story=story, entry=self.entry)
        return found.with_targets()

    @property
    def groups(self) -> list[tuple[str, str, list[LinkRow]]]:
        """Return kind, name and lines of every kind that it has links of."""
        now, found = timezone.now(), list(self.links)
        names = dict(Kind.choices)
        return [
            (kind, str(names[kind]), lines)
            for kind in dict.fromkeys([*KINDS[self.kind], *Kind.values])
            if (lines := [LinkRow(link, now) for link in found if link.kind == kind])
        ]

    @property
    def about(self) -> str:
        """Return a text that suggestions can be made from."""
        if self.entry:
            text = f"{self.entry.headline} {self.entry.body}"
        elif self.story:
            text = f"{self.story.headline} {self.story.standfirst} {self.story.summary}"
        else:
            text = ""
        return text[:MAX_ABOUT_LENGTH]

    @property
    def excluded(self) -> list[int]:
        """Return the stories that no link from here need lead to."""
        home = {self.story.pk} if self.story else set()
        return [*home, *({self.entry.story_id} if self.entry else set())]


@desk_view("view_link")
def story_links(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and change the links of a story."""
    story = get_object_or_404(Story.objects.select_related("series"), pk=pk)
    return _answer(request, LinkPlace(story))


@desk_view("view_link")
def entry_links(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Show and change the links of one entry, which stand in its text."""
    row = get_row(request, pk, entry_pk)
    return _answer(request, LinkPlace(row.posting.story, row.entry))


@desk_view("view_link")
def site_links(request: HttpRequest) -> HttpResponse:
    """Show and change the features of the front page."""
    return _answer(request, LinkPlace())


def _answer(request: HttpRequest, place: LinkPlace) -> HttpResponse:
    if request.method != "POST":
        return _show(request, place)
    permissions = Permissions.of(request.user)
    if not permissions.can_edit_links:
        raise PermissionDenied
    try:
        words, told = _do(request, place, permissions)
    except (Refused, time_input.TimeError) as refused:
        if is_htmx(request):
            if isinstance(refused, verbs.LinkConflict):
                return _clash(request, place, refused)
            return text_response(str(refused), 409)
        messages.error(request, str(refused))
        return _show(request, place, 422)
    if told:
        log_action(permissions.user, place.row, told)
    if is_htmx(request):
        typed = {} if words else request.POST.dict()
        context = place_context(request, place, words=words, typed=typed)
        return HttpResponse(
            render_partial(request, f"#links-{place.key}", _LISTS, context, "outerHTML")
        )
    if words:
        messages.success(request, words)
        return redirect(place.url)
    return _show(request, place)


def _clash(
    request: HttpRequest, place: LinkPlace, refused: verbs.LinkConflict
) -> HttpResponse:
    """Show what a colleague has made of a link; what is typed stays in its form."""
    context = {"link": refused.link, "words": refused, "place": place, "kind": "bad"}
    html = render_partial(
        request, f"#seen-{refused.link.pk}", _FINGERPRINT, context, "outerHTML"
    )
    news = f"#links-{place.key} .links-news"
    html += render_partial(request, news, _NEWS, context, "outerHTML")
    return HttpResponse(html, status=409)


def place_context(
    request: HttpRequest, place: LinkPlace, **extra: Any
) -> dict[str, Any]:
    """Return what the lists and the form of a place show."""
    typed = extra.setdefault("typed", (request.POST or request.GET).dict())
    query = typed.get("q", "")[:200]
    return {
        "place": place,
        "story": place.story,
        "permissions": Permissions.of(request.user),
        "found": picker.suggest_targets(query, place.about, place.excluded),
        "pictures": Image.objects.exclude(stem="")[:60],
        **extra,
    }


def _show(request: HttpRequest, place: LinkPlace, status: int = 200) -> HttpResponse:
    context = place_context(request, place)
    if is_htmx(request):
        return render(request, _LISTS, context, status=status)
    context |= admin.site.each_context(request)
    context |= {"opts": Link._meta}
    context["title"] = "Links" if place.story else "Features of the front page"
    own = "story" if place.story else "site"
    template = f"admin/entries/links/of_{own}.html"
    return render(request, template, context, status=status)


class Done(NamedTuple):
    """What was done, in words for the one who did it and in those of the log."""

    words: str = ""
    told: str = ""


Act = Callable[[Link, Any, Permissions], Done]


def _said(done: str, link: Link) -> Done:
    kind, target = link.get_kind_display(), target_label(link)
    return Done(f"{done}: {link.text}", f"{done}: link ({kind}) to {target}.")


def _do(request: HttpRequest, place: LinkPlace, permissions: Permissions) -> Done:
    """Do what a button says, and return the sentences that say so."""
    data = request.POST
    if "target" in data:
        return _add(data, place, permissions)
    do = data.get("do", "")
    if do == "find":
        return Done()
    if do == "order":
        return _order(place, data.get("order", ""), permissions)
    if do not in ACTS:
        raise Refused("There is no such button.")
    return ACTS[do](_link(place, data), data, permissions)


def _link(place: LinkPlace, data: Any) -> Link:
    link = place.links.filter(pk=int_or_zero(data.get("link", ""))).first()
    if link is None:
        raise Refused("Somebody else has removed this link.")
    return link


def _add(data: Any, place: LinkPlace, permissions: Permissions) -> Done:
    kind = data.get("kind", "")
    if kind not in KINDS[place.kind]:
        raise Refused("Choose what kind of link it is.", "kind")
    fields = picker.target_fields(data["target"], data.get("q", ""))
    own = {name: value for name, value in _words(data, kind).items() if value}
    link = Link(
        kind=kind,
        story=None if place.entry else place.story,
        entry=place.entry,
        order=verbs.next_order(place.links.filter(kind=kind)),
        **(fields | own),
    )
    targets = ("target_story", "target_series", "target_url")
    if not link.unresolved and place.links.filter(
        kind=kind, **{name: getattr(link, name) for name in targets}
    ):
        raise Refused("It is linked already.")
    if data.get("both"):
        verbs.add_link_both_ways(link, by=permissions)
    else:
        verbs.save_link(link, by=permissions)
    return _said("Linked both ways" if data.get("both") else "Linked", link)


def _words(data: Any, kind: str) -> dict[str, Any]:
    """Return what was typed about a link besides its target."""
    words: dict[str, Any] = {"title": data.get("title", "").strip()[:300]}
    if kind != Kind.FEATURE:
        return words
    now = timezone.now()
    name = data.get("picture", "").strip()
    picture = Image.objects.exclude(stem="").filter(name=name).first()
    if name and picture is None:
        raise Refused(f"There is no picture named “{name}”.", "picture")
    return words | {
        "label": data.get("label", "").strip()[:60],
        "image": picture,
        "starts_at": time_input.parse_time(data.get("starts", ""), now),
        "ends_at": time_input.parse_time(data.get("ends", ""), now),
    }


def _save(link: Link, data: Any, permissions: Permissions) -> Done:
    for name, value in _words(data, link.kind).items():
        setattr(link, name, value)
    verbs.save_link(link, fingerprint=data.get("seen"), by=permissions)
    return _said("Saved", link)


def _remove(link: Link, data: Any, permissions: Permissions) -> Done:
    verbs.remove_link(link, by=permissions)
    return _said("Removed", link)


def _step(by: int) -> Act:
    def move(link: Link, data: Any, permissions: Permissions) -> Done:
        same = Link.objects.filter(story=link.story, entry=link.entry, kind=link.kind)
        links = list(same)
        here = links.index(link)
        links.insert(max(0, here + by), links.pop(here))
        verbs.order_links(links, by=permissions)
        return _said(f"Moved {'up' if by < 0 else 'down'}", link)

    return move


ACTS: dict[str, Act] = {
    "save": _save,
    "remove": _remove,
    "up": _step(-1),
    "down": _step(1),
}


def _order(place: LinkPlace, given: str, permissions: Permissions) -> Done:
    """Order the links that are named; one that came meanwhile stays at the end."""
    wanted = map(int_or_zero, given.split(","))
    links = {link.pk: link for link in place.links}
    named = [links[pk] for pk in dict.fromkeys(wanted) if pk in links]
    if named:
        kind = named[0].kind
        same = [link for link in links.values() if link.kind == kind]
        named = [link for link in named if link.kind == kind]
        rest = [link for link in same if link not in named]
        verbs.order_links([*named, *rest], by=permissions)
    return Done(f"Ordered {gmt.format_hhmm(timezone.now())}", "Ordered its links.")
