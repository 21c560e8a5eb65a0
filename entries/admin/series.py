"""Series (regular columns) in the admin."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from entries import verbs
from entries.admin.lists import BaseAdmin
from entries.desk.forms import SeriesForm
from entries.models import Series
from entries.verbs import Permissions


@admin.register(Series)
class SeriesAdmin(BaseAdmin):
    """The list and form of series. Slugs never change, since readers bookmark them."""

    form = SeriesForm
    list_display = ["name", "description", "story_count"]
    search_fields = ["folded"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "description", "language"]}),
        (
            gettext_lazy("Stories without updates"),
            {"fields": ["quiet_reminder_hours", "quiet_hours", "quiet_action"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Series]:
        count = Count("stories")
        found: QuerySet[Series] = super().get_queryset(request)
        return found.annotate(number_of_stories=count)

    @admin.display(description=gettext_lazy("stories"), ordering="number_of_stories")
    def story_count(self, series: Series) -> int:
        return int(getattr(series, "number_of_stories", 0))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Series | None = None
    ) -> list[str]:
        """Make the slug of an existing series read-only."""
        return ["slug"] if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Series | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Make the slug of a new series optional: it is made from the name."""
        form = super().get_form(request, obj, change, **kwargs)
        if slug := form.base_fields.get("slug"):
            slug.required = False
            slug.help_text = gettext_lazy("URL. Leave empty to make it from the name.")
        return form

    def save_model(
        self, request: HttpRequest, obj: Series, form: Any, change: bool
    ) -> None:
        """Save a series through its verb, which updates the pages that show it."""
        verbs.save_series(obj, by=Permissions.of(request.user))

    def delete_model(self, request: HttpRequest, obj: Series) -> None:
        """Delete a series through its verb, which invalidates cached pages."""
        verbs.delete_series(obj, by=Permissions.of(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Series]) -> None:
        """Delete the selected series in one transaction."""
        with transaction.atomic():
            super().delete_queryset(request, queryset)

    def deletable(self, obj: Series) -> bool:
        """Return False for series that have stories or incoming links."""
        return not (obj.stories.exists() or obj.linked_from.exists())
