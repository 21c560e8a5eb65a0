"""Images and recordings: their texts, and the URLs of their files."""

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from django.conf.locale import LANG_INFO
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from entries.images import ingest
from entries.models.fields import FoldedField, LineField
from entries.text import limits

FOCAL_STEP = 10  # percent: the steps in which the stylesheet moves a cropped picture


def _percentage(
    label: Any, help_text: Any
) -> "models.PositiveSmallIntegerField[int, int]":
    limit = MaxValueValidator(100, _("Give a percentage from 0 to 100."))
    return models.PositiveSmallIntegerField(
        label, default=50, validators=[limit], help_text=help_text
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

    def still_images(self) -> Self:
        """Return the images whose files are there, without recordings."""
        return self.filter(**Image.STILLS).exclude(stem="")

    def hidden(self) -> Self:
        """Return those that readers don't see: not `visible`, as a query."""
        unread = Q(no_speech=False, transcript="")
        unread &= Q(captions="") | Q(media_type__startswith=Image.AUDIO)
        return self.filter(
            Q(stem="")
            | Q(media_type="", alt="", decorative=False)
            | (~Q(media_type="") & (Q(alt="") | unread))
        )

    def named(self, names: Iterable[str]) -> Self:
        """Return the images with these names, with the posters of videos."""
        return self.filter(name__in=names).select_related("poster")


class Image(models.Model):
    """An image, a video or a sound recording: its texts, and the files of `images/`.

    A row without files is a missing image: editors see its name, readers nothing.
    `media_type`, `seconds` and `size` in bytes are those of a recording, which has one
    file; `poster` is the image that a video shows before it plays.
    """

    IMAGE, VIDEO, AUDIO = "image", "video", "audio"
    STILLS: ClassVar = {"media_type": ""}  # for queries
    # What editors write besides `alt`, `caption` and `credit`.
    MORE_TEXTS = (
        *("decorative", "no_speech", "captions", "captions_language", "transcript"),
        "poster",
    )

    name = models.SlugField(_("name"), max_length=120, unique=True, allow_unicode=True)
    alt = LineField(_("alt text"), max_length=500, blank=True)
    decorative = models.BooleanField(
        _("decorative"),
        default=False,
        help_text=_("Says nothing that the text does not say."),
    )
    caption = LineField(_("caption"), max_length=1000, blank=True)
    credit = LineField(_("credit"), max_length=200, blank=True)
    focal_x = _percentage(_("focal point, across"), _("Percent from the left edge."))
    focal_y = _percentage(_("focal point, down"), _("Percent from the top."))
    stem = models.CharField(max_length=80, blank=True, editable=False)
    width = models.PositiveIntegerField(default=0, editable=False)
    height = models.PositiveIntegerField(default=0, editable=False)
    widths = models.JSONField(default=list, editable=False)
    media_type = models.CharField(max_length=20, blank=True, editable=False)
    seconds = models.FloatField(default=0, editable=False)
    size = models.PositiveBigIntegerField(default=0, editable=False)
    poster = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="poster_of",
        limit_choices_to=STILLS,
        verbose_name=_("poster"),
    )
    captions = models.TextField(
        _("captions"),
        blank=True,
        max_length=limits.MAX_CAPTIONS_LENGTH,
        help_text=_("WebVTT or SRT; saved as WebVTT."),
    )
    captions_language = models.CharField(
        _("language of the captions"), max_length=20, default="en"
    )
    transcript = models.TextField(
        _("transcript"),
        blank=True,
        max_length=limits.MAX_BODY_LENGTH,
        help_text=_("What is said, for people who read it."),
    )
    no_speech = models.BooleanField(
        _("no speech"),
        default=False,
        help_text=_("Nobody speaks, so nothing to caption."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    folded = FoldedField(sources=["name", "alt", "caption", "credit"])

    objects = ImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def missing(self) -> bool:
        """Whether its file has not been uploaded yet."""
        return not self.stem

    @property
    def kind(self) -> str:
        """Return IMAGE, VIDEO or AUDIO; an image while its file is missing."""
        return self.media_type.partition("/")[0] or self.IMAGE

    @property
    def described(self) -> bool:
        """Whether it is accessible.

        An image has an alt text, or is decorative. A recording has a description, and
        its speech can be read.
        """
        if self.media_type:
            return bool(self.alt.strip()) and self.speech_readable
        return bool(self.alt.strip()) or self.decorative

    @property
    def speech_readable(self) -> bool:
        """Whether what a recording says can be read, or nothing is said.

        The player of a browser shows captions in videos only.
        """
        captioned = self.kind == self.VIDEO and self.captions
        return bool(captioned or self.transcript.strip() or self.no_speech)

    @property
    def lacks(self) -> str:
        """Return what to do before readers may see it; "" if nothing."""
        if self.described:
            return ""
        if not self.media_type:
            return gettext("Say what the picture shows, or mark it as decorative.")
        if not self.alt.strip():
            return gettext("Say in a sentence what the recording shows.")
        return self.lacks_for_speech

    @property
    def lacks_for_speech(self) -> str:
        """Return what to do so that speech can be read; "" if nothing."""
        if not self.media_type or self.speech_readable:
            return ""
        if self.kind == self.VIDEO:
            return gettext("Add captions or a transcript, or tick “No speech”.")
        return gettext("Add a transcript, or tick “No speech”.")

    @property
    def visible(self) -> bool:
        """Whether readers see it wherever it is shown: its file, with its alt text."""
        return not self.missing and self.described

    @property
    def shown_values(self) -> tuple[object, ...]:
        """Return everything that its figure depends on, for comparison."""
        return (
            *(self.pk, self.stem, self.alt, self.caption, self.credit),
            *(getattr(self, name) for name in self.MORE_TEXTS if name != "poster"),
            *(self.focal_point, self.poster and (self.poster.pk, self.poster.stem)),
        )

    @property
    def focal_point(self) -> tuple[int, int]:
        """Return what a crop keeps in view, in percent from the left and the top."""
        return self.focal_x, self.focal_y

    @property
    def focal_classes(self) -> str:
        """Return the CSS classes of its focal point; empty for the centre."""
        x, y = (FOCAL_STEP * round(n / FOCAL_STEP) for n in self.focal_point)
        return "" if x == y == 50 else f"focal-x{x} focal-y{y}"

    # --- Recordings

    @property
    def url(self) -> str:
        """Return the path of the URL of a recording's one file."""
        return self.variant_url(self.widths[0], ingest.EXTENSIONS[self.media_type])

    @property
    def path(self) -> str:
        """Return the path of its largest file for all browsers, in the folder."""
        ext = ingest.EXTENSIONS.get(self.media_type, ingest.FORMATS[-1])
        return ingest.variant_path(self.stem, self.widths[-1], ext)

    @property
    def poster_url(self) -> str:
        """Return the path of the URL of its poster; "" if it has none."""
        if self.poster is None or self.poster.missing:
            return ""
        return self.poster.fallback[0]

    @property
    def captions_url(self) -> str:
        """Return the path of the URL of its captions, which changes with them."""
        return reverse("captions", args=[self.stem, self.captions_digest])

    @property
    def captions_digest(self) -> str:
        """Return a hash of its captions."""
        return hashlib.sha256(self.captions.encode()).hexdigest()[:12]

    @property
    def captions_label(self) -> str:
        """Return the language of its captions, in that language."""
        info = LANG_INFO.get(self.captions_language.lower(), {})
        return str(info.get("name_local") or self.captions_language).capitalize()

    @property
    def length(self) -> str:
        """Return how long a recording is: `1:05`."""
        return f"{self.whole_seconds // 60}:{self.whole_seconds % 60:02}"

    @property
    def whole_seconds(self) -> int:
        """Return how long a recording is, at least a second."""
        return max(1, round(self.seconds))

    @property
    def line(self) -> str:
        """Return the line that shows it in a text."""
        return f"![]({'media' if self.media_type else 'image'}:{self.name})"

    # --- Images

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
        """Return the URL of its smallest picture: of a recording, its poster's."""
        if self.media_type:
            if self.poster and not self.poster.missing:
                return self.poster.thumb
            return static(f"entries/{self.kind}.svg")
        return self.variant_url(self.widths[0], ingest.FORMATS[-1])
