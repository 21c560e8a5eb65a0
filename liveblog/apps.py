"""The admin as this project has it: the newsroom first, in plain names."""

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

# In the order in which they stand on the first page.
PARTS = {
    "entries": "Newsroom",
    "auth": "Accounts and groups",
    "axes": "Sign-ins that failed",
    "otp_totp": "Second factors",
}
FIRST = ["Story", "Entry", "Image", "Link"]  # the others after them
NEVER_FILLED = {"AccessFailureLog", "AccessLog"}  # switched off in the settings


class Suggestions(AutocompleteJsonView):
    """Rows that a field of a form may lead to, by part of their names."""

    def process_request(self, request: HttpRequest) -> tuple[Any, ...]:
        """Refuse what no form can have: a relation seen from its other end."""
        _, admin, field, to_field = super().process_request(request)
        if not hasattr(field, "get_limit_choices_to"):
            raise PermissionDenied
        term = request.GET.get("term", "").replace("\0", "")
        return term, admin, field, to_field


class DeskSite(AdminSite):
    """The admin without its side bar, whose lists stand on the first page too."""

    enable_nav_sidebar = False

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer suggestions for the fields of forms."""
        return Suggestions.as_view(admin_site=self)(request)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[Any]:
        """List what editors want first; leave out what is always empty."""
        found = super().get_app_list(request, app_label)
        for part in found:
            models = part["models"]
            models[:] = [m for m in models if m["object_name"] not in NEVER_FILLED]
            models.sort(key=lambda model: _place(FIRST, model["object_name"]))
        return sorted(found, key=lambda part: _place([*PARTS], part["app_label"]))


class DeskConfig(AdminConfig):
    """Django's admin with that site."""

    default_site = "liveblog.apps.DeskSite"

    def ready(self) -> None:
        """Name the parts before their lists do."""
        super().ready()
        for label, name in PARTS.items():
            apps.get_app_config(label).verbose_name = name


def _place(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
