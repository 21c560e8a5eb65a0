"""Set up Django in the process that others are forked from (`tests/processes.py`)."""

import os
import sys
from contextlib import suppress
from importlib import import_module

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.utils.functional import empty
from PIL import Image

if "DATA_DIR" not in os.environ:
    raise ImportError("Without a data folder of the tests, one would be made here.")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveblog.settings")
django.setup()
# What every server and most commands go on to import, without reading settings.
import_module("entries.pages.story_data")
Image.init()
MigrationLoader(None)


def reload_settings() -> None:
    """Read the settings of a process from its own environment.

    They keep what apps have added to them. Wrong ones are not read here, but again when
    the process uses them first, and reports them.
    """
    before = vars(settings._wrapped)
    del sys.modules["liveblog.settings"]
    settings._wrapped = empty
    try:
        names = dir(settings)
    except ImproperlyConfigured:
        return
    for name in before.keys() - set(names):
        setattr(settings, name, before[name])
    connections.__dict__.pop("settings", None)
    connections._settings = None
    with suppress(AttributeError):
        del connections["default"]
