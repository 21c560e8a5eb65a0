"""Import archives: files, or folders of files, with many stories of any system.

Every import goes through the same stages:

1. `files` finds the files, and the format of each by its content.
2. The module of the format yields an `ArchiveStory` for each story; `html_to_markdown`
   converts texts in HTML.
3. `importing` prepares the stories, in several processes if there are many, and saves
   one after the other, each in a transaction of its own.

To add a format, write a module with a `Format`, and add that to `ARCHIVE_FORMATS` in
`formats`.
"""

from entries.exchange.archives.base import ArchiveOptions, ArchiveStory, LeftOut, What
from entries.exchange.archives.files import Archive, open_archive
from entries.exchange.archives.formats import ARCHIVE_FORMATS
from entries.exchange.archives.importing import (
    ImportSettings,
    Status,
    StoryOutcome,
    import_archive,
)

__all__ = [
    "ARCHIVE_FORMATS",
    "Archive",
    "ArchiveOptions",
    "ArchiveStory",
    "ImportSettings",
    "LeftOut",
    "Status",
    "StoryOutcome",
    "What",
    "import_archive",
    "open_archive",
]
