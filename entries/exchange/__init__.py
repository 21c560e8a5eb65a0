"""Stories from files and to files: the public interface of the package.

`text/` reads and writes the text form, `json` reads JSON (`entries/story_data.py`
declares and writes it), `html` writes a page. Both readers make a `Document`, and
`loading` makes rows of it.
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
