"""Measurements, each beside something known; `python -m benchmarks --help`."""

import logging
import os
import tempfile
from pathlib import Path

import django

from tests.servers import environment

# The verbs that the benchmark hands to other processes are imported here too.
os.environ |= environment(Path(tempfile.gettempdir()) / "liveblog-benchmarks")
django.setup()
logging.getLogger("httpx").setLevel(logging.WARNING)
