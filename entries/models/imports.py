"""A record of imported files, by which repeated imports are recognized."""

from django.db import models

from entries.models.stories import Story


class ImportedFile(models.Model):
    """A file that was imported as a story; `digest` is its SHA-256."""

    digest = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=255)
    story = models.ForeignKey(Story, models.CASCADE, related_name="imported_from")
    imported_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
