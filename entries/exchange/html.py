"""Export a story as one self-contained HTML file, without scripts."""

import base64
import re
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.urls import resolve

from entries.images import ingest
from entries.models import Image, Link, Posting, Story
from entries.pages import fragments
from entries.text import languages, media
from entries.text.urls import absolute_url

# Regexes are safe here: in HTML we rendered, text has no "<" and attributes no ">".
_SOURCE: Final = re.compile(r"<source\b[^>]*>")
_TAG: Final = re.compile(r"<(?:a|img|video|audio|track)\b[^>]*>")
_RESPONSIVE: Final = re.compile(r'\s(?:srcset|sizes|loading|fetchpriority)="[^"]*"')
_SRC: Final = re.compile(r'(?<=\s)(src|poster)="([^"]*)"')
_PATH: Final = re.compile(r'(?<=\shref=")(?=/)')
_JUMP: Final = re.compile(r'\shref="[^"]*" data-jump="(entry-\d+)"')


def story_html(story: Story) -> str:
    """Return the published entries of a story as an HTML page, newest update first.

    Images and recordings are `data:` URLs; links to pages of the site are absolute.
    Times have their full date, since the file may be opened years later.
    """
    postings = list(
        story.postings.published()
        .select_related("entry__story__series", "story__series")
        .order_by("-entry__at", "-entry_id")
    )
    links = list(story.links.visible().with_targets())
    context = {
        "story": story,
        "style": _style(),
        "address": absolute_url(story.get_absolute_url()),
        "head": fragments.head_html(story),
        "key_events": fragments.key_events_html(story, fragments.key_events(story)),
        "updates": [_html(p, story) for p in postings if not p.entry.original],
        "original": [_html(p, story) for p in postings if p.entry.original],
        "features": [link for link in links if link.kind == Link.Kind.FEATURE],
        "pinned": [link for link in links if link.kind == Link.Kind.LATEST],
        "related": [link for link in links if link.kind in Link.RELATED_KINDS],
    }
    with languages.page_in(story.language):
        html = render_to_string("entries/export.html", context)
    plain = media.without_frames(_SOURCE.sub("", html))
    dated = fragments.with_full_dates(plain, story.language)
    return _TAG.sub(lambda tag: _self_contained(tag[0]), dated)


def _html(posting: Posting, story: Story) -> str:
    """Return the fragment of an entry; those of a draft story have not been saved."""
    posting.story = story
    return posting.html or fragments.entry_html(posting)


def _style() -> str:
    """Return the style sheet of the public pages, which imports no other file."""
    found = finders.find("entries/site.css")
    return Path(found).read_text(encoding="utf-8") if isinstance(found, str) else ""


def _self_contained(tag: str) -> str:
    if not tag.startswith("<a "):
        tag = _RESPONSIVE.sub("", tag)
        return _SRC.sub(lambda file: f'{file[1]}="{_data_url(file[2])}"', tag)
    tag = _JUMP.sub(r' href="#\1"', tag)
    return _PATH.sub(settings.SITE_URL, tag)


def _data_url(url: str) -> str:
    """Return a file as a `data:` URL; an empty one if it is gone."""
    match = resolve(url)
    if match.url_name == "captions":
        found = Image.objects.filter(stem=match.kwargs["stem"])
        texts = {image.captions_digest: image.captions for image in found}
        content = texts.get(match.kwargs["digest"], "").encode()
        media_type = "text/vtt"
    else:
        path = match.kwargs["path"]
        try:
            content = (settings.IMAGES_DIR / path).read_bytes()
        except OSError:
            return "data:,"
        media_type = ingest.media_type(path)
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
