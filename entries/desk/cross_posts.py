"""Cross-posting: post an update in other live stories, and remove it from them."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from entries import verbs
from entries.desk import gone, picker
from entries.desk.access import desk_url, desk_view, int_or_zero
from entries.desk.audit_log import log_cross_post
from entries.desk.responses import (
    render_panel,
    render_partial,
    replace_response,
    respond,
    with_undo,
)
from entries.desk.rows import Row, as_rows, get_row, row_postings, row_response
from entries.models import Entry, Posting, Story
from entries.verbs import Refused

_PANEL = "admin/entries/desk/_cross.html"
_PAGE = "admin/entries/desk/cross_page.html"
# The template of a row, by the page that opened the panel: the desk or the moderators'.
_ROWS = {
    "": "admin/entries/desk/_row.html",
    "moderate": "admin/entries/moderate/_row.html",
}
_GONE = "admin/entries/desk/_gone.html"


@desk_view("change_posting")
def cross_post_panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Offer live stories to cross-post an update to; add or remove a cross-post."""
    row = get_row(request, pk, entry_pk)
    withdrawn = request.method == "POST" and row.withdrawn
    if not (row.cross_postable or withdrawn):
        raise Http404
    if request.method != "POST":
        context = _context(request, row)
        title = gettext("Cross-post %(entry)s") % {"entry": row.entry.label}
        return render_panel(request, _PANEL, _PAGE, context, title=title)
    return respond(
        request,
        lambda: _post_or_remove(request, row),
        to=f"{desk_url(row.posting.story)}?from={row.entry.pk}",
        partial=lambda message: _row_with_note(request, row, message),
        retry=lambda: redirect(row if withdrawn else request.get_full_path()),
    )


def _context(request: HttpRequest, row: Row) -> dict[str, Any]:
    query, entry = picker.typed_query(request), row.entry
    excluded = [entry.story_id, row.posting.story_id]
    excluded += [other.story_id for other in row.elsewhere]
    about = f"{entry.headline} {entry.body}"
    return {
        "row": row,
        "story": row.posting.story,
        "q": query,
        "page": _opener(request),
        "found": picker.suggest_live(query, about, excluded),
    }


def _opener(request: HttpRequest) -> str:
    name = (request.POST or request.GET).get("page", "")
    return name if name in _ROWS else ""


def _post_or_remove(request: HttpRequest, row: Row) -> str:
    """Cross-post the update to the story `to`, or remove it from the story `back`.

    `again` is the story of a removed cross-post to put back.
    """
    if row.withdrawn:
        raise Refused(gone.not_there_message(row.entry))
    back, again = (
        int_or_zero(request.POST.get(name, "")) for name in ("back", "again")
    )
    if back:
        posting = _cross_post(row, back, removed=False)
        if posting is None:
            raise Refused(gettext("It is not in that story any more."))
        verbs.remove_cross_post(posting, by=row.permissions)
        log_cross_post(row.permissions.user, row.entry, posting.story, removed=True)
        return removed_message(request, row.entry, posting.story)
    if again:
        posting = _cross_post(row, again, removed=True)
        if posting:
            verbs.restore_cross_post(posting, by=row.permissions)
        story = picker.chosen_story(str(again))
    else:
        story = picker.chosen_story(request.POST.get("to", ""))
        verbs.cross_post(row.entry, story, by=row.permissions)
    if story.pk not in [other.story_id for other in row.elsewhere]:
        log_cross_post(row.permissions.user, row.entry, story, removed=False)
    message = gettext("Cross-posted to %(story)s.") % {"story": story.title}
    return _with_undo(request, row.entry, message, back=story.pk)


def _cross_post(row: Row, story: int, *, removed: bool) -> Posting | None:
    found = Posting.objects.filter(entry=row.entry, story=story, removed=removed)
    posting = found.select_related("story").first()
    if posting:
        posting.entry = row.entry
    return posting


def _with_undo(
    request: HttpRequest, entry: Entry, message: str, **fields: str | int
) -> str:
    if opener := _opener(request):
        fields["page"] = opener
    url = desk_url(entry.story_id, "cross", entry.pk)
    return with_undo(request, message, url, **fields)


def removed_message(
    request: HttpRequest, entry: Entry, story: Story, **fields: str
) -> str:
    """Say that a cross-post was removed from a story, with an Undo."""
    message = gettext("Removed from %(story)s.") % {"story": story.title}
    return _with_undo(request, entry, message, again=story.pk, **fields)


def removed_row(request: HttpRequest, row: Row) -> HttpResponse:
    """Replace the row of a cross-post that was removed by a line with an Undo."""
    story = row.posting.story
    message = removed_message(request, row.entry, story, page="gone")
    context = {"number": row.entry.pk, "message": message}
    return replace_response(request, f"#row-{row.entry.pk}", _GONE, context)


def _back_response(request: HttpRequest, row: Row) -> HttpResponse:
    """Give a row back that `removed_row` has replaced."""
    story = int_or_zero(request.POST.get("again", ""))
    response = row_response(request, get_row(request, story, row.entry.pk))
    response.write(
        f'<hx-partial hx-target="#gone-{row.entry.pk}" hx-swap="delete"></hx-partial>'
    )
    return response


def _row_with_note(request: HttpRequest, row: Row, note: str) -> HttpResponse:
    if request.POST.get("page") == "gone":
        return _back_response(request, row)
    found = row_postings(row.posting.story_id).filter(entry=row.entry)
    fresh = as_rows(found, row.permissions)[0]
    context = {"row": fresh, "note": note}
    opener = _opener(request)
    target, template = f"#row-{row.entry.pk}", _ROWS[opener]
    if opener == "":
        return replace_response(request, target, template, context)
    # The moderators' page has the panel beside its rows: show it as it is now, too.
    panel = _context(request, fresh)
    html = render_partial(
        request, target, template, context | {"on": True}, "outerHTML"
    )
    html += render_partial(request, "#context", _PANEL, panel | {"note": note})
    return HttpResponse(html)
