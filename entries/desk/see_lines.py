"""“See” lines: suggested while a text is written, linked when it is saved."""

from contextlib import suppress

from django.core.exceptions import PermissionDenied
from django.db.models import CharField, Q, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_view
from entries.models import Entry, Image, Link, Story
from entries.pages import fragments
from entries.verbs import Permissions, Refused

MAX_FOUND = 6
MAX_SEE_LINES = 10  # of one text


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
        context["stories"] = public.select_related("series").newest()[:MAX_FOUND]
    return render(request, "admin/entries/desk/_found.html", context)


def _find_images(story_id: int, q: str) -> list[Image]:
    """Return the images that match every word of a query, the story's own first."""
    found = Image.objects.exclude(stem="")
    for word in q.split()[: picker.MAX_TITLE_WORDS]:
        described = Q(alt__icontains=word) | Q(caption__icontains=word)
        found = found.filter(Q(name__icontains=word) | described)
    own = Entry.objects.filter(postings__story=story_id, images__isnull=False)
    here = list(found.filter(pk__in=own.values("images")).order_by("-pk")[:MAX_FOUND])
    there = found.exclude(pk__in=[image.pk for image in here]).order_by("-pk")
    return [*here, *there[: MAX_FOUND - len(here)]]


def proposed_links(entry: Entry, body: str, known: set[str]) -> list[Link]:
    """Return unsaved links for “See” lines with the exact title of a public story.

    `known` are the titles of lines that already have a link.
    """
    titles = [t for t in fragments.see_titles(body) if t not in known][:MAX_SEE_LINES]
    if not titles:
        return []
    full = Concat("series__name", Value(": "), "headline", output_field=CharField())
    named = Story.objects.public().annotate(full=full)
    named = named.filter(Q(headline__in=titles) | Q(full__in=titles))
    stories: dict[str, Story] = {}
    for story in named.select_related("series").newest()[:100]:
        stories.setdefault(story.title, story)
    see = Link.Kind.SEE
    return [
        Link(kind=see, entry=entry, target_story=stories[title], title=title)
        for title in dict.fromkeys(titles)
        if title in stories
    ]


def update_links(entry: Entry, before: str = "") -> None:
    """Add links for new “See” lines, and remove the links of deleted lines."""
    titles, old = fragments.see_titles(entry.body), fragments.see_titles(before)
    if not (titles or old):
        return
    links = entry.links.filter(kind=Link.Kind.SEE).with_targets()
    known = {link.text: link for link in links}
    removed = [known[title] for title in set(old) - set(titles) if title in known]
    for link in removed:
        with suppress(Refused):  # a colleague has changed the text again
            verbs.remove_link(link, line=True)
    for link in proposed_links(entry, entry.body, set(known)):
        with suppress(Refused):
            verbs.save_link(link, line=True)
