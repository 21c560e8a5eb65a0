"""“See” lines: suggested while a text is written, linked when it is saved."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db.models import CharField, Q, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, int_or_zero
from entries.desk.audit_log import log_action
from entries.desk.responses import respond, with_undo
from entries.desk.rows import Row, get_row, row_response
from entries.desk.titles import named_story, near_stories, similar_stories
from entries.models import Entry, Image, Link, Story
from entries.models.fields import has_words, max_length
from entries.pages import fragments
from entries.verbs import Permissions, Refused

MAX_FOUND = 6
MAX_SEE_LINES = 10  # of one text
SEE = Link.Kind.SEE
_MAX_TITLE = max_length(Link, "title")


@desk_view("view_story", "add_entry")
@require_safe
def find_to_insert(request: HttpRequest, pk: int) -> HttpResponse:
    """Search for stories for a “See” line, or for images to reuse."""
    permissions = Permissions.of(request.user)
    q = picker.typed_query(request)
    context: dict[str, object] = {"q": q}
    if request.GET.get("what") == "picture":
        if not permissions.can_upload:
            raise PermissionDenied
        context["pictures"] = _find_images(pk, q)
    else:
        public = Story.objects.public().exclude(pk=pk).filter(picker.title_matches(q))
        stories = list(public.select_related("series").newest()[:MAX_FOUND])
        context["stories"] = stories or near_stories(q, similar_stories([q], [pk]))
    return render(request, "admin/entries/desk/_found.html", context)


def _find_images(story_id: int, q: str) -> list[Image]:
    """Return the images that match every word of a query, the story's own first."""
    found = Image.objects.exclude(stem="").filter(has_words(q, "folded"))
    found = found.select_related("poster")
    own = Entry.objects.filter(postings__story=story_id, images__isnull=False)
    here = list(found.filter(pk__in=own.values("images")).order_by("-pk")[:MAX_FOUND])
    there = found.exclude(pk__in=[image.pk for image in here]).order_by("-pk")
    return [*here, *there[: MAX_FOUND - len(here)]]


@dataclass(frozen=True)
class Lines:
    """What the “See” lines of a text name: links to save, and titles to ask about."""

    links: list[Link]
    near: dict[str, list[Story]]  # titles that name no story, with likely ones


def read_lines(entry: Entry, body: str, known: Collection[str]) -> Lines:
    """Find the public stories that “See” lines name, as typed or but for typography.

    `known` are the titles of lines that have a target already.
    """
    typed = dict.fromkeys(t for t in fragments.see_titles(body) if t not in known)
    titles = [title for title in typed if len(title) <= _MAX_TITLE][:MAX_SEE_LINES]
    if not titles:
        return Lines([], {})
    named = _exactly_named(titles)
    rest = [title for title in titles if title not in named]
    similar = similar_stories(rest, [entry.story_id]) if rest else []
    near: dict[str, list[Story]] = {}
    for title in rest:
        if story := named_story(title, similar):
            named[title] = story
        elif found := near_stories(title, similar):
            near[title] = found
    links = [
        Link(kind=SEE, entry=entry, target_story=named[title], title=title)
        for title in titles
        if title in named
    ]
    return Lines(links, near)


def _exactly_named(titles: list[str]) -> dict[str, Story]:
    full = Concat("series__name", Value(": "), "headline", output_field=CharField())
    public = Story.objects.public().annotate(full=full)
    public = public.filter(Q(headline__in=titles) | Q(full__in=titles))
    stories: dict[str, Story] = {}
    for story in public.select_related("series").newest()[:100]:
        stories.setdefault(story.title, story)
    return {title: stories[title] for title in titles if title in stories}


def near_question(title: str, stories: list[Story]) -> str:
    """Ask which story a title means, in one line."""
    choices = ", ".join(f"“{story.title}”" for story in stories)
    return gettext("“%(title)s” matches no story. Did you mean %(choices)s?") % {
        "title": title,
        "choices": choices,
    }


def update_links(entry: Entry, before: str = "", *, by: Permissions) -> None:
    """Add links for new “See” lines, and remove the links of deleted lines.

    A line whose title is only near that of a story gets a link without a target: its
    row asks which story is meant, and moderators have it among the unresolved links.
    """
    titles, old = fragments.see_titles(entry.body), fragments.see_titles(before)
    if not (titles or old):
        return
    links = entry.links.filter(kind=SEE).with_targets()
    known = {link.text: link for link in links}
    removed = [known[title] for title in set(old) - set(titles) if title in known]
    for link in removed:
        with suppress(Refused):  # a colleague has changed the text again
            verbs.remove_link(link, line=True, by=by)
    unresolved = {title: link for title, link in known.items() if link.unresolved}
    lines = read_lines(entry, entry.body, known.keys() - unresolved.keys())
    for link in lines.links:
        if loose := unresolved.get(link.title):
            loose.target_story = link.target_story
        with suppress(Refused):
            verbs.save_link(loose or link, line=True, by=by)
    for title in lines.near.keys() - unresolved.keys():
        with suppress(Refused):
            verbs.save_link(Link(kind=SEE, entry=entry, title=title), line=True, by=by)


@desk_view("view_story")
def choose_story(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Link a “See” line to one of the stories that its row offers."""
    row = get_row(request, pk, entry_pk)
    if not row.can_link_lines:
        raise PermissionDenied
    if request.method != "POST":
        return redirect(row)

    return respond(
        request,
        lambda: _choose(request, row),
        to=row,
        partial=lambda message: row_response(request, row, message),
    )


def _choose(request: HttpRequest, row: Row) -> str:
    """Set the target of a “See” line, or take it away again; return a message."""
    line, _, story = request.POST.get("see", "").partition(":")
    lines = row.entry.links.filter(kind=SEE).with_targets()
    link = lines.filter(pk=int_or_zero(line)).first()
    undo = request.POST.get("do") == "undo"
    fingerprint = link.fingerprint if link else ""
    expected = request.POST.get("fingerprint", "") if undo else fingerprint
    if link is None or link.unresolved is undo or fingerprint != expected:
        raise Refused(gettext("This line has been linked or removed already."))
    target = None
    if not undo:
        target = Story.objects.public().filter(pk=int_or_zero(story)).first()
        if target is None:
            raise Refused(gettext("This story isn't public. Choose another."))
    text, link.title, link.target_story = link.text, link.text, target
    verbs.save_link(link, fingerprint=fingerprint, line=True, by=row.permissions)
    user = row.permissions.user
    if target is None:
        log_action(user, row.entry, "Took the target of a line away.")
        return gettext("Undone. “%(text)s” has no target.") % {"text": text}
    log_action(user, row.entry, f"Linked: link (See) to {target.slug}.")
    message = gettext("Linked: %(title)s") % {"title": target.title}
    url = desk_url(row.posting.story_id, "see", row.entry.pk)
    fields = {"see": str(link.pk), "fingerprint": link.fingerprint}
    return with_undo(request, message, url, do="undo", **fields)
