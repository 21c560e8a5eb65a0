"""Limits of texts that no column has: bodies and summaries are unbounded text columns.

Limits of columns are those of the models' fields (`entries.models.fields.max_length`).
"""

from typing import Final

MAX_BODY_LENGTH: Final = 20_000  # characters of Markdown source
