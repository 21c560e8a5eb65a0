"""Images: their texts and their files."""

from collections.abc import Iterable
from typing import Self

from django.db import models
from django.urls import reverse

from entries.images import ingest
from entries.models.fields import LineField


class ImageQuerySet(models.QuerySet["Image"]):
    """Images, and locking them."""

    def locked(self, names: Iterable[str]) -> Self:
        """Lock the images of these names until the commit, and return them.

        They are locked last, after entries and stories, so that a changed caption and
        a text that is rendered with it wait for each other.
        """
        locked = self.select_for_update(no_key=True).order_by("pk")
        return locked.filter(name__in=set(names))


class Image(models.Model):
    """A picture: its words, and the files that `images.ingest` made.

    A row without files is a missing picture: the editor sees its name, the
    reader nothing.
    """

    name = models.SlugField(max_length=120, unique=True, allow_unicode=True)
    alt = LineField("alt text", max_length=500, blank=True)
    decorative = models.BooleanField(
        default=False, help_text="Says nothing that the text does not say."
    )
    caption = LineField(max_length=1000, blank=True)
    credit = LineField(max_length=200, blank=True)
    stem = models.CharField(max_length=80, blank=True, editable=False)
    width = models.PositiveIntegerField(default=0, editable=False)
    height = models.PositiveIntegerField(default=0, editable=False)
    widths = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def missing(self) -> bool:
        """Whether the file has not arrived yet."""
        return not self.stem

    @property
    def described(self) -> bool:
        """Whether a reader who cannot see it is told enough."""
        return bool(self.alt.strip()) or self.decorative

    def variant_url(self, width: int, ext: str) -> str:
        """Return the public path of one variant."""
        return reverse("picture", args=[ingest.variant_path(self.stem, width, ext)])

    def srcset(self, ext: str) -> str:
        """Return the `srcset` of one format."""
        return ", ".join(f"{self.variant_url(w, ext)} {w}w" for w in self.widths)

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Return `(media type, srcset)` for the formats before the fallback."""
        return [(f"image/{ext}", self.srcset(ext)) for ext in ingest.FORMATS[:-1]]

    @property
    def fallback(self) -> tuple[str, str]:
        """Return `(src, srcset)` of the format that every browser reads."""
        ext = ingest.FORMATS[-1]
        middle = self.widths[len(self.widths) // 2]
        return self.variant_url(middle, ext), self.srcset(ext)

    @property
    def thumb(self) -> str:
        """Return the address of its smallest file."""
        return self.variant_url(self.widths[0], ingest.FORMATS[-1])
