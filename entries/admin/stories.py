"""Stories in the admin: the list, and the forms for new stories and for their heads.

The desk's URLs precede the admin's own, so that `change/` is the desk.
"""

from typing import Any
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.admin.lists import BaseAdmin, LiveDateFilter, SeriesFilter
from entries.desk import conflicts
from entries.desk.access import desk_url, desk_view, get_story, int_or_zero
from entries.desk.audit_log import ADDITION, created_by, log_action
from entries.desk.conflicts import Choice
from entries.desk.forms import NewStoryForm, StoryForm
from entries.desk.responses import render_page
from entries.desk.urls import STORY_URLS
from entries.models import Audience, Entry, Posting, Site, Story, StoryVersion
from entries.models.desk import draft_keys
from entries.text import gmt, languages
from entries.verbs import EntryText, Permissions, Refused


def _updates(
    permissions: Permissions, found: list[Story]
) -> dict[int, tuple[int, Any]]:
    """Map each story's id to the number of its updates and the time of the latest.

    In stories that are not public, contributors see only their own updates.
    """
    public = [story.pk for story in found if story.begun]
    own = Q() if permissions.can_view_unpublished else Q(entry__author=permissions.user)
    hidden = Posting.objects.published().filter(own, entry__kind=Entry.Kind.UPDATE)
    hidden = hidden.filter(story__in=[s.pk for s in found if s.pk not in public])
    row = hidden.values_list("story").annotate(Count("pk"), Max("at")).order_by()
    counts = {pk: (number, at) for pk, number, at in row}
    visible = Posting.objects.visible().filter(story__in=public)
    numbers = dict(visible.values_list("story").annotate(Count("pk")).order_by())
    originals = visible.filter(entry__kind=Entry.Kind.ORIGINAL, entry__story__in=public)
    for pk in originals.values_list("story", flat=True):
        numbers[pk] -= 1
    newest = (
        Posting.objects.visible()
        .updates()
        .first_per_story([story for story in found if story.begun], 1)
    )
    last = dict(newest.values_list("story", "at"))
    return counts | {pk: (number, last.get(pk)) for pk, number in numbers.items()}


@admin.register(Story)
class StoryAdmin(BaseAdmin):
    """The list of stories, each linked to its desk."""

    form = StoryForm
    list_display = [
        "title",
        "state_word",
        "series",
        "last_update",
        "updates",
        "readers_now",
        "public_page",
    ]
    list_filter = ["state", ("series", SeriesFilter), ("live_at", LiveDateFilter)]
    list_select_related = ["series"]
    search_fields = ["folded", "series__folded"]
    search_help_text = gettext_lazy("Headline, address or series")
    ordering = ["-changed_at", "-pk"]
    autocomplete_fields = ["lead_image", "continues_in"]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Add the numbers of readers and updates to the stories, in a few queries."""
        changelist = super().get_changelist_instance(request)
        found = list(changelist.result_list)
        readers, updates = Audience.now(), _updates(Permissions.of(request.user), found)
        for story in found:
            story.readers = readers[story.pk]
            story.update_count, story.updated_at = updates.get(story.pk, (0, None))
        changelist.result_list = found
        return changelist

    @admin.display(description=gettext_lazy("headline"), ordering="headline")
    def title(self, story: Story) -> str:
        return languages.bdi(story.headline, story.language)

    @admin.display(description=gettext_lazy("readers now"))
    def readers_now(self, story: Story) -> int | str:
        """Return the number of open pages of a story that is live or announced."""
        is_open = story.state in Story.STREAMED
        return getattr(story, "readers", 0) if is_open else "–"

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_word(self, story: Story) -> str:
        return format_html(
            '<span class="state-word" data-state="{}">{}</span>',
            story.state,
            story.get_state_display(),
        )

    @admin.display(description=gettext_lazy("updates"))
    def updates(self, story: Story) -> int:
        return int(getattr(story, "update_count", 0))

    @admin.display(description=gettext_lazy("last update (GMT)"), ordering="newest_at")
    def last_update(self, story: Story) -> str:
        at = getattr(story, "updated_at", None)
        if at is None:
            return "–"
        day = gmt.format_day(at.date(), gmt.this_minute().date())
        return f"{gmt.format_hhmm(at)}, {day}"

    @admin.display(description=gettext_lazy("readers’ page"))
    def public_page(self, story: Story) -> str:
        if not story.public:
            return "–"
        url = story.get_absolute_url()
        return format_html('<a href="{}">{}</a>', url, gettext("Open public page"))

    def deletable(self, obj: Story) -> bool:
        """Return False for stories that were ever visible."""
        return not verbs.was_ever_visible(obj)

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Warn about links in other places that lead to the story."""
        story = self.get_object(request, object_id)
        links = list(story.incoming_links) if story else []
        return super().delete_view(request, object_id, {"incoming_links": links})

    def delete_model(self, request: HttpRequest, obj: Story) -> None:
        """Delete a story through its verb, and log the links deleted with it."""
        links = list(obj.incoming_links.filter(title=""))
        permissions = Permissions.of(request.user)
        verbs.delete_story(obj, by=permissions)
        for link in links:
            home = link.entry or link.story or Site.current()
            message = "Removed a line that led to a draft story, which was deleted."
            log_action(permissions.user, home, message)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Raise Http404, since stories are changed at the desk."""
        raise Http404

    def get_urls(self) -> list[URLPattern]:
        """Add the desk's URLs before the admin's own."""
        details = path("<row:pk>/details/", self.details, name="entries_story_details")
        return [details, *STORY_URLS, *super().get_urls()]

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Create a story with its original entry: a draft, announced, or live."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form, key = NewStoryForm(request.POST or None), request.POST.get("key")
        form.fields["headline"].widget.attrs["autofocus"] = True
        if request.method == "POST" and form.is_valid():
            try:
                story = self._create_once(request, form)
            except Refused as refused:
                field = {"body": "original"}.get(refused.field, refused.field)
                form.add_error(field if field in form.fields else None, str(refused))
                key = None  # it created no story, or another one
            else:
                return redirect(desk_url(story))
        context = {"form": form, "key": key or uuid4()}
        template = "admin/entries/story/new.html"
        return render_page(request, template, context, title=gettext("New story"))

    def _create_once(self, request: HttpRequest, form: NewStoryForm) -> Story:
        """Create the story, or return it if the same form was sent before."""
        permissions = Permissions.of(request.user)
        keys = draft_keys(request.POST.get("key", ""), permissions.user.pk)
        story = self._created_with(permissions, keys)
        for key in keys:
            if story is None:
                try:
                    story = self._create(request, permissions, form, key)
                except IntegrityError:  # sent before, or somebody else's key
                    story = self._created_with(permissions, keys)
        if story is None:
            raise Refused(
                gettext("This series has been deleted. Choose another."), "series"
            )
        if not form.matches(story):
            raise Refused(
                gettext(
                    "This form has made the story “%(story)s” before: change that one, "
                    "or press again to make another."
                )
                % {"story": story.headline}
            )
        if story.state == Story.State.DRAFT:
            self._start(request, permissions, form, story)
        state = languages.in_sentence(story.get_state_display())
        messages.success(request, gettext("The story is %(state)s.") % {"state": state})
        return story

    def _start(
        self,
        request: HttpRequest,
        permissions: Permissions,
        form: NewStoryForm,
        story: Story,
    ) -> None:
        """Go live or announce the new story, as its button says."""
        if request.POST.get("action") == "live":
            verbs.go_live(story, by=permissions)
        elif request.POST.get("action") == "announce":
            verbs.announce(story, form.cleaned_data["begins"], by=permissions)

    def _created_with(
        self, permissions: Permissions, keys: list[UUID | None]
    ) -> Story | None:
        """Return the story that a user created with one of these form keys."""
        found = Story.objects.filter(key__in={*keys} - {None})
        return next(
            (story for story in found if created_by(permissions.user, story)), None
        )

    def _create(
        self,
        request: HttpRequest,
        permissions: Permissions,
        form: NewStoryForm,
        key: UUID | None,
    ) -> Story:
        data = form.cleaned_data
        with transaction.atomic():
            story = verbs.create_story(
                data["headline"],
                slug=data["slug"],
                key=key,
                by=permissions,
                series=data["series"],
                standfirst=data["standfirst"],
                language=data["language"],
            )
            if data["original"].strip():
                verbs.post(
                    story,
                    EntryText(data["original"]),
                    author=permissions.user,
                    kind=Entry.Kind.ORIGINAL,
                    by=permissions,
                )
            self._start(request, permissions, form, story)
            log_action(permissions.user, story, "Made the story.", ADDITION)
        return story

    def details(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Show or save the head of a story."""
        return desk_view("change_story")(self._details)(request, pk=pk)

    def _details(self, request: HttpRequest, pk: int) -> HttpResponse:
        story = get_story(pk)
        form_class = self.get_form(request, story, change=True)
        form: Any = form_class(request.POST or None, instance=story)
        clash, typed = None, int_or_zero(request.POST.get("version", ""))
        key = draft_keys(request.POST.get("key"), None)[0] or uuid4()
        if request.method == "POST" and form.is_valid():
            try:
                self._save_head(request, pk, form)
            except Refused as refused:
                if isinstance(refused, verbs.StoryConflict):
                    form, clash = self._clash(request, pk, form, typed)
                elif refused.field in form.expected:
                    form = self._with_initial(request, pk, form, refused.field)
                form.add_error(
                    refused.field or None, clash.message if clash else str(refused)
                )
            else:
                return redirect(f"{desk_url(pk, 'details')}?made={key}")
        fieldsets: Any = self.get_fieldsets(request, story)
        # The form has changed its instance, but the page's head shows what is saved.
        saved = get_story(pk)
        context = {
            "story": saved,
            "key": key,
            # The current one only if the form holds both changes.
            "version": (clash.merged() if clash else {}).get("version")
            or typed
            or saved.version,
            "permissions": Permissions.of(request.user),
            "form": form,
            "conflict": clash,
            "adminform": AdminForm(form, fieldsets, {}, model_admin=self),
            "media": self.media + form.media,
        }
        template = "admin/entries/story/details.html"
        return render_page(request, template, context, title=saved.headline)

    def _clash(
        self, request: HttpRequest, pk: int, form: Any, version: int
    ) -> tuple[Any, conflicts.Conflict]:
        """Return the form with both changes in it, if they do not overlap."""
        saved, typed = get_story(pk), form.cleaned_data
        mine = {name: str(typed[name]) for name in StoryVersion.FIELDS}
        user = Permissions.of(request.user).user
        clash = conflicts.story_conflict(saved, mine, version, user)
        data = request.POST.copy()
        for name, value in clash.merged().items():
            data[name] = value
        return type(form)(data, instance=get_story(pk)), clash

    def _with_initial(self, request: HttpRequest, pk: int, form: Any, name: str) -> Any:
        """Return the form as if its page had shown the current value of a field."""
        data, saved = request.POST.copy(), get_story(pk)
        current = form.fields[name].prepare_value(getattr(saved, name))
        data[form[name].html_initial_name] = "" if current is None else str(current)
        return type(form)(data, instance=saved)

    def _save_head(self, request: HttpRequest, pk: int, form: Any) -> None:
        permissions = Permissions.of(request.user)
        choice = Choice.parse(request.POST.get("choice", ""))
        fields = form.changed
        if choice.whose == "theirs":
            fields = {n: v for n, v in fields.items() if n not in StoryVersion.FIELDS}
        typed = int_or_zero(request.POST.get("version", "")) or None
        story = verbs.edit_story(
            Story.objects.get(pk=pk),
            version=choice.version if choice.whose == "mine" else typed,
            author=permissions.user,
            expected=form.expected,
            by=permissions,
            **fields,
        )
        if form.changed_data:
            changed = ", ".join(form.changed_data).replace("_", " ")
            log_action(permissions.user, story, f"Changed {changed}.")
        messages.success(request, gettext("Saved."))
