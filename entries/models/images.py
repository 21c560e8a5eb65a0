"""Images: their texts, and the URLs of their files."""

from collections.abc import Iterable
from typing import Any, Self

from django.core.validators import MaxValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy

from entries.images import ingest
from entries.models.fields import LineField

FOCAL_STEP = 10  # percent: the steps in which the stylesheet moves a cropped picture


def _percentage(help_text: Any) -> "models.PositiveSmallIntegerField[int, int]":
    limit = MaxValueValidator(100, gettext_lazy("Give a percentage from 0 to 100."))
    return models.PositiveSmallIntegerField(
        default=50, validators=[limit], help_text=help_text
    )


class ImageQuerySet(models.QuerySet["Image"]):
    """Queries that lock images."""

    def locked(self, names: Iterable[str]) -> Self:
        """Lock the images with these names until the transaction commits.

        Lock them last, after entries and stories. Then a change of a caption and the
        rendering of a text that uses it wait for each other.
        """
        locked = self.select_for_update(no_key=True).order_by("pk")
        return locked.filter(name__in=set(names))


class Image(models.Model):
    """An image: its texts, and the files that `images.ingest` wrote.

    A row without files is a missing image: editors see its name, readers nothing.
    """

    name = models.SlugField(max_length=120, unique=True, allow_unicode=True)
    alt = LineField(gettext_lazy("alt text"), max_length=500, blank=True)
    decorative = models.BooleanField(
        default=False,
        help_text=gettext_lazy("Says nothing that the text does not say."),
    )
    caption = LineField(max_length=1000, blank=True)
    credit = LineField(max_length=200, blank=True)
    focal_x = _percentage(gettext_lazy("Percent from the left edge."))
    focal_y = _percentage(gettext_lazy("Percent from the top."))
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
        """Whether its file has not been uploaded yet."""
        return not self.stem

    @property
    def described(self) -> bool:
        """Whether it is accessible: it has an alt text, or is decorative."""
        return bool(self.alt.strip()) or self.decorative

    @property
    def visible(self) -> bool:
        """Whether readers see it wherever it is shown: its file, with its alt text."""
        return not self.missing and self.described

    @property
    def focal_point(self) -> tuple[int, int]:
        """Return what a crop keeps in view, in percent from the left and the top."""
        return self.focal_x, self.focal_y

    @property
    def focal_classes(self) -> str:
        """Return the CSS classes of its focal point; empty for the centre."""
        x, y = (FOCAL_STEP * round(n / FOCAL_STEP) for n in self.focal_point)
        return "" if x == y == 50 else f"focal-x{x} focal-y{y}"

    def variant_url(self, width: int, ext: str) -> str:
        """Return the path of the URL of one variant."""
        return reverse("picture", args=[ingest.variant_path(self.stem, width, ext)])

    def srcset(self, ext: str) -> str:
        """Return the value of `srcset` for one format."""
        return ", ".join(f"{self.variant_url(w, ext)} {w}w" for w in self.widths)

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Return `(media type, srcset)` for each `<source>`, the best format first."""
        return [(f"image/{ext}", self.srcset(ext)) for ext in ingest.FORMATS[:-1]]

    @property
    def fallback(self) -> tuple[str, str]:
        """Return `(src, srcset)` for the `<img>`, in the format for every browser."""
        ext = ingest.FORMATS[-1]
        middle = self.widths[len(self.widths) // 2]
        return self.variant_url(middle, ext), self.srcset(ext)

    @property
    def thumb(self) -> str:
        """Return the URL of its smallest file."""
        return self.variant_url(self.widths[0], ingest.FORMATS[-1])
