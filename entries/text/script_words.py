"""The labels of scripts, as `words.js` reads them: in the active language."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext

from entries.text import cldr, gmt, languages

Messages = Mapping[str, str | Promise]


def script_words(messages: Messages, plurals: Messages) -> dict[str, Any]:
    """Return the messages, and the forms of those whose number decides, as JSON data.

    `plurals` come from `ngettext_lazy(…, "number")`. Their forms are named by CLDR's
    plural categories, which browsers know too (`Intl.PluralRules`).
    """
    samples = cldr.plural_samples()
    forms = {
        name: {kind: message % {"number": n} for kind, n in samples.items()}
        for name, message in plurals.items()
    }
    words = {name: str(message) for name, message in messages.items()}
    times = {
        "gmt": gettext("%(time)s GMT") % {"time": "{time}"},
        "gmt_dated": gmt.join_day("{time}", "{day}"),
    }
    return {
        "language": languages.own_language(),
        "locale": cldr.browser_locale(),
        "words": words | times | forms,
        "dates": cldr.date_patterns(),
        "digits": cldr.digits(),
    }
