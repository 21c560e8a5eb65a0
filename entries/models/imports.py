"""Records of imports: of files, to recognize repeated ones, and of former URLs."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from entries.models.entries import Entry
from entries.models.stories import Story


class ImportedFile(models.Model):
    """A file that was imported as a story; `digest` is its SHA-256.

    `key` identifies a story of an archive, whatever file it comes in.
    """

    digest = models.CharField(max_length=64, db_index=True)
    key = models.CharField(max_length=64, null=True, unique=True)
    name = models.CharField(max_length=255)
    story = models.ForeignKey(Story, models.CASCADE, related_name="imported_from")
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("imported file")
        verbose_name_plural = _("imported files")

    def __str__(self) -> str:
        return self.name


class OldUrl(models.Model):
    """A URL of a story, or of one of its entries, on a former site.

    `path` is its path and query, as `entries.text.urls.old_path` returns them.
    """

    path = models.CharField(max_length=500, unique=True)
    story = models.ForeignKey(
        Story, models.CASCADE, null=True, related_name="old_url_rows"
    )
    entry = models.ForeignKey(
        Entry, models.CASCADE, null=True, related_name="old_url_rows"
    )

    class Meta:
        verbose_name = _("former URL")
        verbose_name_plural = _("former URLs")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(story=None) ^ models.Q(entry=None),
                name="old_url_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return self.path
