"""The preview of a text, rendered by the same code as the published page."""

from copy import copy
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.translation import gettext

from entries.desk import see_lines
from entries.desk.forms import TextForm
from entries.desk.images import visible_images
from entries.models import Entry, Image, Posting, Story
from entries.pages import fragments
from entries.text import rendering
from entries.verbs import Permissions


@dataclass(frozen=True)
class Preview:
    """An HTML document with one entry, for an iframe, and warnings for the editor."""

    document: str
    notes: list[str]


def render_preview(
    permissions: Permissions, story: Story, entry: Entry, form: TextForm, **marks: bool
) -> Preview:
    """Render the text of a valid form as an entry of a story, without saving it.

    Only images that the writer may see are shown. `marks` are `pinned`, `key_event`.
    """
    entry = copy(entry)
    # An unsaved entry needs an id for looking up links and corrections, of which it
    # has none.
    entry.pk = entry.pk or 0
    entry.story = story
    text = form.text(entry.byline).tidy()
    entry.body, entry.headline, entry.byline = text.body, text.headline, text.byline
    entry.at = text.at or entry.at
    try:
        body = rendering.ParsedBody(entry.body)
        names = body.image_names
        visible = visible_images(permissions).select_related("poster")
        found = list(visible.filter(name__in=names))
        links = list(entry.links.visible().with_targets())
        known = {link.text for link in links if not link.unresolved}
        lines = see_lines.read_lines(entry, entry.body, known)
        links += lines.links
        entry.html = fragments.body_html(
            body, found, links, language=story.language, preview=True
        )
    except rendering.BodyError as error:
        return Preview("", [str(error)])
    posting = Posting(entry=entry, story=story, **marks)
    context = {"story": story, "entry": fragments.entry_html(posting)}
    document = render_to_string("admin/entries/desk/_preview_page.html", context)
    notes = [see_lines.near_question(*near) for near in lines.near.items()]
    return Preview(str(document), [*_notes(names, found), *notes])


def _notes(names: list[str], found: list[Image]) -> list[str]:
    known = {image.name: image for image in found}
    unknown = [name for name in names if name not in known]
    missing = [image.name for image in found if image.missing]
    undescribed = [image for image in found if image.stem and not image.described]
    stills = [image.name for image in undescribed if not image.media_type]
    lacking = [f"“{i.name}”: {i.lacks}" for i in undescribed if i.media_type]
    return [
        message % {"name": name}
        for message, of in (
            (gettext("There is no picture named “%(name)s”."), unknown),
            (gettext("The file of the picture “%(name)s” is missing."), missing),
            (gettext("The picture “%(name)s” has no alt text yet."), stills),
        )
        for name in of
    ] + lacking
