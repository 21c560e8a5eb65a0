"""Template tags for links, languages and the site's own data."""

import json

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from entries.models import Link, Story
from entries.pages import fragments, labels
from entries.public.script_words import READER_MESSAGES, READER_PLURALS
from entries.text import cldr, languages
from entries.text.script_words import script_words
from entries.text.urls import absolute_url

register = template.Library()
register.filter("direction", languages.direction)
register.filter("absolute_url", absolute_url)
register.filter("news_code", languages.news_code)
register.filter("status_label", fragments.status_label)
register.filter("digits", cldr.localize_digits)
register.filter("in_sentence", languages.in_sentence)
register.simple_tag(languages.page_language, name="page_language")
register.simple_tag(labels.own_attributes, name="own_language")
register.simple_tag(labels.story_link, name="story_link")
register.simple_tag(labels.linked_stories, name="linked_stories")
register.simple_tag(labels.cross_posted_from, name="cross_posted_from")


@register.simple_tag
def page_direction() -> str:
    """Return the writing direction of the page: `rtl` or `ltr`."""
    return languages.direction(languages.page_language())


@register.simple_tag
def text_lang(story: Story) -> SafeString:
    """Return `lang` for a text of a story, if the page is in another language."""
    return labels.text_attributes(story.language)


@register.simple_tag
def text_language(story: Story) -> SafeString:
    """Return the attributes `lang` and `dir` of a field for a story's texts."""
    tag = story.language
    return format_html('lang="{}" dir="{}"', tag, languages.direction(tag))


@register.filter
def bdi(text: str, story: Story) -> SafeString:
    """Render a text of a story within a sentence of ours, in the story's language."""
    return languages.bdi(text, story.language)


@register.simple_tag
def anchor(link: Link) -> SafeString:
    """Render `<a>` for a link, or plain text if it has no public target."""
    return fragments.link_html(link)


@register.filter
def dated_as(html: str, story: Story) -> str:
    """Return the HTML of an entry with the dates that its story's page shows."""
    full = fragments.shows_full_dates(story, story.newest_at)
    return fragments.with_full_dates(html, story.language) if full else html


@register.simple_tag
def dated_anchor(link: Link) -> SafeString:
    """Render a link and, if its target is a story that is over, the days of that."""
    return anchor(link) + days(link.target_story)


@register.simple_tag
def days(story: Story | None) -> SafeString:
    """Render the days of a story that is over, to follow a link to it."""
    found = story.days if story else ""
    if not found:
        return SafeString("")
    return format_html(' <bdi class="days">{}</bdi>', found)


@register.simple_tag
def see_line(link: Link) -> SafeString:
    """Render the line `See …`."""
    return fragments.see_line_html(link)


@register.simple_tag
def reader_words() -> SafeString:
    """Render the messages that the scripts of public pages need, as JSON."""
    words = script_words(READER_MESSAGES, READER_PLURALS)
    content = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    return format_html('<meta name="reader-words" content="{}">', content)


@register.simple_tag
def site_name() -> str:
    """Return the setting `SITE_NAME`."""
    return str(settings.SITE_NAME)


@register.simple_tag
def imprint() -> str:
    """Return the URL of the imprint, or "" if there is none."""
    return reverse("imprint") if settings.IMPRINT_FILE else ""


@register.simple_tag
def contact() -> str:
    """Return the URL for contacting the newsroom, or "" if `CONTACT` is not set."""
    target: str = settings.CONTACT
    return f"mailto:{target}" if "@" in target and ":" not in target else target
