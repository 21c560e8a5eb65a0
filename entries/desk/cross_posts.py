"""Cross-posting: post an update in other live stories, and remove it from them."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from entries import verbs
from entries.desk import picker
from entries.desk.access import desk_url, desk_view, int_or_zero
from entries.desk.audit_log import log_cross_post
from entries.desk.responses import (
    render_panel,
    render_partial,
    replace_response,
    respond,
)
from entries.desk.rows import Row, as_rows, get_row, row_postings
from entries.models import Posting
from entries.verbs import Refused

_PANEL = "admin/entries/desk/_cross.html"
_PAGE = "admin/entries/desk/cross_page.html"
# The template of a row, by the page that opened the panel: the desk or the moderators'.
_ROWS = {
    "": "admin/entries/desk/_row.html",
    "moderate": "admin/entries/moderate/_row.html",
}


@desk_view("change_posting")
def cross_post_panel(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Offer live stories to cross-post an update to; add or remove a cross-post."""
    row = get_row(request, pk, entry_pk)
    if not row.cross_postable:
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
        retry=lambda: redirect(request.get_full_path()),
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
    """Cross-post the update to the story `to`, or remove it from the story `back`."""
    back, user = int_or_zero(request.POST.get("back", "")), row.permissions.user
    if back:
        found = Posting.objects.filter(entry=row.entry, story=back, removed=False)
        posting = found.select_related("story").first()
        if posting is None:
            raise Refused(gettext("It is not in that story any more."))
        posting.entry = row.entry
        verbs.remove_cross_post(posting, by=row.permissions)
        log_cross_post(user, row.entry, posting.story, removed=True)
        return gettext("Removed from %(story)s.") % {"story": posting.story.title}
    story = picker.chosen_story(request.POST.get("to", ""))
    verbs.cross_post(row.entry, story, by=row.permissions)
    if story.pk not in [other.story_id for other in row.elsewhere]:
        log_cross_post(user, row.entry, story, removed=False)
    return gettext("Cross-posted to %(story)s.") % {"story": story.title}


def _row_with_note(request: HttpRequest, row: Row, note: str) -> HttpResponse:
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
