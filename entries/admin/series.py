"""Series in the admin."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from entries import verbs
from entries.admin.lists import BaseAdmin
from entries.models import Series
from entries.verbs import Permissions


@admin.register(Series)
class SeriesAdmin(BaseAdmin):
    """Running columns. Their addresses stay, since readers keep them."""

    list_display = ["name", "description", "story_count"]
    search_fields = ["name"]
    fields = ["name", "slug", "description"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Series]:
        """Count the stories of each."""
        count = Count("stories")
        found: QuerySet[Series] = super().get_queryset(request)
        return found.annotate(number_of_stories=count)

    @admin.display(description="stories", ordering="number_of_stories")
    def story_count(self, series: Series) -> int:
        """Say how many stories it has."""
        return int(getattr(series, "number_of_stories", 0))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Series | None = None
    ) -> list[str]:
        """Keep the address of a series that is there."""
        return ["slug"] if obj else []

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Series | None = None
    ) -> dict[str, Any]:
        """Make an address for a new one only."""
        return {} if obj else {"slug": ["name"]}

    def save_model(
        self, request: HttpRequest, obj: Series, form: Any, change: bool
    ) -> None:
        """Save it, and tell readers of what shows it."""
        verbs.save_series(obj, by=Permissions.of(request.user))

    def delete_model(self, request: HttpRequest, obj: Series) -> None:
        """Delete it through the verb: its address answers so at once."""
        verbs.delete_series(obj, by=Permissions.of(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Series]) -> None:
        """Delete each through the verb, or none."""
        with transaction.atomic():
            for series in queryset:
                self.delete_model(request, series)

    def has_delete_permission(
        self, request: HttpRequest, obj: Series | None = None
    ) -> bool:
        """Refuse one that has stories, or that a line leads to."""
        allowed = super().has_delete_permission(request, obj)
        if obj is None or not allowed:
            return allowed
        return not (obj.stories.exists() or obj.linked_from.exists())
