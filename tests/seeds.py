"""How many random seeds the tests try: a few daily, all with TEST_ALL_SEEDS=1."""

import os
from collections.abc import Iterable
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

ALL = os.environ.get("TEST_ALL_SEEDS") == "1"
DAILY = 4  # one in so many
# Of the oracle, in Chromium alone and in each engine.
ORACLE = os.environ.get("ORACLE_SEEDS", "1,2,3,4" if ALL else "1").split(",")
ORACLE_TURNS = int(os.environ.get("ORACLE_TURNS", "60"))


def part(items: Iterable[T], which: str) -> list[T]:
    """Return those of many cases that this run tries; `which` names the part."""
    cases = list(items)
    return cases if ALL else cases[crc32(which.encode()) % DAILY :: DAILY]


def examples(number: int) -> int:
    """Return how many of so many random examples this run tries."""
    return number if ALL else number // DAILY
