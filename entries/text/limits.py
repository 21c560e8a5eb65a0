"""Limits of bodies and summaries, whose columns are unbounded.

All other limits are those of the columns (`entries.models.fields.max_length`).
"""

from typing import Final

MAX_BODY_LENGTH: Final = 20_000  # characters of Markdown source
