"""What the lists of the admin have in common."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.text import capfirst


class Listed(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list that is called after what is in it, and fits a phone."""

    list_per_page = 50
    empty_value_display = ""

    class Media:
        css = {"all": ["entries/desk.css", "entries/lists.css"]}

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Name the list."""
        changelist = super().get_changelist_instance(request)
        changelist.title = str(capfirst(self.opts.verbose_name_plural))
        return changelist


class WentLive(admin.DateFieldListFilter):
    """The days on which stories went live."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "start"
