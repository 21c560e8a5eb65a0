"""The verb that makes a story of its own from an update."""

from dataclasses import replace
from uuid import UUID

from django.utils.translation import gettext

from entries.models import Entry, Link, Story
from entries.models.fields import max_length
from entries.text import rendering
from entries.verbs.conditions import check_not_erased
from entries.verbs.entries import post
from entries.verbs.entry_text import EntryText
from entries.verbs.ledger import Refused, open_ledger
from entries.verbs.links import add_link_both_ways
from entries.verbs.permissions import SYSTEM, Permissions
from entries.verbs.stories import create_story

State = Entry.State


def story_from_entry(
    entry: Entry,
    headline: str = "",
    *,
    key: UUID | None = None,
    by: Permissions = SYSTEM,
) -> Story:
    """Make a draft story with the text of an update as its original entry.

    Both are linked to each other; readers see the links once the story is live. The
    headline is by default that of the update, else its first words. A text that is not
    published becomes a draft.

    Raises Refused for an original entry, and IntegrityError if the form identified by
    `key` has made a story before.
    """
    # The home story is locked first, as by all verbs: a link to it follows.
    with open_ledger(entry=entry):
        by.check_has("add_story")
        by.check_see(entry, entry.story)
        check_not_erased(entry)
        if entry.original:
            raise Refused(
                gettext("This text is the original entry of a story already.")
            )
        title = rendering.one_line(headline) or entry.first_words
        home = Story.objects.select_related("series").get(pk=entry.story_id)
        story = create_story(
            title[: max_length(Story, "headline")],
            key=key,
            by=by,
            series=home.series,
            language=home.language,
        )
        text = replace(EntryText.of(entry), at=None)
        if title == entry.headline:
            text = replace(text, headline="")
        # What readers do not see, such as a withdrawn text, stays with the editors.
        shown = entry.published and home.state != Story.State.WITHDRAWN
        state = State.PUBLISHED if shown else State.DRAFT
        post(story, text, author=entry.author, kind=Entry.Kind.ORIGINAL, state=state)
        # Permission to create the story is enough; none for links is needed.
        link = Link(kind=Link.Kind.SEE, entry=entry, target_story=story)
        add_link_both_ways(link)
    return story
