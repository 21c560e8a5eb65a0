"""Start other processes that use the same database, such as those of an import.

This module must not import models: new processes import it before Django is set up.
"""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection


def can_share_database() -> bool:
    """Return whether other processes would see the rows that this one sees.

    They would not see those of an open transaction, nor those of a database in memory.
    """
    database = connection.settings_dict
    in_memory = connection.vendor == "sqlite" and "memory" in str(database["NAME"])
    return not (in_memory or connection.in_atomic_block)


def process_pool(processes: int) -> ProcessPoolExecutor:
    """Return a pool of processes with Django, which end when this process does."""
    context = multiprocessing.get_context("spawn")
    initial = (_database(), settings.IMAGES_DIR)
    return ProcessPoolExecutor(processes, context, _begin, initial)


def _database() -> dict[str, Any]:
    """Return the settings of the database in use, without a pool of connections."""
    options = dict(connection.settings_dict["OPTIONS"])
    options.pop("pool", None)
    return connection.settings_dict | {"OPTIONS": options}


def _begin(database: dict[str, Any], images: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    settings.DATABASES["default"] = database
    settings.IMAGES_DIR = images
    django.setup(set_prefix=False)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    # Otherwise processes whose parent was killed would wait for work for ever.
    parent.join()
    os._exit(1)
