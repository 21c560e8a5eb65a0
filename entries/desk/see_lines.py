"""“See …” lines of a text: found while writing, linked when it is sent."""

from contextlib import suppress

from django.core.exceptions import PermissionDenied
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_view
from entries.models import Entry, Image, Link, Posting, Story
from entries.pages import fragments
from entries.text import rendering
from entries.verbs import UNKNOWN_IMAGE, Permissions, Refused

MAX_FOUND = 6
MAX_SEE_LINES = 10  # of one text


@desk_view("view_story", "add_entry")
@require_safe
def find_to_insert(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer stories to see, or pictures to show again, by part of their words."""
    permissions = Permissions.of(request.user)
    q = request.GET.get("q", "").strip()[:200]
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
    """Return pictures whose words hold all that was typed, the story's own first."""
    found = Image.objects.exclude(stem="")
    for word in q.split()[:8]:
        said = Q(alt__icontains=word) | Q(caption__icontains=word)
        found = found.filter(Q(name__icontains=word) | said)
    own = Entry.objects.filter(postings__story=story_id, images__isnull=False)
    here = list(found.filter(pk__in=own.values("images")).order_by("-pk")[:MAX_FOUND])
    there = found.exclude(pk__in=[image.pk for image in here]).order_by("-pk")
    return [*here, *there[: MAX_FOUND - len(here)]]


def visible_images(permissions: Permissions) -> QuerySet[Image]:
    """Return the pictures that somebody may see: readers', and those of own texts."""
    if permissions.can_view_unpublished:
        return Image.objects.all()
    read = Posting.objects.visible().filter(entry__images=OuterRef("pk"))
    led = Story.objects.public().filter(lead_image=OuterRef("pk"))
    features = Link.objects.visible().filter(
        Q(story=None, entry=None) | Q(story__state__in=Story.PUBLIC),
        image=OuterRef("pk"),
    )
    own = Entry.objects.filter(author=permissions.user, images=OuterRef("pk"))
    return Image.objects.filter(
        Exists(read) | Exists(led) | Exists(features) | Exists(own)
    )


def check_images(permissions: Permissions, body: str) -> None:
    """Raise Refused where a text would show its writer what they may not see."""
    if permissions.can_view_unpublished:
        return
    try:
        names = set(rendering.image_names(body))
    except rendering.BodyError:
        return  # the verb says it
    allowed = visible_images(permissions).filter(name__in=names)
    if unknown := names - set(allowed.values_list("name", flat=True)):
        raise Refused(UNKNOWN_IMAGE.format(min(unknown)), "body")


def proposed_links(entry: Entry, body: str, known: set[str]) -> list[Link]:
    """Return links, not saved, for the lines that name a public story exactly.

    `known` are the lines that have their link.
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
    """Link the lines of a text as it stands now; what it lost goes with its line."""
    titles, old = fragments.see_titles(entry.body), fragments.see_titles(before)
    if not (titles or old):
        return
    links = entry.links.filter(kind=Link.Kind.SEE).with_targets()
    known = {link.text: link for link in links}
    lost = [known[title] for title in set(old) - set(titles) if title in known]
    for link in lost:
        with suppress(Refused):  # somebody else has changed the text once more
            verbs.remove_link(link, line=True)
    for link in proposed_links(entry, entry.body, set(known)):
        with suppress(Refused):
            verbs.save_link(link, line=True)
