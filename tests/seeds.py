"""How many random seeds the tests try: a few daily, all with TEST_ALL_SEEDS=1."""

import os

ALL = os.environ.get("TEST_ALL_SEEDS") == "1"
DAILY = 4  # one in so many


def examples(number: int) -> int:
    """Return how many of so many random examples this run tries."""
    return number if ALL else number // DAILY
