"""The URLs of a story's desk, which StoryAdmin adds before its own.

`desk_url(story, name)` reverses them. The moderators' pages are in `liveblog/urls.py`.
"""

from django.urls import path

from entries.desk import (
    actions,
    audience,
    composer,
    cross_posts,
    drafts,
    editing,
    history,
    images,
    links,
    moving,
    notes,
    notices,
    own_stories,
    pulse,
    quotes,
    searching,
    see_lines,
    snippets,
    states,
    summary,
)
from entries.desk.access import View

_STORY: list[tuple[str, View, str]] = [
    ("change/", composer.desk_page, "change"),
    ("history/", history.history_of_story, "history"),
    ("links/", links.story_links, "links"),
    ("desk/timeline/", pulse.poll, "timeline"),
    ("desk/stream/", pulse.stream, "stream"),
    ("desk/time/", notices.time_hint, "time"),
    ("desk/draft/", drafts.save_draft, "draft"),
    ("desk/summary/", summary.save_summary, "summary"),
    ("desk/find/", see_lines.find_to_insert, "find"),
    ("desk/notices/", notices.show_notices, "notices"),
    ("desk/search/", searching.search_timeline, "search"),
    ("desk/snippets/", snippets.snippets, "snippets"),
    ("desk/quote/", quotes.quote_post, "quote"),
    ("desk/embed/", quotes.reduce_code, "embed"),
    ("desk/notes/", notes.story_notes, "notes"),
    ("audience/", audience.audience, "audience"),
    ("desk/state/", states.change_state, "state"),
    ("desk/pictures/", images.upload_image, "upload"),
    ("desk/pictures/add/", composer.add_image_to_new, "add_picture"),
    ("desk/pictures/shown/", images.show_cards, "pictures"),
    ("desk/pictures/<row:image_pk>/", images.save_image_fields, "words"),
]
_ENTRY: list[tuple[str, View, str]] = [
    ("edit/", editing.edit_entry, "edit"),
    ("pictures/", editing.add_image_to_entry, "edit_picture"),
    ("do/", actions.row_action, "act"),
    ("cross/", cross_posts.cross_post_panel, "cross"),
    ("move/", moving.move_panel, "move"),
    ("story/", own_stories.own_story, "own_story"),
    ("notes/", notes.entry_notes, "entry_notes"),
    ("history/", history.history_of_entry, "versions"),
    ("links/", links.entry_links, "entry_links"),
    ("see/", see_lines.choose_story, "see"),
]
STORY_URLS = [
    path(folder + end, view, name=f"entries_story_{name}")
    for folder, views in (
        ("<row:pk>/", _STORY),
        ("<row:pk>/desk/entries/<row:entry_pk>/", _ENTRY),
    )
    for end, view, name in views
]
