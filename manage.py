#!/usr/bin/env python3
"""Run a management command; `manage.py help` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError, OperationalError

from entries.database import errors


def main() -> None:
    """Run a command; report what an operator can fix in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveblog.settings")
    if "--traceback" in sys.argv:
        execute_from_command_line(sys.argv)
        return
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except ImproperlyConfigured as error:
        sys.exit(f"Not started: {error}")
    except (DatabaseError, OSError) as error:
        if sentence := errors.command_message(error):
            sys.stdout = None  # Python would try to write the rest at its end
            sys.exit(f"{sentence} (--traceback shows where)")
        if isinstance(error, OperationalError):
            sys.exit(f"The database says: {error} (--traceback shows where)")
        raise


if __name__ == "__main__":
    main()
