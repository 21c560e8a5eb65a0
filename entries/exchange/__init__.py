"""Import stories from files and export them: the public interface of the package.

Every import goes through the same stages:

1. `files` reads a file and detects whether it is JSON or text.
2. `json` validates JSON against the models of `story_data`; `text/` parses plain text
   (its `__init__` lists the stages in order). Both return a `Document`.
3. `report` describes the document for `import_story --dry-run` and `--json`.
4. `loading` creates the rows through the verbs, and `images` ingests the image files.

Exports: `text.writer` writes text and `html` one page; `story_data` declares the JSON.
"""

from entries.exchange.document import Document, ExchangeError, Kind, texts
from entries.exchange.files import imported_before, read_document, read_file
from entries.exchange.html import story_html
from entries.exchange.images import ImageFolder, Progress
from entries.exchange.loading import ImportOptions, Loaded, load, too_long
from entries.exchange.report import report
from entries.exchange.text.writer import story_text

__all__ = [
    "Document",
    "ExchangeError",
    "ImageFolder",
    "ImportOptions",
    "Kind",
    "Loaded",
    "Progress",
    "imported_before",
    "load",
    "read_document",
    "read_file",
    "report",
    "story_html",
    "story_text",
    "texts",
    "too_long",
]
