"""The base of all ModelAdmins, and their filters."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import DELETION
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import escape
from django.utils.text import capfirst
from django.utils.translation import gettext

from entries.desk import audit_log, gone
from entries.desk.access import int_or_zero
from entries.models.fields import has_words
from entries.public import errors
from entries.verbs import Refused


class RowSelect(AutocompleteSelect):
    """Django's autocomplete widget, but ignoring values that are not ids."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Return the chosen row as an option, if its value is an id."""
        return super().optgroups(
            name, [one for one in value if int_or_zero(str(one))], attr
        )


class BaseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A ModelAdmin that saves through verbs, and handles their refusals."""

    list_per_page = 50
    show_full_result_count = False  # it would count a large table a second time
    empty_value_display = ""

    class Media:
        css = {"all": ["entries/lists.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search in the folded texts that `search_fields` names."""
        return queryset.filter(has_words(search_term, *self.search_fields)), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow filters by the fields that the list offers for it, and by no others.

        Others could probe texts that somebody may not see, and databases do not support
        every lookup.
        """
        offered = {_parameter(listed) for listed in self.list_filter}
        is_offered = lookup.partition("__")[0] in offered
        return is_offered and super().lookup_allowed(lookup, value, request)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Use RowSelect for autocomplete fields."""
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RowSelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self, request: HttpRequest, *args: Any, **more: Any
    ) -> HttpResponse:
        """Show or save a row; respond 409 if the verb refuses."""
        return _handle_refusal(request, super().changeform_view, *args, **more)

    def delete_view(
        self, request: HttpRequest, *args: Any, **more: Any
    ) -> HttpResponse:
        """Delete a row; respond 409 if the verb refuses."""
        return _handle_refusal(request, super().delete_view, *args, **more)

    def changelist_view(
        self, request: HttpRequest, *args: Any, **more: Any
    ) -> HttpResponse:
        """List rows or run an action; respond 409 if a verb refuses."""
        return _handle_refusal(request, super().changelist_view, *args, **more)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """Show what was typed for a row that somebody has deleted meanwhile."""
        if request.method != "POST":
            admin_page: Any = super()
            found: HttpResponse = admin_page._get_obj_does_not_exist_redirect(
                request, opts, object_id
            )
            return found
        line = audit_log.latest(self.model(pk=object_id), Q(action_flag=DELETION))
        sentence = gone.deleted_message(line)
        return errors.gone_response(request, sentence, 410 if line else 404)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Use the model's name as the title, and count the rows only once."""
        changelist = super().get_changelist_instance(request)
        changelist.title = str(capfirst(self.opts.verbose_name_plural))
        if not (changelist.query or changelist.has_active_filters):
            changelist.full_result_count = changelist.result_count
        return changelist

    def deletable(self, obj: Any) -> bool:
        """Return whether a row may be deleted at all."""
        return True

    def has_delete_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """Return whether the user may delete rows, or a given one."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or self.deletable(obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete several rows, each through its verb."""
        for row in queryset:
            self.delete_model(request, row)


def _parameter(listed: Any) -> str:
    """Return the field of an item of `list_filter`, or the parameter of its class."""
    name = listed[0] if isinstance(listed, tuple) else listed
    return name if isinstance(name, str) else name.parameter_name


def _handle_refusal(
    request: HttpRequest, view: Callable[..., Any], *args: Any, **more: Any
) -> HttpResponse:
    try:
        response: HttpResponse = view(request, *args, **more)
    except Refused as refused:
        return errors.refused_response(request, str(refused))
    return response


class LiveDateFilter(admin.DateFieldListFilter):
    """Filter stories by the day on which they went live."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = gettext("start")
        self.links = self.links[
            :-2
        ]  # the state filter has stories that were never live


class SeriesFilter(admin.RelatedFieldListFilter):
    """Filter stories by series, with a label for stories without one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.empty_value_display = escape(gettext("No series"))
