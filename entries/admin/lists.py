"""What the lists of the admin have in common."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest, HttpResponse
from django.utils.html import escape
from django.utils.text import capfirst

from entries.desk.access import int_or_zero
from entries.public import errors
from entries.verbs import Refused


class RowSelect(AutocompleteSelect):
    """A field that suggests rows; what is no row's id selects none."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Return the chosen row as an option."""
        return super().optgroups(
            name, [one for one in value if int_or_zero(str(one))], attr
        )


class BaseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list that is called after what is in it, and fits a phone."""

    list_per_page = 50
    show_full_result_count = False  # it would count a large table once more
    empty_value_display = ""

    class Media:
        css = {"all": ["entries/desk.css", "entries/lists.css"]}

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Let fields that suggest rows bear any text in their place."""
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RowSelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self, request: HttpRequest, *args: Any, **more: Any
    ) -> HttpResponse:
        """Say so where somebody else came between the form's check and its saving."""
        return _answer_refusal(request, super().changeform_view, *args, **more)

    def delete_view(
        self, request: HttpRequest, *args: Any, **more: Any
    ) -> HttpResponse:
        """Do so of deleting."""
        return _answer_refusal(request, super().delete_view, *args, **more)

    def changelist_view(
        self, request: HttpRequest, *args: Any, **more: Any
    ) -> HttpResponse:
        """Do so of deleting several."""
        return _answer_refusal(request, super().changelist_view, *args, **more)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Name the list."""
        changelist = super().get_changelist_instance(request)
        changelist.title = str(capfirst(self.opts.verbose_name_plural))
        if not (changelist.query or changelist.has_active_filters):
            changelist.full_result_count = changelist.result_count
        return changelist


def _answer_refusal(
    request: HttpRequest, view: Callable[..., Any], *args: Any, **more: Any
) -> HttpResponse:
    try:
        response: HttpResponse = view(request, *args, **more)
    except Refused as refused:
        return errors.refused_response(request, str(refused))
    return response


class LiveDateFilter(admin.DateFieldListFilter):
    """The days on which stories went live."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "start"
        self.links = self.links[:-2]  # those of the state say which have none


class SeriesFilter(admin.RelatedFieldListFilter):
    """The series of stories, and a name for having none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.empty_value_display = escape("No series")
