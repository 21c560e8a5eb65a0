"""English dates as in Britain: Django's own of `en` are American."""

from django.conf.locale.en_GB.formats import *  # noqa: F403
