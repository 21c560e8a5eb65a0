"""Stories from files and to files: the door to the package."""

from entries.exchange.importing import (
    Understood,
    carry_out,
    imported_before,
    read_file,
    understand,
)
from entries.exchange.loading import Loaded, Wanted, too_long
from entries.exchange.page import story_page
from entries.exchange.pictures import Folder, Progress
from entries.exchange.story_json import picture_file, story_data, story_pictures
from entries.exchange.telling import story_text
from entries.exchange.told import ExchangeError, Kind, Told, texts
from entries.exchange.understood import understood

__all__ = [
    "ExchangeError",
    "Folder",
    "Kind",
    "Loaded",
    "Progress",
    "Told",
    "Understood",
    "Wanted",
    "carry_out",
    "imported_before",
    "picture_file",
    "read_file",
    "story_data",
    "story_page",
    "story_pictures",
    "story_text",
    "texts",
    "too_long",
    "understand",
    "understood",
]
