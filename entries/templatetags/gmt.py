"""Template tags for GMT times."""

from datetime import UTC, date, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from entries.text.gmt import (
    format_dated,
    format_day,
    format_full,
    format_hhmm,
    format_iso,
    format_stamp,
)

register = template.Library()


@register.simple_tag
def gmt(at: datetime, first_day: date | None = None) -> SafeString:
    """Render `<time>`: `1804 GMT`, with the date unless it is the story's first day."""
    return format_html(
        '<time datetime="{}">{}</time>', format_iso(at), format_stamp(at, first_day)
    )


@register.simple_tag
def gmt_dated(at: datetime, today: date | None = None) -> SafeString:
    """Render `<time>` with the date: `1804 GMT, 20 December`."""
    text = format_dated(at, today)
    return format_html('<time datetime="{}">{}</time>', format_iso(at), text)


@register.filter
def when(at: datetime) -> str:
    """Return a time for pages of today: `1804`, on other days with the date."""
    at, today = at.astimezone(UTC), datetime.now(UTC).date()
    day = f", {format_day(at.date(), today)}" if at.date() != today else ""
    return f"{format_hhmm(at)}{day}"


@register.filter
def hhmm(at: datetime) -> str:
    """Return the time alone: `1804`."""
    return format_hhmm(at)


@register.filter
def day_of(at: datetime) -> str:
    """Return the date alone: `20 December 2026`."""
    return format_day(at.astimezone(UTC).date())


@register.filter
def short_day(at: datetime) -> str:
    """Return the date alone, with the year if it is another one: `20 December`."""
    return format_day(at.astimezone(UTC).date(), datetime.now(UTC).date())


@register.filter
def full_gmt(at: datetime) -> str:
    """Return a time with its date and year, as text: `1804 GMT, 20 December 2026`."""
    return format_full(at)


@register.simple_tag
def gmt_full(at: datetime) -> SafeString:
    """Render `<time>` with its date and year."""
    words = format_full(at)
    return format_html('<time datetime="{}">{}</time>', format_iso(at), words)


@register.simple_tag
def gmt_day(on: date) -> SafeString:
    """Render `<time>` for a date: `21 December 2016`."""
    on = on.astimezone(UTC).date() if isinstance(on, datetime) else on
    return format_html('<time datetime="{}">{}</time>', on.isoformat(), format_day(on))
