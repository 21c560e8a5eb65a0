"""Lines that lead elsewhere, and the site's own name."""

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

from entries.models import Link
from entries.pages import fragments

register = template.Library()
RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}


@register.filter
def direction(language: str) -> str:
    """Return the writing direction of a language tag: `rtl` or `ltr`."""
    return "rtl" if language[:2] in RIGHT_TO_LEFT else "ltr"


@register.simple_tag
def anchor(link: Link) -> SafeString:
    """Draw `<a>` of a link, or plain words while it leads nowhere."""
    return fragments.link_html(link)


@register.simple_tag
def see_line(link: Link) -> SafeString:
    """Draw the line `See …`."""
    return fragments.see_line_html(link)


@register.simple_tag
def site_name() -> str:
    """Draw the name of the site."""
    return str(settings.SITE_NAME)


@register.simple_tag
def imprint() -> str:
    """Draw the address of the imprint, or nothing where there is none."""
    return reverse("imprint") if settings.IMPRINT_FILE else ""


@register.simple_tag
def contact() -> str:
    """Draw the address to write to, or nothing where none is set."""
    target: str = settings.CONTACT
    return f"mailto:{target}" if "@" in target and ":" not in target else target
