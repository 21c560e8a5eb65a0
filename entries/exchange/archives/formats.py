"""All formats of archives, in the order in which they are tried on a file."""

from typing import Final

from entries.exchange.archives import (
    corpora,
    feeds,
    google_docs,
    guardian,
    logs,
    own,
    schema_org,
    superdesk,
    wordpress,
)
from entries.exchange.archives.base import Format

# A file of ours may look like another's log of times, but not the other way round.
ARCHIVE_FORMATS: Final[tuple[Format, ...]] = (
    own.JSON,
    wordpress.WORDPRESS,
    guardian.GUARDIAN,
    superdesk.SUPERDESK,
    corpora.CORPORA,
    feeds.FEED,
    google_docs.GOOGLE_DOCS,
    schema_org.SCHEMA_ORG,
    own.TEXT,
    logs.LOG,
)
BY_NAME: Final = {each.name: each for each in ARCHIVE_FORMATS}
