"""The admin as this project has it: the newsroom first, in plain names."""

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest

# In the order in which they stand on the first page.
PARTS = {
    "entries": "Newsroom",
    "auth": "Accounts and groups",
    "axes": "Sign-ins that failed",
    "otp_totp": "Second factors",
}
FIRST = ["Story", "Entry", "Image", "Link"]  # the others after them
NEVER_FILLED = {"AccessFailureLog", "AccessLog"}  # switched off in the settings


class DeskSite(AdminSite):
    """The admin without its side bar, whose lists stand on the first page too."""

    enable_nav_sidebar = False

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
