"""Verbs for images: add and save, and rerender whatever shows them."""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext, gettext_lazy

from entries.images import ingest, worker
from entries.images.media import Limits
from entries.models import Entry, Image
from entries.verbs.ledger import Refused, StaleRead, open_ledger, retry_on_stale_read
from entries.verbs.links import visible_link_states
from entries.verbs.permissions import SYSTEM, Permissions

ALT_TEXT_MISSING: Final = gettext_lazy("Readers see this picture. Add alt text.")


def ingest_upload(source: BinaryIO) -> ingest.IngestedImage:
    """Write the files of an uploaded image or recording, with names nobody can guess.

    Raises ingest.ImageError for an invalid one. This is slow, so call it outside of
    transactions.
    """
    key = salted_hmac("entries.pictures", "file names").digest()
    limits = Limits(settings.MEDIA_MAX_MB, settings.MEDIA_MAX_MINUTES)
    try:
        return worker.ingest_in_process(source, settings.IMAGES_DIR, key, limits)
    except ingest.ImageError as error:
        raise ingest.ImageError(gettext(error.message), **error.values) from error


@retry_on_stale_read
def add_image(
    name: str, ingested: ingest.IngestedImage, *, by: Permissions = SYSTEM, **texts: Any
) -> Image:
    """Add the row of an uploaded image, or complete the row of a missing one.

    Raises Refused if the name is invalid or belongs to another image.
    """
    _check_name(name)
    known = Image.objects.filter(name=name).first()
    image = known or Image(name=name)

    def fill() -> None:
        by.check_has("add_image")
        if image.pk and not _refresh(image):
            raise StaleRead
        fill_image(image, ingested, **texts)

    try:
        return _save(image, None, fill)
    except IntegrityError as error:
        if known:
            raise
        raise StaleRead from error  # somebody else has just taken the name


def reserve_image(name: str, *, by: Permissions = SYSTEM) -> None:
    """Save the row of an image whose file is on its way; do nothing if it exists.

    Raises Refused if the name is invalid.
    """
    by.check_has("add_image")
    _check_name(name)
    Image.objects.get_or_create(name=name)


def _check_name(name: str) -> None:
    try:
        Image._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise Refused(
            gettext("Name it with letters, digits and hyphens."), "name"
        ) from error


def fill_image(image: Image, ingested: ingest.IngestedImage, **texts: Any) -> Image:
    """Assign an ingested file and texts to an image, without saving it."""
    if not image.missing and image.stem != ingested.stem:
        raise Refused(
            gettext("There is another picture named “%(name)s”.")
            % {"name": image.name},
            "name",
        )
    if ingested.media_type and image.pk:
        _check_only_in_texts(image)
    image.stem = ingested.stem
    image.width, image.height = ingested.width, ingested.height
    image.widths = list(ingested.widths)
    image.media_type = ingested.media_type
    image.seconds, image.size = ingested.seconds, ingested.size
    for field in ("alt", "caption", "credit"):
        given = texts.get(field) or getattr(image, field) or getattr(ingested, field)
        setattr(image, field, given)
    for field in Image.MORE_TEXTS:
        setattr(image, field, texts.get(field, getattr(image, field)))
    return image


def _check_only_in_texts(image: Image) -> None:
    """Raise Refused if a missing image is wanted where only a picture can be shown."""
    uses = (image.led_stories, image.featured, image.portrait_of, image.poster_of)
    if any(rows.exists() for rows in uses):
        message = gettext("“%(name)s” must be a picture. Upload a picture for it.")
        raise Refused(message % {"name": image.name}, "name")


@retry_on_stale_read
def save_image(
    image: Image, fields: Collection[str] | None = None, *, by: Permissions = SYSTEM
) -> Image:
    """Save an image, and rerender every entry and head that shows it.

    `fields` are the fields to save, None for all: those that somebody else has changed
    are kept. Raises Refused if an image that readers see would be left without alt
    text.
    """

    def check() -> None:
        by.check_has("change_image")
        if fields is None:
            return
        if not _refresh(image, fields):
            raise Refused(gettext("This picture has been deleted."))
        if not image.described and seen_by_readers(Image.objects.get(pk=image.pk)):
            raise Refused(*missing_text(image))

    return _save(image, fields, check)


def missing_text(image: Image) -> tuple[str, str]:
    """Return what an undescribed image lacks for readers, and the field for it."""
    if not image.media_type:
        return str(ALT_TEXT_MISSING), "alt"
    field = "no_speech" if image.alt.strip() else "alt"
    return gettext("Readers see this. %(what)s") % {"what": image.lacks}, field


def seen_by_readers(image: Image) -> bool:
    """Return whether a published text, a public head or a person's page shows an image.

    One whose file has just arrived is not seen before it has its alt text.
    """
    if not image.visible:
        return False
    published = image.entries.filter(state=Entry.State.PUBLISHED)
    led = image.led_stories.public()
    return published.exists() or led.exists() or _shown_on_pages_of_people(image)


def _shown_on_pages_of_people(image: Image) -> bool:
    return image.portrait_of.exclude(slug=None).exists()


def _refresh(image: Image, fields: Collection[str] = ()) -> bool:
    """Refresh all but some fields under the lock; return False if it was deleted."""
    own = [f.name for f in Image._meta.fields if f.name not in (*fields, "id")]
    with suppress(Image.DoesNotExist):
        image.refresh_from_db(fields=own)
        return True
    return False


def _save(
    image: Image, fields: Collection[str] | None, act: Callable[[], Any]
) -> Image:
    """Take the locks, call `act` to check or complete the image, and save it."""
    entries, led = _shown_in(image)
    with open_ledger(*led, entries=entries) as ledger:
        featured = image.featured.values_list("pk", flat=True) if image.pk else ()
        features = visible_link_states(list(featured), lock=True)
        _lock_image(image, entries, led)
        act()
        image.save(update_fields=fields and {*fields, "folded"})
        for entry in Entry.objects.filter(pk__in=entries).order_by("pk"):
            if not ledger.rerender_entry(entry):
                ledger.row_changed(entry)  # it says which pictures wait for what
        for pk in sorted(led):
            ledger.head_changed(ledger.story(pk))
        heads = any(ledger.known_to_readers(ledger.story(pk)) for pk in led)
        if features or heads or _shown_on_pages_of_people(image):
            ledger.site_changed()
    return image


def _shown_in(image: Image) -> tuple[set[int], set[int]]:
    """Return the ids of the entries and the stories that show an image."""
    if not image.pk:
        return set(), set()
    shown = Entry.objects.filter(Q(images=image) | Q(images__poster=image))
    entries = shown.values_list("pk", flat=True)
    return set(entries), set(image.led_stories.values_list("pk", flat=True))


def _lock_image(image: Image, entries: set[int], led: set[int]) -> None:
    """Lock an image. Raises StaleRead if something else shows it by now."""
    list(Image.objects.locked([image.name]))
    now_entries, now_led = _shown_in(image)
    if now_entries - entries or now_led - led:
        raise StaleRead
