"""What readers cannot see moves nothing that they can ask for; what they can, does.

Every verb of the desk is done to a draft, and the answers of every kind of public
address are compared byte for byte, their headers included: a number that moves tells
that something is coming.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from entries import verbs
from entries.models import Entry, Image, Link, Posting, Profile, Site, Story
from entries.pages import story_page
from entries.verbs import EntryText
from tests.builders import make_original, make_series, make_story, make_update, text

pytestmark = pytest.mark.django_db
STEM = f"ee/{'e' * 40}"
LATER = timedelta(days=2)


@dataclass
class World:
    """A public story, and drafts of every kind behind it."""

    story: Story
    update: Entry
    draft: Story
    waiting: dict[str, Entry]
    gone: Story
    past: Entry
    picture: Image
    planned: Link

    def again(self) -> World:
        """Return the same as its rows are now."""
        now = {
            name: type(row).objects.get(pk=row.pk)
            for name, row in vars(self).items()
            if name != "waiting"
        }
        waiting = {
            name: Entry.objects.get(pk=row.pk) for name, row in self.waiting.items()
        }
        return World(**now, waiting=waiting)

    def asked(self, *, all_of_them: bool = False) -> dict[str, Any]:
        """Return what public addresses answer now, drawn anew, by their paths."""
        story_page._frame.cache_clear()
        site, row = Site.current(), Story.objects.get(pk=self.story.pk)
        at, up = f"/stories/{row.slug}/", f"updates/{self.update.pk}/"
        paths = [at, f"/stories/{row.slug}.json", "/", "/feed/"]
        if all_of_them:
            paths += [f"{at}feed/", f"{at}{up}", f"{at}{up}history/"]
            now = f"after={site.epoch}-{row.seq}&rail={site.seq}"
            paths += [f"{at}changes?after=", f"{at}changes?{now}"]
            paths += [
                "/sitemap.xml",
                "/news-sitemap.xml",
                "/series/tides/",
                "/series/tides/feed/",
                "/authors/ann-lee/",
                "/authors/ann-lee/feed/",
            ]
            older = "feed/?before=99999999999999999-1"
            paths += [f"{way}{older}" for way in ("/", at, "/series/tides/")]
            paths += ["/search/?q=ferry", "/search/?q=quokkas"]
            paths += ["/stories/quokkas-to-come/", "/stories/quokkas-to-come.json"]
            paths += ["/stories/quokkas-gone/", "/stories/quokkas-gone/feed/"]
        return {path: answer(path) for path in paths}


def answer(path: str, method: str = "get") -> tuple[int, dict[str, str], str]:
    found = getattr(Client(), method)(path)
    heads = {name: v for name, v in found.items() if name.lower() != "x-request-id"}
    return found.status_code, heads, found.content.decode()


@pytest.fixture
def world() -> World:
    story = make_story("Fog over the harbour", slug="fog", series="Tides")
    make_original(story)
    update = make_update(story, "The ferry has moored.")
    files = {"widths": [320], "width": 320, "height": 240, "alt": "A quokka"}
    picture = Image.objects.create(name="quokka", stem=STEM, **files)
    film = {"media_type": "video/webm", "widths": [64], "width": 64, "height": 48}
    spoken = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nQuokkas!\n"
    Image.objects.create(
        name="quokka-film",
        stem=f"dd/{'d' * 40}",
        alt="Quokkas run",
        captions=spoken,
        transcript="Quokkas!",
        poster=picture,
        **film,
    )
    body = "Quokkas were here.\n\n![](image:quokka)\n\n![](media:quokka-film)"
    past = verbs.withdraw(make_update(story, body, key_event=True))
    draft = make_story(
        "Quokkas to come", live=False, series="Tides", lead_image=picture
    )
    later = timezone.now() + LATER
    waiting = {
        "story": make_update(draft, "Quokkas are published in a draft."),
        "draft": make_update(story, "Quokkas wait.", state="draft"),
        "submitted": make_update(story, "Quokkas are sent.", state="submitted"),
        "scheduled": make_update(story, "Quokkas at noon.", at=later),
    }
    gone = verbs.withdraw_story(make_story("Quokkas gone", series="Tides"))
    planned = verbs.add_link(
        "feature", title="Quokkas!", starts_at=later, image=picture
    )
    verbs.add_link("feature", story=draft, title="Quokkas!", image=picture)
    for link in ({"story": story}, {"entry": update}, {}):
        kind = "see" if link else "feature"
        verbs.add_link(kind, target_story=draft, **link)
        verbs.add_link(kind, target_story=draft, title="Elsewhere", **link)
    person = Profile.objects.create(slug="ann-lee", byline="Ann Lee")
    verbs.post(story, EntryText("Ann saw it.", byline="Ann Lee"))
    hidden = [past.pk, *(entry.pk for entry in waiting.values())]
    Entry.objects.filter(pk__in=hidden).update(credited=person)
    for changed in (Story.objects, Site.objects):  # Last-Modified is compared
        changed.update(changed_at=timezone.now() - LATER)
    return World(story, update, draft, waiting, gone, past, picture, planned)


Act = Callable[[World], Any]


def posting(world: World, name: str) -> Posting:
    return world.waiting[name].postings.get(story=F("entry__story"))


def change_link(world: World) -> None:
    link = world.story.links.filter(title="").get()
    link.label = "Tuesday"
    verbs.save_link(link)


def own_links(world: World) -> None:
    """Add a line to a draft story and to a text in it, turn them round, remove them."""
    entry, to = world.waiting["story"], world.story
    for home in ({"story": world.draft}, {"entry": entry}):
        both = [verbs.add_link("see", target_story=to, **home) for _ in range(2)]
        verbs.order_links(both[::-1])
        verbs.remove_links(both)


def a_story(world: World) -> None:
    made = verbs.create_story("Quokkas again", series=world.story.series)
    make_update(made, "Quokkas.")
    verbs.delete_story(made)


def crossing(world: World) -> None:
    verbs.remove_cross_post(verbs.cross_post(world.update, world.draft))


def picture_words(world: World) -> None:
    world.picture.caption = "Quokkas at dusk"
    verbs.save_image(world.picture)


def film_words(world: World) -> None:
    film = Image.objects.get(name="quokka-film")
    film.transcript = "Quokkas at dusk"
    verbs.save_image(film)
    verbs.edit(
        world.waiting["draft"], text("Quokkas.\n\n![](media:quokka-film)"), version=1
    )
    film.no_speech, film.poster = True, None
    verbs.save_image(film)


def past_words(world: World) -> None:
    """Change what readers were told of and see no more, and all that marks it."""
    past = world.past
    verbs.edit(past, text("Quokkas?", at=past.at), version=1, correction="Q.")
    own = past.postings.get(story=F("entry__story"))
    verbs.set_marks(own, key_event=False)
    verbs.set_marks(own, pinned=True, key_event=True)
    verbs.add_link("see", entry=past, target_story=world.story)


def plan(world: World) -> None:
    later = timezone.now() + LATER
    link = verbs.add_link("feature", story=world.story, title="Q", starts_at=later)
    verbs.remove_link(link)
    world.planned.title = "Quokkas?"
    verbs.save_link(world.planned)
    verbs.remove_links([world.planned])


def begin(world: World) -> None:
    """Let a feature begin whose story nobody sees yet."""
    link = verbs.add_link(
        "feature", target_story=world.draft, starts_at=timezone.now() + LATER
    )
    Link.objects.filter(pk=link.pk).update(starts_at=timezone.now() - LATER)
    assert verbs.toggle_due_features() == 1


def desk(world: World) -> None:
    """Take each text that waits through all that is done before it is published."""
    entry = world.waiting["draft"]
    verbs.submit(entry)
    verbs.send_back(entry, "Add who said so.")
    edited = verbs.edit(entry, EntryText("Quokkas swim.", at=entry.at), version=1)
    verbs.move(edited, world.draft)
    verbs.move(edited, world.story)
    verbs.unschedule(world.waiting["scheduled"])
    verbs.restore(verbs.withdraw(world.waiting["submitted"]))
    for name in world.waiting:
        verbs.set_marks(posting(world, name), pinned=True, key_event=True)
    verbs.erase(entry)


def text_in_draft(world: World) -> None:
    entry = world.waiting["story"]
    verbs.edit(entry, text("Quokkas!"), version=1, correction="Quokkas.")
    verbs.restore(verbs.withdraw(entry))
    make_update(world.draft, "Quokkas too.", pinned=True, key_event=True)
    make_update(world.draft, at=timezone.now() + LATER)


def notes(world: World) -> None:
    """Write, answer, finish and delete notes on everything, public or not."""
    for entry in (None, world.update, *world.waiting.values()):
        note = verbs.add_note(world.story, "Quokkas?", entry=entry, handover=True)
        verbs.add_note(world.story, "Quokkas!", reply_to=note)
        verbs.set_note_done(note)
    verbs.delete_note(note)


def edits(name: str, **fields: Any) -> tuple[str, Act]:
    return f"edit {name}", lambda world: verbs.edit_story(world.draft, **fields)


INVISIBLE: dict[str, Act] = dict(
    [
        edits("headline", headline="Quokkas for certain"),
        edits("slug", slug="quokkas-for-certain"),
        edits("words", standfirst="Quokkas", summary="Quokkas", language="de"),
        edits("first day", first_day=None),
        edits("picture", lead_image=None),
        edits("series", series=None),
    ]
)
INVISIBLE |= {
    "lead on from a draft": lambda w: verbs.edit_story(w.draft, continues_in=w.story),
    "lead on to a draft": lambda w: verbs.edit_story(w.story, continues_in=w.draft),
    "change a withdrawn story": lambda w: verbs.edit_story(
        w.gone, headline="Quokkas are gone", standfirst="Gone"
    ),
    "link to a draft": lambda w: verbs.add_link(
        "latest", story=w.story, target_story=w.draft
    ),
    "change a link to a draft": change_link,
    "order links to a draft": lambda w: verbs.order_links(
        list(w.story.links.filter(title=""))
    ),
    "unlink a draft": lambda w: verbs.remove_links(Link.objects.filter(title="")),
    "links of a draft": own_links,
    "link a text that waits": lambda w: verbs.add_link(
        "see", entry=w.waiting["draft"], target_story=w.story
    ),
    "a picture's words": picture_words,
    "a recording's words": film_words,
    "what was withdrawn": past_words,
    "plan a feature": plan,
    "begin a feature": begin,
    "make and delete": a_story,
    "delete": lambda w: verbs.delete_story(w.draft),
    "cross-post": crossing,
    "post in a draft": text_in_draft,
    "the desk": desk,
    "notes": notes,
    "delete a draft": lambda w: verbs.delete_entry(w.waiting["draft"]),
    "take a draft over": lambda w: verbs.take_over(
        w.waiting["draft"], author=User.objects.create_user("editor2")
    ),
    "a story of its own": lambda w: verbs.story_from_entry(w.update, "Quokkas alone"),
}


def test_invisible_changes_change_no_response(world: World) -> None:
    before, moved = world.asked(), []
    for name, act in INVISIBLE.items():
        with transaction.atomic():
            act(world.again())
            after = world.asked()
            transaction.set_rollback(True)
        moved += [f"{name}: {path}" for path in before if after[path] != before[path]]
    assert not moved, "\n".join(moved)


def test_no_url_reveals_what_readers_cannot_see(world: World) -> None:
    before = world.asked(all_of_them=True)
    for name in (
        "edit headline",
        "change a withdrawn story",
        "a story of its own",
        "notes",
        "the desk",
        "delete",
    ):
        INVISIBLE[name](world.again())
    assert world.asked(all_of_them=True) == before
    for path, (_, _, body) in before.items():
        assert "uokka" not in body or "q=quokkas" in path, path


def turn_on(world: World) -> None:
    Link.objects.filter(pk=world.planned.pk).update(starts_at=timezone.now() - LATER)
    verbs.toggle_due_features()


def live_with_its_text(world: World) -> None:
    verbs.cross_post(world.update, world.draft)
    verbs.go_live(world.draft)


SHOWN: dict[str, tuple[Act, str, str]] = {
    "a story goes live": (lambda w: verbs.go_live(w.draft), "/", "Quokkas to come"),
    "a line to it": (
        lambda w: verbs.go_live(w.draft),
        "/stories/fog/",
        'See <a href="/stories/quokkas-to-come/">Tides: Quokkas to come',
    ),
    "a cross-post in it": (live_with_its_text, "/stories/fog/", "Also in <a"),
    "a planned feature": (turn_on, "/", "Quokkas!"),
    "a planned feature beside a story": (turn_on, "/stories/fog/", "Quokkas!"),
    "a series": (
        lambda w: verbs.save_series(_renamed(w)),
        "/series/tides/",
        "Low tides",
    ),
}


def _renamed(world: World) -> Any:
    series = make_series("Tides")
    series.name = "Low tides"
    return series


def test_content_that_becomes_visible_changes_the_etag_of_its_page(
    world: World,
) -> None:
    for name, (act, path, words) in SHOWN.items():
        _, before, body = answer(path)
        assert words not in body, name
        story_page._frame.cache_clear()  # what is undone gives its numbers again
        with transaction.atomic():
            act(world.again())
            _, after, body = answer(path)
            transaction.set_rollback(True)
        assert words in body, name
        assert after["ETag"] != before["ETag"], name


def test_a_series_without_a_public_story_changes_its_etag_too(world: World) -> None:
    series = make_series("Winds")
    before = answer("/series/winds/")[1]["ETag"]
    series.name = "High winds"
    verbs.save_series(series)
    assert answer("/series/winds/")[1]["ETag"] != before


def test_data_names_no_story_that_is_not_public(world: World) -> None:
    home = make_story("Quokkas at home")
    verbs.cross_post(make_update(home, "The pier is closed."), world.story)
    verbs.withdraw_story(home)
    data = answer("/stories/fog.json")[2]
    assert "The pier is closed." in data
    assert "Quokkas" not in data


def test_an_update_does_not_name_a_draft_it_is_cross_posted_to(world: World) -> None:
    verbs.cross_post(world.update, world.draft)
    verbs.edit(world.update, text("The ferry sails."), version=1)
    body = answer("/stories/fog/")[2]
    assert "The ferry sails." in body
    assert "Quokkas" not in body


def test_a_draft_responds_like_an_unknown_story(world: World) -> None:
    hidden = [entry.pk for name, entry in world.waiting.items() if name != "story"]
    pairs = [
        (f"/stories/{{}}{rest}", ["quokkas-to-come"], "nothing-to-come")
        for rest in ("/", ".json", "/feed/", "/changes?after=", "/stream")
    ]
    own = world.waiting["story"].pk
    pairs += [
        (f"/stories/{{}}/updates/{own}/{rest}", ["quokkas-to-come"], "nothing-to-come")
        for rest in ("", "history/")
    ]
    for rest in ("updates/{}/", "updates/{}/history/", "?at={}", "?before={}"):
        pairs.append((f"/stories/fog/{rest}", [*map(str, [*hidden, own])], "99999"))
    told = []
    for way, names, nothing in pairs:
        for method in ("get", "head", "options", "post"):
            wanted = answer(way.format(nothing), method)
            told += [
                f"{method} {way.format(name)}"
                for name in names
                if answer(way.format(name), method) != wanted
            ]
    assert not told, "\n".join(told)


def test_former_slugs_of_a_draft_are_never_revealed(world: World) -> None:
    verbs.edit_story(world.draft, slug="ice-to-come")
    verbs.go_live(world.draft)
    assert answer("/stories/ice-to-come/")[0] == 200
    assert answer("/stories/quokkas-to-come/")[0] == 404
    verbs.edit_story(world.draft, slug="ice-has-come")
    assert answer("/stories/ice-to-come/")[0] == 301
