"""The row about the site as a whole."""

import secrets

from django.db import models

# Raw SQL, because every page runs it: building the query from a queryset takes several
# times as long as the query itself.
_CURRENT = "SELECT id, epoch, seq FROM entries_site WHERE id = 1"


class Site(models.Model):
    """A single row about the whole site.

    `epoch` identifies the history of the database, and is replaced when a backup is
    restored. `seq` counts the changes to what all rails show. `folder` is the token of
    DATA_DIR (see `entries.operations.data_folder`), empty until it is known.
    """

    epoch = models.CharField(max_length=16, editable=False)
    seq = models.BigIntegerField(default=1, editable=False)
    folder = models.CharField(max_length=64, default="", editable=False)

    def __str__(self) -> str:
        return self.epoch

    @classmethod
    def current(cls) -> "Site":
        """Return the row, and create it if it does not exist yet."""
        for row in cls.objects.raw(_CURRENT):
            return row
        defaults = {"epoch": secrets.token_hex(4)}
        return cls.objects.get_or_create(pk=1, defaults=defaults)[0]
