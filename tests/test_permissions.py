"""Who may do what: every address, asked as everybody; and no draft leaves by any.

What is expected stands in one table, in README. A new address needs a line in
ADDRESSES: the row of that table which its GET needs, and those of what is posted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from entries import verbs
from entries.desk.access import desk_url
from entries.images import worker
from entries.images.ingest import ImageError
from entries.models import Draft, Entry, Image, Profile, Site, Snippet, Story
from entries.verbs import EntryText
from liveblog import request_limits
from liveblog.pools import pool_of
from tests import seeds
from tests.builders import (
    make_original,
    make_series,
    make_story,
    make_update,
    make_user,
    signed_in,
)

pytestmark = pytest.mark.django_db
README = Path(__file__).resolve().parent.parent / "README.md"
SECRET = "Quokkas"  # stands in whatever readers must not see
STEM = f"ee/{'e' * 40}"  # names the files of a picture that only a draft shows
GROUPS = {"contributor": "Contributors", "editor": "Editors", "moderator": "Moderators"}

# The rows of README's table, and two more that need no row.
READ, DESK, WRITE = "read what", "see the desk", "write and submit"
SEE, PUBLISH, RUN = "see drafts", "publish, edit", "start, change"
CROSS, LINK, CHIEF = "cross-post", "link stories", "accounts"
NOBODY, NOT_OFFERED = "nobody", ""


@dataclass(frozen=True)
class Needs:
    """What an address needs: to GET it, and to POST each of some forms.

    `at`: how it is filled in, where that is not by the world's own names.
    """

    get: str = NOT_OFFERED
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    at: dict[str, Any] = field(default_factory=dict)
    query: str = ""


def do(act: str, *names: str, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(act, {"do": name} | more) for name in names]


def plain(
    model: str, add: str, view: str, change: str, delete: str
) -> dict[str, Needs]:
    """Return the needs of the admin's own addresses of a model."""
    return {
        f"admin:{model}_changelist": Needs(view),
        f"admin:{model}_add": Needs(add, [(add, {})]),
        f"admin:{model}_history": Needs(view),
        f"admin:{model}_change": Needs(view, [(change, {})]),
        f"admin:{model}_delete": Needs(delete, [(delete, {"post": "yes"})]),
        f"admin/{'/'.join(model.rsplit('_', 1))}/<path:object_id>/": Needs(DESK),
    }


PUBLIC = [
    "front",
    "author",
    "author_feed",
    "feed",
    "search",
    "series",
    "series_feed",
    "story",
    "story_feed",
]
PUBLIC += ["entry", "entry_history", "story_json", "changes", "stream", "sitemap"]
PUBLIC += ["news_sitemap", "robots", "imprint", "healthz", "metrics", "readyz"]
PUBLIC += ["admin:login", "favicon", "touch_icon"]
KEEPING = {"form": "composer", "body": "A", "key": "a", "typed": 1}
EDITING = {"body": "Changed.", "version": 1, "action": "save"}
COMPOSING = [
    (WRITE, {"body": "A", "action": "submit"}),
    (PUBLISH, {"body": "A", "action": "publish"}),
]
PERSON = {"name": "Ann Lee", "mail": "ann@example.org", "role": "Editors"}
AN_ENTRY = "admin:entries_story_{}".format
ADDRESSES = {
    **{name: Needs(READ) for name in PUBLIC},
    "picture": Needs(READ, at={"path": f"ab/{'a' * 40}-320.jpg"}),
    "captions": Needs(READ, at={"stem": f"ab/{'a' * 40}", "digest": "a" * 12}),
    # The admin itself
    "admin:index": Needs(DESK),
    "newsroom": Needs(DESK),
    "lists": Needs(DESK),
    "admin:logout": Needs(NOT_OFFERED),
    "admin:password_change": Needs(DESK),
    "admin:password_change_done": Needs(DESK),
    "admin:jsi18n": Needs(DESK),
    "admin:view_on_site": Needs(DESK),
    "admin:autocomplete": Needs(
        SEE, query="app_label=entries&model_name=link&field_name=entry&term="
    ),
    "admin:app_list": Needs(DESK),
    "admin/(?P<url>.*)$": Needs(NOT_OFFERED, at={"url": "no/such/page"}),
    # The desk of a story
    AN_ENTRY("changelist"): Needs(DESK),
    AN_ENTRY("add"): Needs(RUN, [(RUN, {"headline": "A"})]),
    AN_ENTRY("change"): Needs(DESK, COMPOSING),
    AN_ENTRY("details"): Needs(RUN, [(RUN, {"headline": "A", "slug": "a"})]),
    AN_ENTRY("history"): Needs(SEE),
    AN_ENTRY("delete"): Needs(CHIEF, [(CHIEF, {"post": "yes"})]),
    AN_ENTRY("timeline"): Needs(DESK, query="have=0.0.live.x"),
    AN_ENTRY("stream"): Needs(DESK),
    AN_ENTRY("time"): Needs(DESK, query="at=1015"),
    AN_ENTRY("draft"): Needs(posts=[(WRITE, KEEPING)]),
    AN_ENTRY("search"): Needs(DESK, query="q=quokkas&state=draft&at=2351"),
    AN_ENTRY("notes"): Needs(DESK, [(WRITE, {"text": "Call the harbour."})]),
    AN_ENTRY("entry_notes"): Needs(DESK, [(WRITE, {"text": "Who said so?"})]),
    AN_ENTRY("own_story"): Needs(RUN, [(RUN, {"headline": "A"})]),
    AN_ENTRY("snippets"): Needs(WRITE),
    AN_ENTRY("quote"): Needs(
        posts=[(WRITE, {"text": "Fog.", "name": "Ada", "handle": "@ada"})]
    ),
    AN_ENTRY("embed"): Needs(posts=[(WRITE, {"text": "Fog."})]),
    AN_ENTRY("find"): Needs(WRITE, query="q=ferry"),
    AN_ENTRY("see"): Needs(SEE, [(SEE, {"see": "1:1"})]),
    AN_ENTRY("notices"): Needs(posts=[(WRITE, {"body": "A"})]),
    AN_ENTRY("audience"): Needs(DESK, query="hours=3"),
    AN_ENTRY("state"): Needs(
        posts=do(RUN, "close", "withdraw", "live", "keep", "reopen")
    ),
    AN_ENTRY("summary"): Needs(posts=[(RUN, {"body": "A", "version": 1})]),
    AN_ENTRY("upload"): Needs(posts=[(RUN, {})]),
    AN_ENTRY("add_picture"): Needs(RUN, [(RUN, {})]),
    AN_ENTRY("edit_picture"): Needs(RUN, [(RUN, {})]),
    AN_ENTRY("pictures"): Needs(RUN),
    AN_ENTRY("words"): Needs(posts=[(RUN, {})]),
    AN_ENTRY("edit"): Needs(PUBLISH, [(PUBLISH, EDITING)]),
    AN_ENTRY("act"): Needs(
        posts=[
            *do(PUBLISH, "key", "pin", "unpin", "withdraw", "undo", "restore"),
            *do(PUBLISH, "publish", "unschedule"),
            *do(PUBLISH, "take_over", "delete"),
            *do(CROSS, "take_back"),
        ]
    ),
    AN_ENTRY("cross"): Needs(
        CROSS, [(CROSS, {name: 1}) for name in ("to", "back", "again")]
    ),
    AN_ENTRY("move"): Needs(PUBLISH, [(PUBLISH, {"to": 1})]),
    AN_ENTRY("versions"): Needs(SEE, do(CHIEF, "erase")),
    AN_ENTRY("entry_links"): Needs(SEE, do(LINK, "remove")),
    AN_ENTRY("links"): Needs(SEE, do(LINK, "remove")),
    "admin/entries/story/<path:object_id>/": Needs(DESK),
    # Moderators' and chiefs' pages
    "people": Needs(CHIEF),
    "person_add": Needs(CHIEF, [(CHIEF, PERSON)]),
    "person": Needs(CHIEF, [(CHIEF, PERSON), *do(CHIEF, "deactivate", "invite")]),
    "moderate": Needs(LINK),
    "feature": Needs(SEE, do(LINK, "remove")),
    "resolve": Needs(LINK, do(LINK, "remove")),
    # Lists
    **plain("entries_entry", NOBODY, SEE, SEE, CHIEF),
    "admin:entries_entry_queue": Needs(WRITE),
    **plain("entries_image", RUN, SEE, RUN, CHIEF),
    **plain("entries_link", LINK, SEE, LINK, LINK),
    **plain("entries_series", CHIEF, SEE, CHIEF, CHIEF),
    **plain("entries_snippet", LINK, LINK, LINK, LINK),
    **plain("auth_group", CHIEF, CHIEF, CHIEF, CHIEF),
    **plain("auth_user", CHIEF, CHIEF, CHIEF, CHIEF),
    **{
        name: needs
        for model in ("accessattempt", "accessfailurelog", "accesslog")
        for name, needs in plain(f"axes_{model}", NOBODY, CHIEF, CHIEF, CHIEF).items()
    },
    **plain("otp_totp_totpdevice", CHIEF, CHIEF, CHIEF, CHIEF),
    "admin:otp_totp_totpdevice_config": Needs(NOBODY),
    "admin:otp_totp_totpdevice_qrcode": Needs(NOBODY),
    "account": Needs(DESK, [(DESK, {"desk_language": "de"})]),
    "second_factor": Needs(DESK),
    "password_reset_confirm": Needs(READ, at={"uidb64": "MQ", "token": "a-b"}),
    "password_reset_complete": Needs(READ),
    "admin:auth_user_password_change": Needs(CHIEF, [(CHIEF, {})]),
}
# Addresses that ask more of a contributor than the table can say: their own texts.
OWN = {AN_ENTRY("versions")}


def table() -> dict[str, dict[str, bool]]:
    """Read README's table: act → role → whether they may."""
    part = README.read_text().split("## Who may do what")[1].split("\n## ")[0]
    lines = [
        line.strip("|").split("|") for line in part.splitlines() if line[:1] == "|"
    ]
    head = [cell.strip() for cell in lines[0][1:]]
    return {
        line[0].strip(): {
            role: cell.strip() == "yes"
            for role, cell in zip(head, line[1:], strict=True)
        }
        for line in lines[2:]
    }


def expected() -> dict[str, dict[str, bool]]:
    rows = table()
    acts = (READ, DESK, WRITE, SEE, PUBLISH, RUN, CROSS, LINK, CHIEF)
    found = {
        act: next(may for what, may in rows.items() if what.startswith(act))
        for act in acts
    }
    return found | {NOBODY: dict.fromkeys(found[READ], False)}


def addresses(patterns: Any = None, way: str = "", space: str = "") -> Iterator[str]:
    """Yield the name of every address; its pattern where it has none."""
    for pattern in patterns or get_resolver().url_patterns:
        here = way + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            name = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from addresses(pattern.url_patterns, here, space + name)
        elif isinstance(pattern, URLPattern):
            yield f"{space}{pattern.name}" if pattern.name else here


@dataclass
class World:
    """One of everything, and texts of every state with a word that could leak."""

    story: Story
    entry: Entry
    hidden: list[Entry]
    at: dict[str, dict[str, Any]]

    def path(self, name: str, entry: Entry | None = None) -> str:
        """Return the address of something that is there."""
        needs = ADDRESSES[name]
        model = next(
            (m for m in self.at if m and (f":{m}_" in name or f"{m}/" in _flat(name))),
            "",
        )
        own = self.at[""] | self.at.get(model, {}) | needs.at
        if entry is not None:
            own |= {"entry_pk": entry.pk, "object_id": entry.pk}
            own |= {"pk": entry.pk} if name.startswith("entry") else {}
        if name.endswith("_delete"):  # of what readers never saw, and nothing shows
            own |= {"object_id": own.get("spare", own["object_id"])}
        if "/" in name:
            folder = "/".join(name.split("/")[:3])
            path = f"/{folder}/{own['object_id']}/" if "<" in name else "/admin/no/such"
        else:
            path = _reversed(name, own)
        return f"{path}?{needs.query}" if needs.query else path


def _flat(name: str) -> str:
    """Return a pattern with the names of its model as elsewhere."""
    return "_".join(name.split("/")[1:3]) + "/" if "/" in name else name


def _reversed(name: str, own: dict[str, Any]) -> str:
    """Reverse an address with what it takes of the given arguments."""
    taken = get_resolver()
    for space in name.split(":")[:-1]:
        taken = taken.namespace_dict[space][1]
    possible = taken.reverse_dict.getlist(name.split(":")[-1])
    names = next(
        params
        for ways, *_ in possible
        for _, params in ways
        if set(params) <= own.keys()
    )
    return reverse(name, kwargs={key: own[key] for key in names})


@pytest.fixture
def world() -> World:
    story = make_story("Fog over the harbour", slug="fog", series="Sorrava Daily")
    make_original(story)
    files = {"widths": [320], "width": 320, "height": 240, "alt": SECRET}
    image = Image.objects.create(name="quokka", stem=STEM, **files)
    entry = make_update(story, "The ferry has moored.")
    later = timezone.now() + timedelta(days=2)
    body = f"{SECRET} swim.\n\n![](image:quokka)"
    hidden = [
        make_update(story, body, headline=SECRET, at=None, state="draft"),
        make_update(story, body, headline=SECRET, at=None, state="submitted"),
        make_update(story, body, headline=SECRET, at=later, state="scheduled"),
        verbs.withdraw(make_update(story, body, headline=SECRET)),
    ]
    summary = f"{SECRET} swim."
    draft = make_story(
        f"{SECRET} to come", live=False, standfirst=SECRET, summary=summary
    )
    hidden.append(make_update(draft, body))
    coming = make_story("The vote", live=False, slug="vote", summary=summary)
    hidden.append(make_update(coming, body, headline=SECRET))
    verbs.announce(coming, later)
    gone = make_story(f"{SECRET} gone", slug="gone", summary=summary)
    hidden.append(make_update(gone, body))
    verbs.withdraw_story(gone)
    verbs.add_link("latest", story=story, target_story=draft)
    verbs.add_link("see", entry=entry, target_story=draft)
    verbs.add_link("feature", story=story, title=SECRET, starts_at=later)
    verbs.add_link("feature", title=SECRET, starts_at=later)
    link = verbs.add_link("see", story=story, title="Elsewhere")
    other = User.objects.create_user("somebody")
    device = TOTPDevice.objects.create(user=other, name="Phone")
    story.refresh_from_db()
    at = {
        "": {
            "slug": "fog",
            "pk": story.pk,
            "entry_pk": entry.pk,
            "image_pk": image.pk,
            "object_id": story.pk,
            "spare": draft.pk,
            "app_label": "entries",
            "content_type_id": ContentType.objects.get_for_model(Story).pk,
        },
        "entries_entry": one(hidden[0]),
        "entries_image": one(image, Image.objects.create(name="spare")),
        "entries_link": one(link),
        "entries_series": one(story.series, make_series("Spare")),
        "entries_snippet": one(Snippet.objects.create(name="Soon", body="More soon.")),
        "auth_group": one(Group.objects.get(name="Editors")),
        "auth_user": one(other) | {"id": other.pk},
        "axes_accessattempt": one(AccessAttempt.objects.create(failures_since_start=1)),
        "axes_accessfailurelog": one(AccessFailureLog.objects.create()),
        "axes_accesslog": one(AccessLog.objects.create()),
        "otp_totp_totpdevice": one(device) | {"pk": device.pk},
    }
    world = World(story, entry, hidden, at)
    ADDRESSES["resolve"].at["pk"] = link.pk
    ADDRESSES["entry"].at["pk"] = entry.pk
    ADDRESSES["entry_history"].at["pk"] = entry.pk
    person = Profile.objects.create(slug="ann-lee", byline="Ann Lee", role="Reporter")
    credited = [entry.pk, *(one.pk for one in hidden)]
    Entry.objects.filter(pk__in=credited).update(byline="Ann Lee", credited=person)
    ADDRESSES["author"].at["slug"] = person.slug
    ADDRESSES["author_feed"].at["slug"] = person.slug
    ADDRESSES["person"].at["pk"] = other.pk
    ADDRESSES["series"].at["slug"] = story.series.slug if story.series else ""
    ADDRESSES["series_feed"].at["slug"] = ADDRESSES["series"].at["slug"]
    return world


@pytest.fixture
def people() -> dict[str, Client]:
    """Return a browser for each role, signed in."""
    found = {"reader": Client(), "chief": Client()}
    found["chief"].force_login(make_user("the-chief", chief=True))
    for role, group in GROUPS.items():
        found[role] = Client()
        found[role].force_login(make_user(f"the-{role}", group))
    return found


def one(row: Any, spare: Any = None) -> dict[str, Any]:
    """Return how an address names a row, and another to delete."""
    return {"object_id": row.pk, "spare": (spare or row).pk}


def let_in(answer: Any) -> bool:
    """Whether somebody was let in: neither refused nor sent to sign in."""
    to_sign_in = "/admin/login/" in answer.headers.get("Location", "")
    return answer.status_code not in (401, 403) and not to_sign_in


def ask(client: Client, method: str, path: str, data: Any = None) -> Any:
    """Ask, and undo whatever it did."""
    client.raise_request_exception = False
    with transaction.atomic():
        answer = getattr(client, method)(path, data)
        transaction.set_rollback(True)
    return answer


def test_every_url_has_its_line():
    assert set(addresses()) == set(ADDRESSES)


def test_every_role_may_do_exactly_what_the_table_says(
    world: World, people: dict[str, Client]
):
    may, wrong = expected(), []
    for name, needs in ADDRESSES.items():
        asked = [("get", needs.get, None)] if needs.get else []
        asked += [("post", act, data) for act, data in needs.posts]
        for role, client in people.items():
            for method, act, data in asked:
                answer = ask(client, method, world.path(name), data)
                wanted = may[act][role]
                own = role == "contributor" and name in OWN
                if (let_in(answer) != wanted and not own) or answer.status_code >= 500:
                    said = f"{answer.status_code}, may: {wanted}"
                    wrong.append(f"{role} {method} {name} {data or ''}: {said}")
    assert not wrong, "\n".join(wrong)


def test_every_upload_url_uses_the_upload_threads(
    world: World, people: dict[str, Client], monkeypatch: pytest.MonkeyPatch
):
    """Whatever the size of the file, and nothing else has them."""
    taken = []

    def take(source: Any, *_: Any) -> None:
        taken.append(source.read())
        raise ImageError("Not today.")

    monkeypatch.setattr(worker, "ingest_in_process", take)
    uploads, chief = set(), User.objects.get(username="the-chief")
    for name in ADDRESSES:
        path, before = world.path(name), len(taken)
        people["chief"].force_login(chief)  # one of the addresses signs out
        dos = ("", "picture", "publish", "save", "preview")
        for do in dos if seeds.ALL else dos[:2]:
            file = SimpleUploadedFile("quay.png", b"a small file")
            data = {"file": file, "image": file, "body": "A", "action": do, "do": do}
            ask(people["chief"], "post", path, data | {"version": world.entry.version})
        request = RequestFactory().post(path)
        in_pool = pool_of("POST", request.path).name == "images"
        assert in_pool == (len(taken) > before), name
        assert bool(request_limits.IMAGE_UPLOADS.fullmatch(request.path)) == in_pool
        uploads |= {name} if in_pool else set()
        assert pool_of("GET", request.path).name != "images"
    named = {AN_ENTRY(one) for one in ("upload", "add_picture", "edit_picture")}
    assert uploads == named | {"admin:entries_image_add"}
    assert set(taken) == {b"a small file"}


def test_no_url_returns_unpublished_text(world: World, people: dict[str, Client]):
    may, leaks = expected(), []
    # The newsroom knows its stories to come.
    desks = {"/admin/", "/admin/entries/story/"}
    site = Site.current()
    more = [
        f"/stories/{slug}/{rest}"
        for slug in ("fog", "gone", "quokkas-to-come")
        for rest in (
            "",
            "?order=oldest",
            f"changes?after={site.epoch}-0&rail=1",
            "feed/",
        )
    ]
    more += [f"/stories/{slug}.json" for slug in ("fog", "gone", "quokkas-to-come")]
    more += [f"/stories/fog/?before={entry.pk}" for entry in world.hidden]
    feeds = [world.path(name) for name in PUBLIC if name.endswith("feed")]
    more += [f"{feed}?before=99999999999999999-1" for feed in feeds]
    more += ["/search/?q=quokkas", "/search/?q=swim", "/search/?q=gone"]
    for role in ("reader", "contributor"):
        assert not may[SEE][role]
        ways = {world.path(name) for name, needs in ADDRESSES.items() if needs.get}
        for entry in world.hidden:
            ways |= {world.path(n, entry) for n in ("entry", "entry_history")}
            ways |= {
                world.path(AN_ENTRY(n), entry)
                for n in ("edit", "cross", "move", "versions", "entry_links")
            }
        for way in (*sorted(ways - desks), *more):
            answer = ask(people[role], "get", way)
            text = answer.content.decode(errors="replace") if answer.content else ""
            asked = f"{SECRET.lower()}" in way.lower()
            said = text.replace("quokkas-to-come", "")
            found = SECRET in said or "e" * 40 in said
            if found and not (asked and answer.status_code == 404):
                leaks.append(f"{role} {way}")
    assert not leaks, "\n".join(leaks)
    shown = people["moderator"].get(world.path(AN_ENTRY("change"))).content.decode()
    assert SECRET in shown  # it could have leaked


def test_contributors_cannot_read_other_unpublished_texts(
    world: World, people: dict[str, Client]
):
    """The desk of a story to come names it; what others wrote in it is not for all."""
    hidden = Story.objects.exclude(state__in=Story.PUBLIC)
    writer = User.objects.get(username="the-contributor")
    for story in hidden:
        (theirs,) = (entry for entry in world.hidden if entry.story == story)
        own = (
            make_update(story, "My own words.", state="draft", author=writer)
            if (story.state == "draft")
            else None
        )
        at = desk_url(story)
        ways = [at, f"{at}?before={theirs.pk}", f"{at}?from={theirs.pk}"]
        ways += [f"{desk_url(story, 'timeline')}?have=0.0.live.x"]
        texts = [people["contributor"].get(way).content.decode() for way in ways]
        looked = people["contributor"].post(
            desk_url(story, "notices"), {"body": "https://www.quokkas.example/"}
        )
        texts.append(looked.content.decode())
        assert not [text for text in texts if "swim" in text or STEM in text]
        for name in ("versions", "edit", "cross", "entry_links"):
            refused = people["contributor"].get(desk_url(story, name, theirs.pk))
            assert refused.status_code in (403, 404)
        keeping = KEEPING | {"form": f"edit-{theirs.pk}"}
        kept = people["contributor"].post(desk_url(story, "draft"), keeping)
        assert kept.status_code in (403, 404)
        assert own is None or "My own words." in texts[0]
        assert "swim" in people["editor"].get(at).content.decode()
    assert hidden.count() == 2


def test_contributors_cannot_see_other_unpublished_images(
    world: World, people: dict[str, Client]
):
    """Whether one of that name is there, nothing tells either."""
    files = {"widths": [320], "width": 320, "height": 240, "alt": "A pier"}
    shown = Image.objects.create(name="pier", stem=f"aa/{'a' * 40}", **files)
    make_update(world.story, f"![](image:{shown.name})")
    writer = User.objects.get(username="the-contributor")
    own = make_update(world.story, "My own.", state="draft", author=writer)
    ways = [
        (desk_url(world.story), {}),
        (desk_url(world.story, "edit", own.pk), EDITING),
    ]
    for way, form in ways:
        for act in ("preview", "draft", "submit", "save"):
            said = [
                people["contributor"].post(
                    way,
                    form | {"body": f"![](image:{name})", "action": act},
                    headers={"HX-Request": "true"},
                )
                for name in ("quokka", "nobody")
            ]
            assert said[0].status_code == said[1].status_code, act
            texts = [answer.content.decode() for answer in said]
            assert STEM not in texts[0]
            assert texts[0] == texts[1].replace("nobody", "quokka")
        form = form | {"body": "![](image:pier)", "action": "preview"}
        assert shown.stem in people["contributor"].post(way, form).content.decode()
    assert not Entry.objects.filter(author=writer).exclude(body="My own.").exists()
    form = {"body": "![](image:quokka)", "action": "preview"}
    assert STEM in people["editor"].post(desk_url(world.story), form).content.decode()


def test_no_poster_shows_an_unpublished_image(world: World):
    """To those who may change images, but not see unpublished texts."""
    files = {"widths": [320], "width": 320, "height": 240, "alt": "A pier"}
    pier = Image.objects.create(name="pier", stem=f"aa/{'a' * 40}", **files)
    film = Image.objects.create(
        name="film", stem=f"bb/{'b' * 40}", **files | {"media_type": "video/mp4"}
    )
    make_update(world.story, f"![](image:{pier.name})")
    client = signed_in("captioner", "Contributors")
    granted = Permission.objects.get(codename="change_image")
    User.objects.get(username="captioner").user_permissions.add(granted)
    way = reverse("admin:entries_story_words", args=[world.story.pk, film.pk])

    def save(poster: str, shown: str = "") -> str:
        card = f"picture-{film.pk}-poster"
        data = {card: poster, f"{card}-shown": shown}
        answer = client.post(way, data, headers={"HX-Request": "true"})
        film.refresh_from_db()
        return answer.content.decode()

    said = [save("quokka"), save("nobody")]
    assert film.poster is None
    assert said[0] == said[1].replace("nobody", "quokka")
    assert "There is no picture named “quokka”." in said[0]
    save("pier")
    assert film.poster == pier
    # One that somebody else has chosen stays.
    film.poster = Image.objects.get(name="quokka")
    film.save()
    card = f"picture-{film.pk}-caption"
    data = {card: "Calm", f"{card}-shown": ""}
    data |= {f"picture-{film.pk}-poster{end}": "quokka" for end in ("", "-shown")}
    client.post(way, data, headers={"HX-Request": "true"})
    film.refresh_from_db()
    assert (film.caption, film.poster.name) == ("Calm", "quokka")


def test_contributors_cannot_see_counts_of_hidden_texts(
    world: World, people: dict[str, Client]
):
    ways = [f"/admin/entries/story/?state__exact={state}" for state in Story.State]
    for way in ways:
        for role, seen in (("contributor", "live" in way), ("editor", True)):
            page = people[role].get(way).content.decode()
            told = 'class="field-updates">1<' in page and "1200" in page
            assert "field-updates" in page or "closed" in way
            assert told == (seen and "closed" not in way), (role, way)


def test_filters_of_the_list_of_stories_reveal_nothing_hidden(
    world: World, people: dict[str, Client]
):
    """Else a summary could be guessed word by word."""
    way = "/admin/entries/story/"
    for name in ("summary", "summary_html", "lead_image__alt", "entries__body"):
        asked = {f"{name}__contains": SECRET, "state__exact": "draft"}
        answer = people["contributor"].get(way, asked, follow=True)
        assert SECRET not in answer.content.decode(), name
    page = people["contributor"].get(way, {"state__exact": "draft"}).content.decode()
    assert f"{SECRET} to come" in page


def test_moderators_cannot_change_text_nor_editors_permissions(
    world: World, people: dict[str, Client]
):
    texts = list(Entry.objects.order_by("pk").values_list("body", "headline", "state"))
    heads = list(Story.objects.order_by("pk").values_list("headline", "state"))
    permissions = {u.pk: u.get_all_permissions() for u in User.objects.all()}
    for name, needs in ADDRESSES.items():
        for act, data in needs.posts:
            if act != LINK and act != CROSS:
                people["moderator"].post(world.path(name), data)
            if name.startswith("admin:auth"):
                people["editor"].post(world.path(name), data | {"is_superuser": "on"})
    now = Entry.objects.order_by("pk").values_list("body", "headline", "state")
    assert list(now) == texts
    now_heads = Story.objects.order_by("pk").values_list("headline", "state")
    assert list(now_heads) == heads
    assert {u.pk: u.get_all_permissions() for u in User.objects.all()} == permissions


WORD = "Numbats"  # stands in what only its writers and editors read


def others_texts(world: World) -> list[Entry]:
    """Return texts of an editor, whose keys and ids everybody may have learnt.

    One is the original entry of a story to come that has the same key.
    """
    editor = make_user("somebody-else", "Editors")
    coming = make_story("Ice to come", live=False)
    later = timezone.now() + timedelta(days=2)
    kinds = [
        (world.story, {"state": "draft"}),
        (world.story, {"state": "submitted"}),
        (world.story, {"state": "scheduled", "at": later}),
        (world.story, {}),
        (coming, {"kind": "original", "at": None}),
        (coming, {"state": "draft"}),
    ]
    found = []
    for story, more in kinds:
        words = {"headline": WORD, "author": editor, "key": uuid4()}
        entry = make_update(story, f"{WORD} dig.", **words | more)
        text = EntryText(f"{WORD} rest.", WORD, entry.at, byline=WORD)
        verbs.edit(entry, text, version=1, author=editor)
        verbs.add_link("see", entry=entry, title=WORD)
        for form, key in (("composer", entry.key), (f"edit-{entry.pk}", 1)):
            own = {"user": editor, "story": story, "form": form, "key": str(key)}
            Draft.objects.create(**own, typed=1, values={"body": WORD})
        found.append(entry)
    verbs.withdraw(found[3])
    verbs.send_back(found[1], f"{WORD}?")
    Story.objects.filter(pk=coming.pk).update(key=found[4].key)
    return found


def sent_for(entry: Entry) -> dict[str, Any]:
    """Return what names an entry, in whatever field a form may have for it."""
    link = entry.links.get()
    ids = ("entry", "before", "from", "below", "back", "to", "object_id")
    return {
        **dict.fromkeys(ids, entry.pk),
        "key": entry.key,
        "kept": entry.key,
        "made": entry.key,
        "version": entry.version,
        "number": 1,
        "link": link.pk,
        "kind": entry.kind,
        "doing": f"edit-{entry.pk}",
        "body": "Not the same.",
    }


def test_no_response_shows_a_text_that_the_user_may_not_see(
    world: World, people: dict[str, Client]
):
    """By its key, its id, its draft, its link or its history, sent to any form."""
    texts, leaks, shown = others_texts(world), [], 0
    asked = [
        (role, entry, *one)
        for role, some in (("contributor", texts), ("reader", texts[:1]))
        for entry in some
        for one in asked_for(entry)
    ]
    asked = seeds.part(asked, connection.vendor)
    asked += [("editor", texts[0], *one) for one in asked_for(texts[0])]
    for role, entry, name, method, data in asked:
        path = world.path(name, entry).partition("?")[0]
        if name == AN_ENTRY("change"):
            path = desk_url(entry.story_id)
        if WORD in everything(people[role], method, path, data):
            shown += role == "editor"
            if role != "editor":
                leaks.append(f"{role} {method} {path} {data}")
    assert not leaks, "\n".join(leaks)
    assert shown > 10  # it could have leaked


def asked_for(entry: Entry) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield all that can be asked about an entry: address, method and data."""
    sent = sent_for(entry)
    more = {
        "change": [{"action": do} for do in ("submit", "draft", "preview")],
        "edit": [{"action": "preview"}],
        "act": [{"do": "submit"}],
        "versions": [{"do": do} for do in ("restore", "hide", "erase_version")],
        "entry_links": [{"do": do} for do in ("find", "up", "save", "order")],
    }
    for name, needs in ADDRESSES.items():
        if ":entries_" not in name and name not in ("resolve", "feature", "entry"):
            continue
        if needs.get:
            yield name, "get", sent | {"at": entry.pk}
        for data in (
            *(d for _, d in needs.posts),
            *more.get(name.removeprefix(AN_ENTRY("")), []),
        ):
            yield name, "post", data | sent
        if name == AN_ENTRY("change"):
            yield name, "post", sent | {"action": "submit", "separate": entry.key}


def everything(client: Client, method: str, path: str, data: Any) -> str:
    """Return all that an answer says, and those that it leads to; undo what it did."""
    client.raise_request_exception = False
    with transaction.atomic():
        answer = getattr(client, method)(path, data, follow=True)
        transaction.set_rollback(True)
    assert answer.status_code < 500, (path, data)
    ways = " ".join(way for way, _ in getattr(answer, "redirect_chain", []))
    return f"{ways} {answer.headers} {answer.content.decode(errors='replace')}"


def test_another_users_form_key_finds_nothing(world: World, people: dict[str, Client]):
    theirs = others_texts(world)[0]
    before = Entry.objects.filter(pk=theirs.pk).values().get()
    form = {"key": theirs.key, "body": "My own words.", "action": "submit"}
    for _ in range(2):  # a double click
        answer = people["contributor"].post(desk_url(world.story), form)
        assert answer.status_code == 302
    own = Entry.objects.get(body="My own words.")
    assert own.author == User.objects.get(username="the-contributor")
    assert Entry.objects.filter(pk=theirs.pk).values().get() == before
    answer = people["contributor"].post(
        desk_url(world.story), form | {"body": "Other words."}
    )
    assert answer.status_code == 409
    assert "My own words." in answer.content.decode()


def test_another_users_key_deletes_no_draft(world: World, people: dict[str, Client]):
    theirs, way = others_texts(world)[0], desk_url(world.story, "draft")
    kept = KEEPING | {"key": str(theirs.key), "body": "Half a thought"}
    assert people["contributor"].post(way, kept).status_code == 204
    Draft.objects.filter(user__username="the-contributor").update(
        saved_at=timezone.now() - timedelta(days=1)
    )
    page = people["contributor"].get(desk_url(world.story)).content.decode()
    assert "Half a thought" in page
    verbs.erase(theirs)
    assert Draft.objects.filter(values__body="Half a thought").exists()
    assert not Draft.objects.filter(values__body=WORD, key=str(theirs.key)).exists()


def test_a_draft_with_another_users_key_is_erased_with_its_text(
    world: World, people: dict[str, Client]
):
    theirs = others_texts(world)[0]
    form = {"key": theirs.key, "body": "My own words.", "action": "submit"}
    people["contributor"].post(desk_url(world.story), form)
    kept = KEEPING | {"key": str(theirs.key), "body": "My own words."}
    people["contributor"].post(desk_url(world.story, "draft"), kept)
    verbs.erase(Entry.objects.get(body="My own words."))
    assert not Draft.objects.filter(values__body="My own words.").exists()


def test_the_key_of_a_new_story_works_only_for_its_creator(
    world: World, people: dict[str, Client]
):
    form = {"headline": "Ice on the sound", "original": "It came.", "key": uuid4()}
    way = "/admin/entries/story/add/"
    for role in ("editor", "chief", "editor", "chief"):
        answer = people[role].post(way, form | {"headline": f"Ice, says {role}"})
        assert answer.status_code == 302
    assert Story.objects.filter(headline__startswith="Ice, says").count() == 2
    assert not Entry.objects.filter(key=form["key"]).exists()
