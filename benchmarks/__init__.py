"""Benchmarks, each with a reference to compare with: `python -m benchmarks --help`."""

import logging
import os
import tempfile
from pathlib import Path

import django

from tests.servers import environment

# Functions sent to other processes are imported here too, so Django must be set up.
os.environ |= environment(Path(tempfile.gettempdir()) / "liveblog-benchmarks")
django.setup()
logging.getLogger("httpx").setLevel(logging.WARNING)
