"""The row about the site as a whole."""

import re
import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Raw SQL, because every page runs it: building the query from a queryset takes several
# times as long as the query itself.
_CURRENT = (
    "SELECT id, epoch, seq, changed_at, release, feed_authority "
    "FROM entries_site WHERE id = 1"
)
_DOMAIN = re.compile(r"[^:]+\.[^.:]*[a-z][^.:]*")  # no IP address, and not localhost


class Site(models.Model):
    """A single row about the whole site.

    `epoch` identifies the history of the database, and is replaced when a backup is
    restored. `seq` counts the changes to what all rails show. `changed_at` is the time
    of the latest one, or of the start of a new `release` (see `public.caching`).
    `folder` is the token of DATA_DIR (see `entries.operations.data_folder`), empty
    until it is known. `feed_authority` is a part of the ids in feeds, which never
    change, whatever `SITE_URL` becomes.
    """

    epoch = models.CharField(max_length=16, editable=False)
    seq = models.BigIntegerField(default=1, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    release = models.CharField(max_length=64, default="", editable=False)
    folder = models.CharField(max_length=64, default="", editable=False)
    feed_authority = models.CharField(max_length=255, default="", editable=False)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")

    def __str__(self) -> str:
        return self.epoch

    @classmethod
    def current(cls) -> "Site":
        """Return the row, and create it if it does not exist yet."""
        for row in cls.objects.raw(_CURRENT):
            return row
        defaults = {"epoch": secrets.token_hex(4), "feed_authority": _new_authority()}
        return cls.objects.get_or_create(pk=1, defaults=defaults)[0]


def _new_authority() -> str:
    """Return the name that a new site has in the ids of feeds (RFC 4151).

    That is its host, or a random name if the host is not its alone: `127.0.0.1`.
    """
    host = urlsplit(settings.SITE_URL).hostname or ""
    return host if _DOMAIN.fullmatch(host) else f"{secrets.token_hex(8)}.invalid"
