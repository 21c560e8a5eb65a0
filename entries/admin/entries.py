"""Entries in the admin: a searchable list whose rows link to the desk."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.admin.lists import BaseAdmin
from entries.desk import picker, queue
from entries.desk.access import desk_url, desk_view, int_or_zero
from entries.desk.audit_log import log_action
from entries.models import Entry, Story
from entries.pages import search
from entries.text import gmt, languages
from entries.verbs import Permissions, Refused

_MAX_STORIES = 20  # latest stories with a matching headline, whose entries are found


class AuthorFilter(admin.RelatedFieldListFilter):
    """Filter entries by author."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, Any]]:
        """List the users who wrote an entry, with one index lookup each."""
        wrote = Entry.objects.filter(author=OuterRef("pk"))
        writers = User.objects.filter(Exists(wrote)).order_by("username")
        return [(str(user.pk), str(user)) for user in writers]


@admin.register(Entry)
class EntryAdmin(BaseAdmin):
    """The list of entries, each linked to its row at the desk."""

    list_display = ["first_line", "state", "time", "author", "story_title"]
    list_filter = ["state", "kind", ("author", AuthorFilter)]
    list_select_related = ["author", "story__series"]
    search_fields = ["search_text__folded", "story__folded"]
    search_help_text = gettext_lazy("Words of the text, byline or story")
    ordering = ["-changed_at", "-pk"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """Search texts and bylines in the full-text index, and the stories' titles."""
        if not search_term.strip():
            return queryset, False
        titles = Story.objects.filter(picker.title_matches(search_term))
        latest = titles.order_by("-changed_at").values_list("pk", flat=True)
        entries = Entry.objects.filter(story__in=list(latest[:_MAX_STORIES]))
        newest = entries.order_by("-pk").values_list("pk", flat=True)
        ids = {*search.search_entries(search_term), *newest[: search.MAX_RANKED]}
        return queryset.filter(pk__in=ids), False

    @admin.display(description=gettext_lazy("entry"))
    def first_line(self, entry: Entry) -> str:
        if not entry.first_words:
            return gettext("(no text)")
        return languages.bdi(entry.first_words, entry.story.language)

    @admin.display(description=gettext_lazy("time (GMT)"), ordering="at")
    def time(self, entry: Entry) -> str:
        if entry.at is None:
            return gettext("Original") if entry.original else "–"
        return f"{gmt.format_hhmm(entry.at)}, {gmt.format_day(entry.at.date())}"

    @admin.display(description=gettext_lazy("story"), ordering="story__headline")
    def story_title(self, entry: Entry) -> str:
        url = desk_url(entry.story_id)
        name = languages.bdi(entry.story.headline, entry.story.language)
        return format_html('<a href="{}">{}</a>', url, name)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False, since entries are written at the desk of a story."""
        return False

    def deletable(self, obj: Entry) -> bool:
        """Return False for entries that were ever visible."""
        return not obj.postings.exclude(seq=None).exists()

    def has_delete_permission(
        self, request: HttpRequest, obj: Entry | None = None
    ) -> bool:
        """Allow deleting entries only with their story, never from the list."""
        return obj is not None and super().has_delete_permission(request, obj)

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Say in the list why an entry cannot be deleted, if its verb refuses."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as error:
            messages.error(request, str(error))
            return redirect("admin:entries_entry_changelist")

    def delete_model(self, request: HttpRequest, obj: Entry) -> None:
        """Delete an entry through its verb, which refuses if readers have seen it."""
        verbs.delete_entry(obj, by=Permissions.of(request.user))

    def log_deletions(  # type: ignore[override]
        self, request: HttpRequest, queryset: QuerySet[Entry]
    ) -> None:
        """Log deletions without the text of the entry, which would stay in the log."""
        assert isinstance(request.user, User)  # noqa: S101 - nobody else may delete
        for entry in queryset:
            log_action(request.user, entry, "", DELETION)

    def get_urls(self) -> list[URLPattern]:
        """Add the review queue before the admin's own URLs."""
        own = path("queue/", queue.review_queue, name="entries_entry_queue")
        return [own, *super().get_urls()]

    def change_view(  # type: ignore[override]
        self, request: HttpRequest, object_id: str, *args: object, **kwargs: object
    ) -> HttpResponseBase:
        """Redirect to the entry's row at its story's desk."""
        return _redirect_to_desk(request, object_id)


@desk_view("view_entry")
def _redirect_to_desk(request: HttpRequest, object_id: str) -> HttpResponse:
    entry = get_object_or_404(Entry, pk=int_or_zero(object_id))
    on_front_page = entry.original or entry.state in ("draft", "submitted", "scheduled")
    page = "" if on_front_page else f"?from={entry.pk}"
    return redirect(f"{desk_url(entry.story_id)}{page}#row-{entry.pk}")
