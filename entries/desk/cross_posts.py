"""Placing an update in other running stories, and taking it back."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from entries import verbs
from entries.desk import picker, timeline
from entries.desk.access import desk, desk_url, is_htmx, number, sentence
from entries.desk.audit_log import record_crossing
from entries.desk.responses import part
from entries.desk.row import row_of
from entries.desk.timeline import Row
from entries.models import Posting, Story
from entries.verbs import Refused

PANEL = "admin/entries/desk/_cross.html"
ROWS = {
    "": "admin/entries/desk/_row.html",
    "moderate": "admin/entries/moderate/_row.html",
}


@desk("change_posting")
def panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Offer running stories for an update; post it in one, or take it back."""
    row = row_of(request, pk, entry_pk)
    if not row.crossable:
        raise Http404
    if request.method == "POST":
        return _act(request, row)
    if is_htmx(request):
        return render(request, PANEL, _context(request, row))
    return _page(request, row)


def _context(request: HttpRequest, row: Row) -> dict[str, Any]:
    query = request.GET.get("q", "")[:200]
    standing = [row.entry.story_id, row.posting.story_id]
    standing += [other.story_id for other in row.elsewhere]
    return {
        "row": row,
        "story": row.posting.story,
        "q": query,
        "page": _page_of(request),
        "found": picker.running(query, _about(row), standing),
    }


def _about(row: Row) -> str:
    return f"{row.entry.headline} {row.entry.body}"[:2000]


def _page_of(request: HttpRequest) -> str:
    """Return which page the row stands on: the desk, or the moderators'."""
    name = (request.POST or request.GET).get("page", "")
    return name if name in ROWS else ""


def _page(request: HttpRequest, row: Row) -> HttpResponse:
    """Show the panel as a page of its own, for browsers without scripts."""
    context = admin.site.each_context(request) | _context(request, row)
    context |= {"title": f"Cross-post {row.entry.label}", "opts": Story._meta}
    return render(request, "admin/entries/desk/cross_page.html", context)


def _act(request: HttpRequest, row: Row) -> HttpResponse:
    try:
        words = _do(request, row)
    except Refused as refused:
        if is_htmx(request):
            return sentence(str(refused), 409)
        messages.error(request, str(refused))
        return redirect(request.get_full_path())
    if is_htmx(request):
        return row_again(request, row, words)
    messages.success(request, words)
    return redirect(f"{desk_url(row.posting.story)}?from={row.entry.pk}")


def _do(request: HttpRequest, row: Row) -> str:
    """Post the update in the story `to`, or take it back from the story `back`."""
    back = number(request.POST.get("back", ""))
    if back:
        standing = Posting.objects.filter(entry=row.entry, story=back, removed=False)
        posting = standing.select_related("story").first()
        if posting is None:
            raise Refused("It does not stand in that story.")
        posting.entry = row.entry
        verbs.remove_cross_post(posting, by=row.permissions)
        record_crossing(row.permissions.user, row.entry, posting.story, back=True)
        return f"Taken back from {posting.story.title}."
    found = picker.chosen(request.POST.get("to", ""))
    verbs.cross_post(row.entry, found, by=row.permissions)
    if found.pk not in [other.story_id for other in row.elsewhere]:
        record_crossing(row.permissions.user, row.entry, found, back=False)
    return f"Stands in {found.title} too."


def row_again(request: HttpRequest, row: Row, note: str) -> HttpResponse:
    """Answer a row as it is now, with a note of what was done."""
    found = timeline.postings(row.posting.story_id).filter(entry=row.entry)
    fresh = timeline.as_rows(found, row.permissions)[0]
    context = {"row": fresh, "note": note}
    template = ROWS[_page_of(request)]
    target = f"#row-{row.entry.pk}"
    return HttpResponse(part(request, target, template, context, "outerHTML"))
