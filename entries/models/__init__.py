"""The models: series, stories, entries, postings, links, images, and the desk's own."""

from entries.models.audience import Audience, AudienceMinute
from entries.models.desk import DeletedEntry, Draft, Presence, Snippet
from entries.models.entries import Entry, EntryVersion, Posting
from entries.models.images import Image
from entries.models.imports import ImportedFile, OldUrl
from entries.models.links import Link
from entries.models.notes import Mention, Note
from entries.models.people import Profile
from entries.models.search import SearchText
from entries.models.series import QuietRule, Series
from entries.models.site import Site
from entries.models.stories import Story, StorySlug, StoryVersion

__all__ = [
    "Audience",
    "AudienceMinute",
    "DeletedEntry",
    "Draft",
    "Entry",
    "EntryVersion",
    "Image",
    "ImportedFile",
    "Link",
    "Mention",
    "Note",
    "OldUrl",
    "Posting",
    "Presence",
    "Profile",
    "QuietRule",
    "SearchText",
    "Series",
    "Site",
    "Snippet",
    "Story",
    "StorySlug",
    "StoryVersion",
]
