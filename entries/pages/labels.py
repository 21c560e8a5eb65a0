"""Our own labels beside texts of people: languages, links in sentences, provenance.

All depend on the page that is being rendered (`languages.page_in`).
"""

from collections.abc import Iterable

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from entries.models import Story
from entries.text import cldr, languages


def own_attributes() -> SafeString:
    """Return `lang` and `dir` for our own labels, if the page is in another language.

    That is so where there is no catalogue for the language of a story.
    """
    if not languages.labels_differ():
        return SafeString("")
    tag = languages.own_language()
    return format_html(' lang="{}" dir="{}"', tag, languages.direction(tag))


def text_attributes(tag: str) -> SafeString:
    """Return `lang` for a text in the language `tag`, if the page is in another one."""
    if tag == languages.page_language() and not languages.labels_differ():
        return SafeString("")
    return format_html(' lang="{}"', tag)


def story_link(story: Story, name: str = "") -> SafeString:
    """Return a link to a story, by its title or another name, for our own sentences."""
    lang = text_attributes(story.language)
    mixed = lang or languages.direction(languages.page_language()) == "rtl"
    return format_html(
        '<a href="{}"{}{}>{}</a>',
        story.get_absolute_url(),
        lang,
        SafeString(' dir="auto"' if mixed else ""),
        name or story.title,
    )


def linked_stories(stories: Iterable[Story | tuple[Story, str]]) -> SafeString:
    """Return a list of links in one sentence: to stories, or to stories with names."""
    links = [
        story_link(*one) if isinstance(one, tuple) else story_link(one)
        for one in stories
    ]
    return mark_safe(cldr.join(links))  # noqa: S308 - each link is escaped


def cross_posted_from(source: str) -> SafeString:
    """Return the line that says where a text was first; `source` may be a link."""
    line = format_html(gettext("(Cross-posted from {source})"), source=source)
    return format_html('<p class="provenance"{}>{}</p>', own_attributes(), line)
