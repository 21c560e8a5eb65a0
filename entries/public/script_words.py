"""The messages that the scripts of public pages show, for `{% reader_words %}`.

Braces stand for what a script fills in. Where a number decides, `READER_PLURALS` has
the forms.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

READER_MESSAGES: dict[str, str | Promise] = {
    # The status line
    "live": _("Live"),
    "polling": _("Live, every few seconds"),
    "connecting": _("Connecting…"),
    "reconnecting": _("Reconnecting…"),
    "offline": _("Offline…"),
    "behind": _("Catching up…"),
    "ended": _("Ended"),
    "paused": _("Paused"),
    "pause": _("Pause"),
    "resume": _("Resume"),
    # For each reader
    "your_time": _("{time} your time"),
    "share": _("Share"),
    "link_copied": _("Link copied"),
    # Videos and posts of other sites, which load after a click
    "load_video": _("Play video"),
    "load_post": _("Show post"),
    "load_audio": _("Play audio"),
    "load_chart": _("Show chart"),
    "load_map": _("Show map"),
    "loads_from": _("Loads from {site}, which may set cookies."),
    "always_load": _("Always load from {site} on this visit"),
    "frame": _("Content from {site}"),
}

READER_PLURALS: dict[str, Promise] = {
    "left": ngettext_lazy(
        "Catching up: {number} update left",
        "Catching up: {number} updates left",
        "number",
    ),
    "new": ngettext_lazy(
        "{number} new update",
        "{number} new updates",
        "number",
    ),
    "earlier": ngettext_lazy(
        "{number} earlier update added",
        "{number} earlier updates added",
        "number",
    ),
    "since": ngettext_lazy(
        "Since you were here at {time}: {number} update.",
        "Since you were here at {time}: {number} updates.",
        "number",
    ),
    "since_more": ngettext_lazy(
        "Since you were here at {time}: more than {number} update.",
        "Since you were here at {time}: more than {number} updates.",
        "number",
    ),
}
