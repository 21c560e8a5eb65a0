"""The admin as this project has it: the newsroom first, in plain names."""

import re
from functools import wraps
from typing import Any, Final

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError
from django.http import HttpRequest, QueryDict

# In the order in which they stand on the first page.
APP_NAMES = {
    "entries": "Newsroom",
    "auth": "Accounts and groups",
    "axes": "Sign-ins that failed",
    "otp_totp": "Second factors",
}
MODEL_ORDER = ["Story", "Entry", "Image", "Link"]  # the others after them
HIDDEN_MODELS = {"AccessFailureLog", "AccessLog"}  # switched off in the settings


SEARCH_PARAMETERS: Final = {"q", "term"}  # what is searched for, which may be anything
_HUGE_NUMBER: Final = re.compile(r"\d{19}")  # more than a column of a database holds


class AutocompleteView(AutocompleteJsonView):
    """Rows that a field of a form may lead to, by part of their names."""

    def process_request(self, request: HttpRequest) -> tuple[Any, ...]:
        """Refuse what no form can have: a relation seen from its other end."""
        _, admin, field, to_field = super().process_request(request)
        if not hasattr(field, "get_limit_choices_to"):
            raise PermissionDenied
        term = request.GET.get("term", "")
        return term, admin, field, to_field


class DeskSite(AdminSite):
    """The admin without its side bar, whose lists stand on the first page too."""

    enable_nav_sidebar = False

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Let a view be asked only what its lists and databases can answer."""
        asked = super().admin_view(view, cacheable)

        @wraps(asked)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            _check_query(request.GET)
            try:
                return asked(request, *args, **kwargs)
            except (DataError, ValueError) as error:
                if request.method != "GET":
                    raise
                raise SuspiciousOperation("Nothing compares so") from error

        return checked

    def autocomplete_view(self, request: HttpRequest) -> Any:
        """Answer suggestions for the fields of forms."""
        return AutocompleteView.as_view(admin_site=self)(request)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[Any]:
        """List what editors want first; leave out what is always empty."""
        found = super().get_app_list(request, app_label)
        for app in found:
            models = app["models"]
            models[:] = [m for m in models if m["object_name"] not in HIDDEN_MODELS]
            models.sort(key=lambda model: _rank(MODEL_ORDER, model["object_name"]))
        return sorted(found, key=lambda app: _rank([*APP_NAMES], app["app_label"]))


def _check_query(query: QueryDict) -> None:
    """Raise SuspiciousOperation, which answers 400, for values that no page sends."""
    for name, values in query.lists():
        joined = "\n".join([name, *values])
        if "\0" in joined or (
            name not in SEARCH_PARAMETERS and _HUGE_NUMBER.search(joined)
        ):
            raise SuspiciousOperation(f"Odd value of {name!r}")
    if query.get(TO_FIELD_VAR, "id") != "id":
        raise SuspiciousOperation("Rows are named by their ids alone")


class DeskConfig(AdminConfig):
    """Django's admin with that site."""

    default_site = "liveblog.apps.DeskSite"

    def ready(self) -> None:
        """Name the parts before their lists do."""
        super().ready()
        for label, name in APP_NAMES.items():
            apps.get_app_config(label).verbose_name = name


def _rank(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
