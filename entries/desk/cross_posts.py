"""Placing an update in other running stories, and taking it back."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from entries import verbs
from entries.desk import picker, timeline
from entries.desk.access import desk_url, desk_view, int_or_zero, is_htmx, text_response
from entries.desk.audit_log import log_cross_post
from entries.desk.responses import render_partial
from entries.desk.row import get_row
from entries.desk.timeline import Row
from entries.models import Posting, Story
from entries.verbs import Refused

_PANEL = "admin/entries/desk/_cross.html"
_ROWS = {
    "": "admin/entries/desk/_row.html",
    "moderate": "admin/entries/moderate/_row.html",
}


@desk_view("change_posting")
def cross_post_panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Offer running stories for an update; post it in one, or take it back."""
    row = get_row(request, pk, entry_pk)
    if not row.cross_postable:
        raise Http404
    if request.method == "POST":
        return _act(request, row)
    if is_htmx(request):
        return render(request, _PANEL, _context(request, row))
    return _page(request, row)


def _context(request: HttpRequest, row: Row) -> dict[str, Any]:
    query = request.GET.get("q", "")[:200]
    excluded = [row.entry.story_id, row.posting.story_id]
    excluded += [other.story_id for other in row.elsewhere]
    return {
        "row": row,
        "story": row.posting.story,
        "q": query,
        "page": _page_of(request),
        "found": picker.suggest_live(query, _about(row), excluded),
    }


def _about(row: Row) -> str:
    return f"{row.entry.headline} {row.entry.body}"[:2000]


def _page_of(request: HttpRequest) -> str:
    """Return which page the row stands on: the desk, or the moderators'."""
    name = (request.POST or request.GET).get("page", "")
    return name if name in _ROWS else ""


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
            return text_response(str(refused), 409)
        messages.error(request, str(refused))
        return redirect(request.get_full_path())
    if is_htmx(request):
        return _row_response(request, row, words)
    messages.success(request, words)
    return redirect(f"{desk_url(row.posting.story)}?from={row.entry.pk}")


def _do(request: HttpRequest, row: Row) -> str:
    """Post the update in the story `to`, or take it back from the story `back`."""
    back = int_or_zero(request.POST.get("back", ""))
    if back:
        found = Posting.objects.filter(entry=row.entry, story=back, removed=False)
        posting = found.select_related("story").first()
        if posting is None:
            raise Refused("It does not stand in that story.")
        posting.entry = row.entry
        verbs.remove_cross_post(posting, by=row.permissions)
        log_cross_post(row.permissions.user, row.entry, posting.story, back=True)
        return f"Taken back from {posting.story.title}."
    story = picker.chosen_story(request.POST.get("to", ""))
    verbs.cross_post(row.entry, story, by=row.permissions)
    if story.pk not in [other.story_id for other in row.elsewhere]:
        log_cross_post(row.permissions.user, row.entry, story, back=False)
    return f"Stands in {story.title} too."


def _row_response(request: HttpRequest, row: Row, note: str) -> HttpResponse:
    """Answer a row as it is now, with a note of what was done."""
    found = timeline.row_postings(row.posting.story_id).filter(entry=row.entry)
    fresh = timeline.as_rows(found, row.permissions)[0]
    context = {"row": fresh, "note": note}
    template = _ROWS[_page_of(request)]
    target = f"#row-{row.entry.pk}"
    return HttpResponse(render_partial(request, target, template, context, "outerHTML"))
