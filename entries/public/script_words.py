"""The messages that the scripts of public pages show, for `{% reader_words %}`.

Braces stand for what a script fills in. Where a number decides, the keys end in `_one`
and `_many`.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

READER_MESSAGES: dict[str, str | Promise] = {
    # The status line
    "live": _("Live"),
    "polling": _("Live, every few seconds"),
    "connecting": _("Connecting…"),
    "reconnecting": _("Reconnecting…"),
    "offline": _("Offline…"),
    "behind": _("Catching up…"),
    "left_one": _("Catching up: {number} update left"),
    "left_many": _("Catching up: {number} updates left"),
    "ended": _("Ended"),
    "paused": _("Paused"),
    "pause": _("Pause"),
    "resume": _("Resume"),
    # Updates that have arrived
    "new_one": _("{number} new update"),
    "new_many": _("{number} new updates"),
    "earlier_one": _("{number} earlier update added"),
    "earlier_many": _("{number} earlier updates added"),
    # For each reader
    "your_time": _("{time} your time"),
    "share": _("Share"),
    "link_copied": _("Link copied"),
    "since_one": _("Since you were here at {time}: {number} update."),
    "since_many": _("Since you were here at {time}: {number} updates."),
    "since_more_one": _("Since you were here at {time}: more than {number} update."),
    "since_more_many": _("Since you were here at {time}: more than {number} updates."),
    "on_day": _("{time} GMT on {day}"),
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
