"""The site as a whole, and its series."""

import secrets

from django.db import models
from django.urls import reverse

from entries.models.fields import LineField

# Every page asks: to build the question each time costs several times the answer.
_CURRENT = "SELECT id, epoch, seq FROM entries_site WHERE id = 1"


class Site(models.Model):
    """The one row about the whole site.

    `epoch` names this history of the database: it is replaced when a backup is
    restored. `seq` counts the changes of what every rail shows. `folder` is the token
    of its DATA_DIR (`entries.folders`), empty until that is known.
    """

    epoch = models.CharField(max_length=16, editable=False)
    seq = models.BigIntegerField(default=1, editable=False)
    folder = models.CharField(max_length=64, default="", editable=False)

    def __str__(self) -> str:
        return self.epoch

    @classmethod
    def current(cls) -> "Site":
        """Return the row, made at the first call."""
        for row in cls.objects.raw(_CURRENT):
            return row
        fresh = {"epoch": secrets.token_hex(4)}
        return cls.objects.get_or_create(pk=1, defaults=fresh)[0]


class Series(models.Model):
    """A running column that stories belong to."""

    name = LineField(max_length=100, unique=True)
    slug = models.SlugField(max_length=100, unique=True)
    description = LineField(max_length=300, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the series page."""
        return reverse("series", args=[self.slug])
