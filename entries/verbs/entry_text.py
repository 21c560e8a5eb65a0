"""Check and render what an editor writes, before any lock is taken."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from django.utils.translation import gettext, gettext_lazy, ngettext

from entries.models import Entry, EntryVersion, Image, Link, Profile
from entries.pages import fragments
from entries.text import embeds, gmt, rendering
from entries.verbs.ledger import Refused

UNKNOWN_IMAGE = gettext_lazy(
    "There is no picture named “{}”. Upload it, or correct its name in the text."
)
# Returns the images with these names, and the links of the entry.
_FindRows = Callable[[Sequence[str]], tuple[list[Image], list[Link]]]


@dataclass(frozen=True)
class EntryText:
    """What an editor writes: the text of an entry, and its time in GMT.

    If `at` is None, the entry gets the time at which it is published.
    """

    body: str
    headline: str = ""
    at: datetime | None = None
    byline: str = ""

    @classmethod
    def of(cls, row: Entry | EntryVersion) -> "EntryText":
        """Return the text of an entry, or of an earlier version."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})

    def tidy(self) -> "EntryText":
        """Return the text as it is saved.

        Line endings are uniform, times are whole minutes, and pasted embed codes are
        reduced to their addresses.
        """
        return EntryText(
            embeds.reduce_embeds(rendering.tidy(self.body)),
            rendering.one_line(self.headline),
            gmt.whole_minute(self.at) if self.at else None,
            rendering.one_line(self.byline),
        )


@dataclass(frozen=True)
class RenderedBody:
    """A body as HTML, its images, and the values that the HTML depends on."""

    html: str
    images: Sequence[Image]
    inputs: object


def _inputs(images: Sequence[Image], links: Sequence[Link]) -> object:
    """Return what the HTML depends on besides the text, for comparison."""
    return (
        [image.shown_values for image in images],
        [(link.kind, link.text, link.url) for link in links],
    )


def _find_rows(names: Sequence[str], entry: Entry) -> tuple[list[Image], list[Link]]:
    images = list(Image.objects.named(names)) if names else []
    return images, list(entry.links.visible().with_targets()) if entry.pk else []


def render_text(text: EntryText, entry: Entry) -> RenderedBody:
    """Check and render the text of an entry. Raises Refused if it is invalid."""
    language = entry.story.language
    return render_text_with(text, lambda names: _find_rows(names, entry), language)


def render_text_with(
    text: EntryText, find_rows: _FindRows, language: str
) -> RenderedBody:
    """Check and render a text with images and links that need not be saved yet.

    `language` is that of its story. Raises Refused if the text is invalid.
    """
    if rendering.is_blank(text.body):
        raise Refused(gettext("Write the text of the entry first."), "body")
    try:
        body = rendering.ParsedBody(text.body)
        names = body.image_names
        images, links = find_rows(names)
        if unknown := set(names) - {image.name for image in images}:
            raise Refused(UNKNOWN_IMAGE.format(min(unknown)), "body")
        html = fragments.body_html(body, images, links, language=language)
    except rendering.BodyError as error:
        raise Refused(str(error), "body") from error
    return RenderedBody(html, images, _inputs(images, links))


def rerender_if_changed(
    rendered: RenderedBody, text: EntryText, entry: Entry
) -> RenderedBody:
    """Lock the images, and rerender if an image or a link changed before that."""
    names = [image.name for image in rendered.images]
    names += [image.poster.name for image in rendered.images if image.poster]
    if names:
        list(Image.objects.locked(names))
    rows = _find_rows(names, entry)
    return rendered if _inputs(*rows) == rendered.inputs else render_text(text, entry)


def apply_text(entry: Entry, text: EntryText, rendered: RenderedBody) -> None:
    """Assign a text and its HTML to an entry, which keeps its time if none is given."""
    entry.body, entry.headline = text.body, text.headline
    if text.byline != entry.byline:
        named = Profile.objects.filter(byline=text.byline)
        entry.credited = named.first() if text.byline else None
    entry.byline = text.byline
    entry.html = rendered.html
    if text.at:
        entry.at = text.at


def check_alt_texts(images: Iterable[Image]) -> None:
    """Raise Refused, naming every image without alt text or the mark as decorative.

    Or the first recording without a description, or with speech that cannot be read.
    """
    undescribed = [image for image in images if image.stem and not image.described]
    for image in undescribed:
        if image.media_type:
            message = gettext("“%(name)s”: %(what)s")
            raise Refused(message % {"name": image.name, "what": image.lacks}, "body")
    names = [image.name for image in undescribed]
    if names:
        message = ngettext(
            "The picture {names} has no alt text. "
            "Describe it, or mark it as decorative.",
            "{count} pictures have no alt text: {names}. "
            "Describe them, or mark them as decorative.",
            len(names),
        )
        quoted = ", ".join(f"“{name}”" for name in names)
        raise Refused(message.format(count=len(names), names=quoted), "body")
