"""The project's admin site, with the newsroom first and strict query parameters."""

import re
from functools import wraps
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# In the order of the page with all lists.
APP_NAMES = {
    "entries": _("Newsroom"),
    "auth": _("Accounts and groups"),
    "axes": _("Failed sign-ins"),
    "otp_totp": _("Two-step devices"),
}
# For models of other packages, which those do not translate.
MODEL_NAMES = {"TOTPDevice": _("Two-step devices")}
MODEL_ORDER = ["Story", "Entry", "Image", "Link"]  # before all others
# Always empty, since they are turned off in the settings.
HIDDEN_MODELS = {"AccessFailureLog", "AccessLog"}

SEARCH_PARAMETERS: Final = {"q", "term"}  # their values may be anything
_HUGE_NUMBER: Final = re.compile(r"\d{19}")  # larger than any column


class AutocompleteView(AutocompleteJsonView):
    """Suggest rows for the foreign keys of forms."""

    def process_request(self, request: HttpRequest) -> tuple[Any, ...]:
        """Reject reverse relations, which are not fields of any form."""
        _term, admin, field, to_field = super().process_request(request)
        if not hasattr(field, "get_limit_choices_to"):
            raise PermissionDenied
        return request.GET.get("term", ""), admin, field, to_field


def _desk_name() -> str:
    return gettext("%(site)s desk") % {"site": settings.SITE_NAME}


class DeskSite(AdminSite):
    """The admin site, without the sidebar, which would repeat the index page."""

    enable_nav_sidebar = False
    index_title = _("The newsroom")
    site_header = site_title = lazy(_desk_name, str)()

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap a view so that invalid query parameters cause a 400 instead of a 500."""
        wrapped = super().admin_view(view, cacheable)

        @wraps(wrapped)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            _check_query(request.GET)
            try:
                return wrapped(request, *args, **kwargs)
            except (DataError, ValueError) as error:
                if request.method != "GET":
                    raise
                raise SuspiciousOperation("A filter has an odd value") from error

        return checked

    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Redirect a user who signs in to the live story they last wrote in, if any."""
        response = super().login(request, extra_context)
        board = reverse("admin:index")
        if request.method == "POST" and response.headers.get("Location") == board:
            # Imported here, since this module is loaded before the models.
            from entries.desk.board import landing_url
            from entries.verbs import Permissions

            response["Location"] = landing_url(Permissions.of(request.user))
        return response

    def autocomplete_view(self, request: HttpRequest) -> Any:
        """Return suggestions for a foreign key."""
        return AutocompleteView.as_view(admin_site=self)(request)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[Any]:
        """Return the apps and models in our order, without hidden ones."""
        found = super().get_app_list(request, app_label)
        for app in found:
            models = app["models"]
            models[:] = [m for m in models if m["object_name"] not in HIDDEN_MODELS]
            for model in models:
                model["name"] = MODEL_NAMES.get(model["object_name"], model["name"])
            models.sort(key=lambda model: _rank(MODEL_ORDER, model["object_name"]))
        return sorted(found, key=lambda app: _rank([*APP_NAMES], app["app_label"]))


def _check_query(query: QueryDict) -> None:
    """Raise SuspiciousOperation (400) for values that none of our pages sends."""
    for name, values in query.lists():
        joined = "\n".join([name, *values])
        if "\0" in joined or (
            name not in SEARCH_PARAMETERS and _HUGE_NUMBER.search(joined)
        ):
            raise SuspiciousOperation(f"Odd value of {name!r}")
    if query.get(TO_FIELD_VAR, "id") != "id":
        raise SuspiciousOperation("Rows are referred to by id only")


class DeskConfig(AdminConfig):
    """Django's admin app with `DeskSite` as its default site."""

    default_site = "liveblog.apps.DeskSite"

    def ready(self) -> None:
        """Set the names of apps on the index page."""
        super().ready()
        for label, name in APP_NAMES.items():
            apps.get_app_config(label).verbose_name = name


def _rank(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
