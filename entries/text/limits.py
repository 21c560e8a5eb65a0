"""Length limits of bodies and summaries, whose columns have none.

All other texts are limited by their columns (`entries.models.fields.max_length`).
"""

from typing import Final

MAX_BODY_LENGTH: Final = 20_000  # characters of Markdown source
MAX_CAPTIONS_LENGTH: Final = 200_000  # characters: two hours of talk
