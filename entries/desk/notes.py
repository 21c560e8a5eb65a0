"""Notes between colleagues: on a story, on one of its entries, and hand-over notes."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from entries import verbs
from entries.desk import gone
from entries.desk.access import desk_url, desk_view, get_story, int_or_zero
from entries.desk.audit_log import log_action
from entries.desk.responses import is_htmx, render_panel, render_partial, respond
from entries.desk.rows import Row, find_row, row_response
from entries.models import Entry, Mention, Note, Story
from entries.models.desk import draft_keys
from entries.models.entries import written_by
from entries.models.notes import MentionQuerySet, NoteQuerySet
from entries.verbs import Permissions, Refused

MAX_NOTES = 100  # threads shown of a story
_FOLDER = "admin/entries/desk"


def visible_notes(permissions: Permissions) -> NoteQuerySet:
    """Return the notes a user may see: none on texts that are hidden from them."""
    return Note.objects.filter(_about_visible(permissions))


def _about_visible(permissions: Permissions, at: str = "") -> Q:
    if permissions.can_view_unpublished:
        return Q()
    public = Q(
        **{
            f"{at}entry__state": Entry.State.PUBLISHED,
            f"{at}entry__story__state__in": Story.BEGUN,
        }
    )
    own = written_by(permissions.user, f"{at}entry__")
    return Q(**{f"{at}entry": None}) | public | own


def unread_mentions(permissions: Permissions) -> MentionQuerySet:
    """Return a person's unread mentions, the newest first, for the newsroom's board."""
    found = Mention.objects.unread_by(permissions.user.pk)
    return found.filter(_about_visible(permissions, "note__")).order_by("-pk")


def desk_context(story: Story, permissions: Permissions) -> dict[str, Any]:
    """Return what the desk's page shows of the notes: hand-overs, and a number."""
    if not story.notes_seq:  # nobody has written one yet
        return {"handover": [], "open_notes": 0}
    threads = visible_notes(permissions).filter(story=story).threads().open()
    found = list(threads.select_related("author"))
    return {
        "handover": [note for note in found if note.handover],
        "open_notes": len(found),
    }


@desk_view("view_story")
def story_notes(request: HttpRequest, pk: int) -> HttpResponse:
    """List a story's notes, or add, answer, finish, delete or read one.

    Opening the list marks the person's mentions in it as read.
    """
    story, permissions = get_story(pk), Permissions.of(request.user)
    if request.method == "POST":
        return _change(request, story, permissions)
    reply_to = _thread(story, permissions, request.GET.get("reply", ""))
    return _show_notes(request, story, permissions, reply_to=reply_to)


def _show_notes(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    """Show a story's notes; `extra` may have what was `typed` into the form."""
    context = notes_context(story, permissions) | extra
    _read(context["notes"], permissions.user)
    panel, page = f"{_FOLDER}/_notes.html", f"{_FOLDER}/notes_page.html"
    title = gettext("Notes")
    return render_panel(request, panel, page, context, title=title, status=status)


@desk_view("view_story")
def entry_notes(request: HttpRequest, pk: int, entry_pk: int) -> HttpResponse:
    """Show the notes on an entry in its row, or add one."""
    row = find_row(request, pk, entry_pk)
    if row is None:
        if request.method == "POST" and "text" in request.POST:
            return _lost_note(request, get_story(pk), entry_pk)
        raise Http404
    if request.method == "POST":
        return _change(request, row.entry.story, row.permissions, row)
    return _show_entry_notes(request, row)


def _show_entry_notes(
    request: HttpRequest, row: Row, status: int = 200, **extra: Any
) -> HttpResponse:
    permissions, context = row.permissions, _entry_context(row)
    found = context["notes"]
    _read(found, permissions.user)
    context |= {
        "form_key": uuid4(),
        "colleagues_to_name": _colleagues(permissions),
        "reply_to": next(
            (n for n in found if n.pk == int_or_zero(request.GET.get("reply", ""))),
            None,
        ),
        **extra,
    }
    panel, page = f"{_FOLDER}/_entry_notes.html", f"{_FOLDER}/entry_notes_page.html"
    title = gettext("Notes on %(entry)s") % {"entry": row.entry.label}
    return render_panel(request, panel, page, context, title=title, status=status)


def _lost_note(request: HttpRequest, story: Story, entry_pk: int) -> HttpResponse:
    """Keep a note on a text that is gone: add it to the story's, or offer to."""
    permissions = Permissions.of(request.user)
    if not permissions.can_write:
        raise PermissionDenied
    if request.POST.get("do") == "add_to_story":
        return _change(request, story, permissions, gone_pk=entry_pk)
    message, status = gone.of_entry(permissions, story.pk, entry_pk)
    if not is_htmx(request):
        lost = {"message": message, "do": "add"}
        extra = _typed(request) | {"lost": lost}
        return _show_notes(request, story, permissions, status, **extra)
    return _lost_panel(request, message, "add_to_story", str(entry_pk), status)


def _lost_panel(
    request: HttpRequest, message: str, do: str, number: str, status: int
) -> HttpResponse:
    """Say in a note's form why it cannot be sent, with a button for another way."""
    target, template = "#note-lost", f"{_FOLDER}/_lost_note.html"
    target += f"-{number}" if number else ""
    context = {"lost": {"message": message, "do": do}}
    html = render_partial(request, target, template, context)
    return HttpResponse(html, status=status)


def _entry_context(row: Row) -> dict[str, Any]:
    """Return what the list of an entry's notes shows."""
    return {
        "row": row,
        "story": row.posting.story,
        "permissions": row.permissions,
        "notes": _threads(visible_notes(row.permissions).filter(entry=row.entry)),
    }


def _list(story: Story, permissions: Permissions) -> dict[str, Any]:
    found = _threads(visible_notes(permissions).filter(story=story))
    return {
        "story": story,
        "permissions": permissions,
        "notes": found,
        "form_key": uuid4(),
        "colleagues_to_name": _colleagues(permissions),
    }


def notes_context(story: Story, permissions: Permissions) -> dict[str, Any]:
    """Return everything the templates of a story's notes show."""
    return _list(story, permissions) | desk_context(story, permissions)


def _threads(notes: NoteQuerySet) -> list[Note]:
    """Return the threads among notes, those still open first, with their replies."""
    replies = Note.objects.select_related("author").order_by("pk")
    found = notes.threads().select_related("author", "done_by", "entry__story")
    rows = found.prefetch_related(Prefetch("replies", replies))[:MAX_NOTES]
    return sorted(rows, key=lambda note: note.done_at is not None)


def _colleagues(permissions: Permissions) -> list[str]:
    """Return the names by which colleagues can be mentioned."""
    staff = User.objects.filter(is_active=True, is_staff=True)
    names = staff.exclude(pk=permissions.user.pk).order_by("username")
    return list(names.values_list("username", flat=True))


def _read(threads: list[Note], user: User) -> None:
    """Mark the person's mentions in the notes on the page as read."""
    shown = [n for thread in threads for n in (thread, *thread.replies.all())]
    if shown and Mention.objects.filter(user=user, read_at=None).exists():
        verbs.mark_mentions_read(shown, user)


def _thread(story: Story, permissions: Permissions, pk: str) -> Note | None:
    found = visible_notes(permissions).filter(story=story, pk=int_or_zero(pk))
    return found.select_related("parent", "entry__story").first() if pk else None


def _acts(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    row: Row | None,
    note: Note | None,
) -> dict[str, tuple[Callable[[], object], str]]:
    """Return the actions of the notes' buttons, with confirmation messages."""
    do, user = request.POST.get("do", "add"), permissions.user

    def add() -> Note:
        return verbs.add_note(
            story,
            request.POST.get("text", ""),
            author=user,
            entry=row.entry if row else None,
            reply_to=note if do == "reply" else None,
            handover=bool(request.POST.get("handover")),
            key=draft_keys(request.POST.get("key"), None)[0],
            by=permissions,
        )

    def finish() -> object:
        assert note  # noqa: S101 - checked above
        return verbs.set_note_done(note, done=do == "done", author=user, by=permissions)

    def delete() -> None:
        assert note  # noqa: S101 - checked above
        verbs.delete_note(note, by=permissions)
        log_action(user, story, "Deleted a note.")

    def read() -> None:
        assert note  # noqa: S101 - checked above
        verbs.mark_mentions_read([note], user)

    return {
        "add": (add, gettext("Note added.")),
        "reply": (add, gettext("Reply added.")),
        "done": (finish, gettext("Done.")),
        "undo": (finish, gettext("Opened again.")),
        "delete": (delete, gettext("Note deleted.")),
        "read": (read, gettext("Marked as read.")),
    }


def _change(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    row: Row | None = None,
    gone_pk: int = 0,
) -> HttpResponse:
    """Run the action of a button, and respond with the current notes.

    `story` is the one the notes belong to. A cross-post's row is in another. `gone_pk`
    is the text that the note was written on, if that is gone.
    """
    do = "add" if gone_pk else request.POST.get("do", "add")
    if not (permissions.can_write or do == "read"):
        raise PermissionDenied
    note = _thread(story, permissions, request.POST.get("note", ""))
    if do == "reply" and note is None:
        message = gettext("The note that you answer has been deleted.")
        return _offer_reply(request, story, permissions, row, message)
    if do in ("done", "undo", "delete", "read") and note is None:
        raise Http404

    acts = _acts(request, story, permissions, row, note)

    def act() -> str:
        if do not in acts:
            raise Refused(gettext("There is no such button."))
        run, message = acts[do]
        run()
        return message

    def now(message: str) -> HttpResponse:
        written = do in ("add", "reply")
        response = _now(request, story, permissions, row, written=written)
        if gone_pk:
            context = {"story": story, "gone": [gone_pk]}
            response.write(render_to_string(f"{_FOLDER}/_rows.html", context, request))
        return response

    def again() -> HttpResponse:
        extra = _typed(request) | {"reply_to": note if do == "reply" else None}
        if row:
            return _show_entry_notes(request, row, 409, **extra)
        return _show_notes(request, story, permissions, 409, **extra)

    return respond(
        request,
        act,
        to=row if row else desk_url(story, "notes"),
        partial=now,
        retry=again if do in ("add", "reply") else None,
    )


def _typed(request: HttpRequest) -> dict[str, Any]:
    """Return what was entered into a note's form, to show it there again."""
    data = request.POST
    return {"typed": data.get("text", ""), "handover_ticked": "handover" in data}


def _offer_reply(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    row: Row | None,
    message: str,
) -> HttpResponse:
    """Offer to add a reply to a deleted note as a note of its own."""
    if is_htmx(request):
        return _lost_panel(request, message, "add", row.number if row else "", 404)
    lost = {"message": message, "do": "add"}
    extra = _typed(request) | {"lost": lost}
    if row:
        return _show_entry_notes(request, row, 404, **extra)
    return _show_notes(request, story, permissions, 404, **extra)


def _now(
    request: HttpRequest,
    story: Story,
    permissions: Permissions,
    row: Row | None,
    *,
    written: bool,
) -> HttpResponse:
    """Respond to htmx with the notes, the hand-over notes, and the entry's row.

    The form is replaced only if it was `written` and sent: it may hold another note.
    """
    response = row_response(request, row) if row else HttpResponse()
    context = notes_context(
        get_story(row.posting.story_id if row else story.pk), permissions
    )
    with_list = "notes" if written and not row else "notes_list"
    response.write(notes_partials(request, context, with_list=with_list))
    if row:
        listed = _entry_context(row)
        target, template = f"#notes-list-{row.number}", f"{_FOLDER}/_entry_list.html"
        response.write(render_partial(request, target, template, listed, "outerHTML"))
    return response


def notes_partials(
    request: HttpRequest, context: dict[str, Any], *, with_list: str = "notes_list"
) -> SafeString:
    """Render what the desk shows of a story's notes, to replace what a page has.

    `with_list` is the template of the list: by default without the form, in which
    somebody may be writing.
    """
    names = ["handover", "notes_number", with_list]
    html = "".join(
        render_partial(
            request,
            f"#{name.replace('_', '-')}",
            f"{_FOLDER}/_{name}.html",
            context,
            "outerHTML",
        )
        for name in names
        if name
    )
    return SafeString(html)
