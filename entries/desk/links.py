"""The editor of links: of a story, of one entry, or of the site's front page.

Links are added, edited, ordered and removed here. `LinkForm` validates and saves links,
also for the admin's list of all links.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, get_story, int_or_zero
from entries.desk.audit_log import log_action, target_label
from entries.desk.forms import TypedTimeField, described_image
from entries.desk.responses import (
    is_htmx,
    render_page,
    render_partial,
    replace_response,
    respond,
    with_undo,
)
from entries.desk.rows import get_row
from entries.models import Entry, Image, Link, Site, Story
from entries.models.links import LinkQuerySet
from entries.text import gmt, languages, time_input
from entries.verbs import Permissions, Refused

Kind = Link.Kind
MAX_IMAGES = 60  # names that the field for a feature's image suggests
Undo = dict[str, str | int]
TARGETS = ("target_story", "target_series", "target_url")
_FOLDER = "admin/entries/links"
_LISTS = f"{_FOLDER}/_links.html"


class LinkForm(forms.ModelForm):  # type: ignore[type-arg]
    """The fields of a link, and the fingerprint that an edit is based on."""

    fingerprint = forms.CharField(label="", required=False, widget=forms.HiddenInput)

    class Meta:
        model = Link
        fields = ["title", "label", "image", "starts_at", "ends_at"]
        labels = {"label": gettext_lazy("label")}

    def _post_clean(self) -> None:
        """Run the verb's checks, so that their messages are errors of fields."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            verbs.check_link(self.instance)
        except Refused as refused:
            field = refused.field if refused.field in self.fields else None
            self.add_error(field, str(refused))

    def clean_image(self) -> Image | None:
        """Refuse an image that readers would not see, because it has no alt text."""
        return described_image(self.cleaned_data["image"])

    def save_link(self, permissions: Permissions, *, placed: bool = False) -> Link:
        """Save the link through its verb, unless a colleague has changed it."""
        return verbs.save_link(
            self.instance,
            fingerprint=self.cleaned_data["fingerprint"] or None,
            placed=placed,
            by=permissions,
        )


class TypedLinkForm(LinkForm):
    """The form of the links' editor: images are entered by name, times as typed.

    Only features have more fields than a title.
    """

    image = forms.ModelChoiceField(
        Image.objects.still_images(),
        to_field_name="name",
        required=False,
        error_messages={
            "invalid_choice": gettext_lazy("There is no picture named “%(value)s”.")
        },
    )
    starts_at = TypedTimeField()
    ends_at = TypedTimeField()

    _NAMES = {"image": "picture", "starts_at": "starts", "ends_at": "ends"}

    def __init__(self, data: Any, link: Link) -> None:
        super().__init__(data, instance=link)
        if link.kind != Kind.FEATURE:
            for name in ("label", *self._NAMES):
                del self.fields[name]

    def add_prefix(self, field_name: str) -> str:
        """Return the name of a field in the HTML."""
        return self._NAMES.get(field_name, field_name)

    def clean_title(self) -> str:
        """Use the title from the picker for a new link, unless one was typed."""
        typed: str = self.cleaned_data["title"]
        return typed if typed or self.instance.pk else self.instance.title

    def check(self) -> None:
        """Raise Refused with the first error of the form, if any."""
        for field, errors in self.errors.items():
            raise Refused(str(errors[0]), field)


@dataclass(frozen=True)
class LinkRow:
    """A link as listed in the editor."""

    link: Link
    now: datetime

    @property
    def leads_to(self) -> str:
        """Return the target's name or URL, unless the link shows it; else the state."""
        link = self.link
        if link.target_story:
            state = languages.in_sentence(link.target_story.get_state_display())
            return f"{link.target_story.title}, {state}" if link.title else state
        return link.target_series.name if link.target_series else link.target_url

    @property
    def when(self) -> str:
        """Return when the link is active; empty if it always is."""
        start, end = self.link.starts_at, self.link.ends_at
        if end and end <= self.now:
            ended = time_input.describe_moment(end, self.now)
            return gettext("Ended %(time)s") % {"time": ended}
        if start and start > self.now:
            at = time_input.describe_moment(start, self.now)
            begins = gettext("Begins %(time)s") % {"time": at}
        else:
            begins = gettext("Shows now") if end else ""
        if not end:
            return begins
        until = time_input.describe_moment(end, self.now)
        return gettext("%(begins)s, until %(time)s") % {"begins": begins, "time": until}

    @property
    def typed(self) -> dict[str, str]:
        """Return start and end in the notation of TypedTimeField."""
        times = {"starts": self.link.starts_at, "ends": self.link.ends_at}
        return {
            name: time_input.format_typed(at) if at else ""
            for name, at in times.items()
        }


@dataclass(frozen=True)
class LinkPlace:
    """The place of links: a story, one entry in it, or (neither) the front page."""

    story: Story | None = None
    entry: Entry | None = None

    @property
    def row(self) -> Entry | Story | Site:
        """Return the row in whose log changes of the links are recorded."""
        return self.entry or self.story or Site.current()

    @property
    def kind(self) -> str:
        return "entry" if self.entry else "story" if self.story else "site"

    @property
    def key(self) -> str:
        """Return an HTML id that is unique on a page with several lists."""
        row = self.entry or self.story
        return f"{self.kind}-{row.pk}" if row else self.kind

    @property
    def url(self) -> str:
        """Return the URL of the editor of these links."""
        if self.entry and self.story:
            return desk_url(self.story, "entry_links", self.entry.pk)
        return desk_url(self.story, "links") if self.story else reverse("feature")

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Return value and label of the kinds of links that can be added."""
        return [
            (kind.value, str(kind.label)) for kind in Link.KINDS_BY_PLACE[self.kind]
        ]

    @property
    def links(self) -> LinkQuerySet:
        """Return the links, in their order."""
        story = None if self.entry else self.story
        found = Link.objects.filter(story=story, entry=self.entry)
        return found.with_targets()

    @property
    def groups(self) -> list[tuple[str, str, list[LinkRow]]]:
        """Return the kind, label and rows of each kind that has links."""
        now, found = timezone.now(), list(self.links)
        labels = dict(Kind.choices)
        return [
            (kind, str(labels[kind]), rows)
            for kind in dict.fromkeys([*Link.KINDS_BY_PLACE[self.kind], *Kind.values])
            if (rows := [LinkRow(link, now) for link in found if link.kind == kind])
        ]

    @property
    def about(self) -> str:
        """Return the text that suggestions are based on."""
        if self.entry:
            return f"{self.entry.headline} {self.entry.body}"
        if self.story:
            return f"{self.story.headline} {self.story.standfirst} {self.story.summary}"
        return ""

    @property
    def excluded(self) -> list[int]:
        """Return the ids of the stories not to suggest as targets."""
        home = {self.story.pk} if self.story else set()
        return [*home, *({self.entry.story_id} if self.entry else set())]


@desk_view("view_link")
def story_links(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and change the links of a story."""
    return _edit_links(request, LinkPlace(get_story(pk)))


@desk_view("view_link")
def entry_links(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Show and change the links of an entry, which are shown in its text."""
    row = get_row(request, pk, entry_pk)
    return _edit_links(request, LinkPlace(row.posting.story, row.entry))


@desk_view("view_link")
def site_links(request: HttpRequest) -> HttpResponse:
    """Show and change the features of the front page."""
    return _edit_links(request, LinkPlace())


def _edit_links(request: HttpRequest, place: LinkPlace) -> HttpResponse:
    if request.method != "POST":
        return _show(request, place)
    permissions = Permissions.of(request.user)
    if not permissions.can_edit_links:
        raise PermissionDenied
    if "target" not in request.POST and request.POST.get("do") == "find":
        found = place_context(request, place)
        return _replace(request, found) if is_htmx(request) else _show(request, place)

    def act() -> str:
        outcome = _run(request, place, permissions)
        log_action(permissions.user, place.row, outcome.log)
        return with_undo(request, outcome.message, place.url, **outcome.undo)

    return respond(
        request,
        act,
        to=place.url,
        partial=lambda message: _replace(
            request, place_context(request, place, message=message, typed={})
        ),
        retry=lambda: _show(request, place, 422),
        refused=lambda error: _conflict(request, place, error),
    )


def _replace(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    target = f"#links-{context['place'].key}"
    return replace_response(request, target, _LISTS, context)


def _conflict(
    request: HttpRequest, place: LinkPlace, refused: Refused
) -> HttpResponse | None:
    """Show a colleague's change of a link to htmx, leaving the form as it is.

    The form gets the current fingerprint, so that saving again replaces their version.
    """
    if not (is_htmx(request) and isinstance(refused, verbs.LinkConflict)):
        return None
    link = refused.link
    context = {"link": link, "message": refused, "place": place, "kind": "bad"}
    target, template = f"#fingerprint-{link.pk}", f"{_FOLDER}/_fingerprints.html"
    html = render_partial(request, target, template, context, "outerHTML")
    target, template = f"#links-{place.key} .links-news", f"{_FOLDER}/_news.html"
    html += render_partial(request, target, template, context, "outerHTML")
    return HttpResponse(html, status=409)


def place_context(
    request: HttpRequest, place: LinkPlace, **extra: Any
) -> dict[str, Any]:
    """Return the context of `_links.html`: the links of a place, and the form."""
    typed = extra.setdefault("typed", (request.POST or request.GET).dict())
    query = typed.get("q", "")[: picker.MAX_QUERY_LENGTH]
    return {
        "place": place,
        "story": place.story,
        "permissions": Permissions.of(request.user),
        "found": picker.suggest_targets(query, place.about, place.excluded),
        "pictures": Image.objects.still_images()[:MAX_IMAGES],
        **extra,
    }


def _show(request: HttpRequest, place: LinkPlace, status: int = 200) -> HttpResponse:
    context = place_context(request, place)
    if is_htmx(request):
        return render(request, _LISTS, context, status=status)
    title = gettext("Links") if place.story else gettext("Default features")
    template = f"{_FOLDER}/of_{'story' if place.story else 'site'}.html"
    return render_page(
        request, template, context, title=title, model=Link, status=status
    )


class Outcome(NamedTuple):
    """What was done, as messages for the editor and for the audit log.

    `undo` is what a form of the same place sends to undo it.
    """

    message: str
    log: str
    undo: Undo


Edit = Callable[[Link, Any, Permissions], Outcome]


# What was done to a link: for the audit log, and for the editor.
_DONE = {
    "Linked": gettext_lazy("Linked: %(link)s"),
    "Linked both ways": gettext_lazy("Linked both ways: %(link)s"),
    "Saved": gettext_lazy("Saved: %(link)s"),
    "Removed": gettext_lazy("Removed: %(link)s"),
    "Moved up": gettext_lazy("Moved up: %(link)s"),
    "Moved down": gettext_lazy("Moved down: %(link)s"),
}


def _outcome(what: str, link: Link, undo: Undo) -> Outcome:
    kind, target = Kind(link.kind).name.replace("_", " ").title(), target_label(link)
    message = _DONE[what] % {"link": link.text}
    return Outcome(message, f"{what}: link ({kind}) to {target}.", undo)


def _form_of(link: Link) -> Undo:
    """Return the fields of a form that would save a link as it is."""
    typed = LinkRow(link, timezone.now()).typed
    image = link.image.name if link.image else ""
    return {"title": link.title, "label": link.label, "picture": image, **typed}


def _target_of(link: Link) -> Undo:
    """Return what a picker sends for the target of a link."""
    if link.target_story_id:
        return {"target": f"story:{link.target_story_id}"}
    if link.target_series_id:
        return {"target": f"series:{link.target_series_id}"}
    kind = "url" if link.target_url else "none"
    return {"target": kind, "q": link.target_url or link.title}


def put_back(link: Link) -> Undo:
    """Return the form for `add_typed_link` that puts a removed link back."""
    _, here = _place_of(link)
    place: Undo = {"kind": link.kind, "again": here}
    return place | _target_of(link) | _form_of(link)


def _ids(given: str) -> list[int]:
    return list(dict.fromkeys(map(int_or_zero, given.split(","))))


def _order_of(links: Iterable[Link]) -> str:
    return ",".join(str(link.pk) for link in links)


def _run(request: HttpRequest, place: LinkPlace, permissions: Permissions) -> Outcome:
    data = request.POST
    if "target" in data:
        return add_typed_link(data, place, permissions)
    do = data.get("do", "")
    if do == "order":
        return _order(place, data, permissions)
    if do not in EDITS:
        raise Refused(gettext("There is no such button."))
    link = place.links.filter(pk=int_or_zero(data.get("link", ""))).first()
    if link is None:
        raise Refused(
            gettext("Somebody else has removed this link. Add it again below.")
        )
    return EDITS[do](link, data, permissions)


def add_typed_link(data: Any, place: LinkPlace, permissions: Permissions) -> Outcome:
    """Add the link that a form describes.

    `again` puts one back that was removed, as the Undo of `_remove` does.
    """
    kind, again = data.get("kind", ""), "again" in data  # a link that was removed
    if kind not in (Kind.values if again else Link.KINDS_BY_PLACE[place.kind]):
        raise Refused(gettext("Choose what kind of link it is."), "kind")
    same = place.links.filter(kind=kind)
    link = Link(
        kind=kind,
        story=None if place.entry else place.story,
        entry=place.entry,
        order=verbs.next_order(same),
        **picker.target_fields(data["target"], data.get("q", "")),
    )
    form = TypedLinkForm(data, link)
    form.check()
    target = {name: getattr(link, name) for name in TARGETS}
    if not link.unresolved and same.filter(**target).exists():
        raise Refused(gettext("It is linked already."))
    undo: Undo = {"do": "remove"}
    if data.get("both"):
        back = verbs.add_link_both_ways(link, by=permissions)
        undo |= {"link": link.pk} | ({"back": back.pk} if back else {})
        undo["fingerprint"] = _fingerprints(link, back)
        return _outcome("Linked both ways", link, undo)
    form.save_link(permissions)
    if again:
        _put_at(int_or_zero(data["again"]), link, list(same), permissions)
    undo |= {"link": link.pk, "fingerprint": _fingerprints(link)}
    return _outcome("Linked", link, undo)


def _fingerprints(*links: Link | None) -> str:
    """Return what the Undo of added links sends, so that it removes no other ones."""
    return " ".join(link.fingerprint for link in links if link)


def _put_at(
    index: int, link: Link, links: list[Link], permissions: Permissions
) -> None:
    """Give a link that was removed, and is now the last one, its place again."""
    others = [one for one in links if one != link]
    wanted = [*others[:index], link, *others[index:]]
    if wanted != links:
        verbs.order_links(wanted, by=permissions)


def _save(link: Link, data: Any, permissions: Permissions) -> Outcome:
    undo: Undo = {"do": "save", "link": link.pk, **_form_of(link)}
    form = TypedLinkForm(data, link)
    form.check()
    saved = form.save_link(permissions)
    return _outcome("Saved", link, undo | {"fingerprint": saved.fingerprint})


def _remove(link: Link, data: Any, permissions: Permissions) -> Outcome:
    undo = put_back(link)
    links = [link]
    if back := _link_back(link, data):
        links.append(back)
        undo["both"] = "on"
    read = data.get("fingerprint", "").split()
    fingerprints = {one.pk: value for one, value in zip(links, read, strict=False)}
    verbs.remove_links(links, fingerprints=fingerprints, by=permissions)
    return _outcome("Removed", link, undo)


def _link_back(link: Link, data: Any) -> Link | None:
    """Return the link back that was added with a link, if it is there still."""
    home = link.entry.story_id if link.entry else link.story_id
    found = Link.objects.filter(pk=int_or_zero(data.get("back", "")), entry=None)
    return found.filter(story=link.target_story, target_story=home).first()


def _links_like(link: Link) -> list[Link]:
    same = Link.objects.filter(story=link.story, entry=link.entry, kind=link.kind)
    return list(same)


def _place_of(link: Link) -> tuple[list[Link], int]:
    """Return the links of the same kind, and where among them a link is."""
    links = _links_like(link)
    if link not in links:
        raise Refused(gettext("Somebody else has removed this link."))
    return links, links.index(link)


def _move(by: int) -> Edit:
    def move(link: Link, data: Any, permissions: Permissions) -> Outcome:
        links, here = _place_of(link)
        before = _order_of(links)
        links.insert(max(0, here + by), links.pop(here))
        undo: Undo = {"do": "order", "order": before, "was": _order_of(links)}
        verbs.order_links(links, by=permissions)
        return _outcome(f"Moved {'up' if by < 0 else 'down'}", link, undo)

    return move


EDITS: dict[str, Edit] = {
    "save": _save,
    "remove": _remove,
    "up": _move(-1),
    "down": _move(1),
}


def _order(place: LinkPlace, data: Any, permissions: Permissions) -> Outcome:
    """Put links into the given order, and those that a colleague has added at the end.

    An Undo also sends the order that it undoes, so that it changes no other one.
    """
    links = {link.pk: link for link in place.links}
    wanted = _ids(data.get("order", ""))
    was = _ids(data["was"]) if "was" in data else None
    named = [links[pk] for pk in wanted if pk in links]
    before: list[Link] = []
    after: list[Link] = []
    if named:
        kind = named[0].kind
        same = before = [link for link in links.values() if link.kind == kind]
        named = [link for link in named if link.kind == kind]
        rest = [link for link in same if link not in named]
        after = [*named, *rest]
        verbs.order_links(after, was=was, by=permissions)
    undo: Undo = {"do": "order", "order": _order_of(before), "was": _order_of(after)}
    done = gettext("Ordered %(time)s") % {"time": gmt.format_hhmm(timezone.now())}
    return Outcome(done, "Ordered its links.", undo)
