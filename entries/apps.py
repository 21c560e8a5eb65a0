"""The Django application: its startup hooks, and the groups with permissions."""

from typing import Any, Final

from django.apps import AppConfig, apps
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

GROUP_PERMISSIONS: Final = {
    "Editors": {
        "story": "add change view",
        "entry": "add change view",
        "posting": "add change view",
        "image": "add change view",
        "series": "view",
        "link": "view",
    },
    "Moderators": {
        "story": "view",
        "entry": "view",
        "posting": "change view",
        "image": "view",
        "series": "view",
        "link": "add change delete view",
        "snippet": "add change delete view",
    },
    "Contributors": {"story": "view", "entry": "add"},
}


class EntriesConfig(AppConfig):
    """The configuration of the application."""

    name = "entries"
    verbose_name = _("Newsroom")

    def ready(self) -> None:
        """Register the checks, and create the groups after every migration."""
        from entries.database import wiping
        from entries.operations import checks, data_folder  # noqa: F401 - registers checks

        connection_created.connect(
            wiping.delete_securely, dispatch_uid="entries.database.wiping"
        )
        post_migrate.connect(create_groups, dispatch_uid="entries.groups")
        post_migrate.connect(
            data_folder.claim_data_folder, sender=self, dispatch_uid="entries.folder"
        )


def create_groups(using: str = "default", **_signal: Any) -> None:
    """Create the missing groups, and give groups without permissions theirs.

    Other groups are left as the chief of the desk has changed them, and only get
    permissions that this release has added.
    """
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    own = Permission.objects.using(using).filter(content_type__app_label="entries")
    known = set(own.values_list("codename", flat=True))
    # Permissions come from a receiver of the same signal, which may be called later.
    create_permissions(apps.get_app_config("entries"), verbosity=0, using=using)
    for name, models in GROUP_PERMISSIONS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        codes = {f"{verb}_{m}" for m, verbs in models.items() for verb in verbs.split()}
        if group.permissions.exists():
            codes -= known
        group.permissions.add(*own.filter(codename__in=codes))
