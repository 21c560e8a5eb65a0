#!/usr/bin/env python3
"""Run a management command; `manage.py help` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError


def main() -> None:
    """Run a command; what an operator has to mend is said in a sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveblog.settings")
    if "--traceback" in sys.argv:
        execute_from_command_line(sys.argv)
        return
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Not started: {error}")
    except OperationalError as error:
        sys.exit(f"The database says: {error} (--traceback shows where)")


if __name__ == "__main__":
    main()
