"""Error pages, and the headers that every response carries."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from PIL import Image as Pillow

from entries import verbs
from entries.models import Entry, Image, Story
from liveblog import request_limits
from tests.builders import make_accounts, make_original, make_story, make_update
from tests.fault_injection import inject

HTMX = {"HTTP_HX_REQUEST": "true"}
MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"


@pytest.fixture
def chief(db: None) -> Client:
    make_accounts()
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username="chief"))
    return client


def refuse(*_: object, **__: object) -> None:
    raise OperationalError("the connection was closed by postgres://secret@host")


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# --- What every answer carries


class Inline(HTMLParser):
    """Collects what a strict policy would not run or show."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found += [f"{tag} {n}" for n in names if n == "style" or n[:2] == "on"]
        data = names.get("type") in ("application/json", "application/ld+json")
        if tag == "style" or (tag == "script" and "src" not in names and not data):
            self.found.append(tag)
        for name in ("src", "href", "action"):
            if (names.get(name) or "").lower().startswith(("data:", "javascript:")):
                self.found.append(f"{tag} {name}")


def admin_pages(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    for one in resolver.url_patterns:
        address = prefix + str(one.pattern).replace("^", "")
        if isinstance(one, URLResolver):
            yield from admin_pages(one, address)
        elif isinstance(one, URLPattern) and "<" not in address and "(" not in address:
            yield address


def test_no_page_needs_more_than_the_strict_csp_allows(chief: Client):
    story = make_story()
    make_original(story)
    update = make_update(story)
    pages = [a for a in admin_pages(get_resolver()) if a.startswith("/admin/")]
    assert len(pages) > 20
    pages += [
        f"/admin/entries/story/{story.pk}/change/",
        f"/admin/entries/entry/{update.pk}/change/",
        "/admin/auth/user/1/change/",
        "/",
        story.get_absolute_url(),
        update.get_absolute_url(),
        "/no-such-page/",
    ]
    for address in pages:
        answer: Any = chief.get(address)
        kind = answer.get("Content-Type", "")
        if not kind.startswith("text/html"):
            continue
        assert answer.status_code in (200, 301, 302, 403, 404, 405), address
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy, address
        assert "unsafe" not in policy, address
        assert answer["X-Content-Type-Options"] == "nosniff", address
        assert answer["X-Frame-Options"] == "DENY", address
        assert answer["Referrer-Policy"] == "strict-origin-when-cross-origin", address
        assert "camera=()" in answer["Permissions-Policy"], address
        page = Inline()
        page.feed(answer.content.decode())
        assert page.found == [], address


def test_every_write_of_the_desk_requires_a_token(chief: Client):
    story = make_story()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = chief.cookies
    desk = f"/admin/entries/story/{story.pk}/change/"
    for more in ({}, HTMX):
        answer = strict.post(desk, {"body": "Forged.", "action": "publish"}, **more)
        assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()
    assert not Entry.objects.exists()


# --- Pages of errors


def test_a_page_without_a_database_explains_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "django.db.backends.base.base.BaseDatabaseWrapper.cursor", refuse
    )
    with override_settings(
        STORAGES={
            "default": {"BACKEND": MANIFEST},
            "staticfiles": {"BACKEND": MANIFEST},
        }
    ):
        answer = Client(raise_request_exception=False).get("/stories/fog/")
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The site cannot answer just now" in page
    assert "/static/entries/site.css" in page
    assert "secret" not in page
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_a_bug_is_a_500_without_details(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr("entries.pages.timeline.timeline_page", fail)
    answer = Client(raise_request_exception=False).get(make_story().get_absolute_url())
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_the_typed_text_is_returned_when_the_database_is_down(
    chief: Client, monkeypatch: pytest.MonkeyPatch
):
    story = make_story()
    desk = f"/admin/entries/story/{story.pk}/change/"
    text = "The ferry has turned back <b>once more</b>.\n\nIt waits."
    monkeypatch.setattr(verbs, "post", refuse)
    data = {"body": text, "headline": "Fog", "action": "publish"}
    answer = chief.post(desk, data)
    page = answer.content.decode()
    assert answer.status_code == 503
    assert f'action="{desk}"' in page
    assert "turned back &lt;b&gt;once more&lt;/b&gt;.\n\nIt waits.</textarea>" in page
    assert 'name="headline" value="Fog"' in page

    answer = chief.post(desk, data, **HTMX)
    assert answer.status_code == 503
    assert answer["Desk-Answer"] == "yes"
    assert answer["Content-Type"].startswith("text/plain")
    assert "press the button again" in answer.content.decode()

    monkeypatch.undo()
    assert chief.post(desk, data, **HTMX).status_code == 200
    assert Entry.objects.count() == 1


def test_a_password_is_never_returned(chief: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("liveblog.accounts.SignInForm.clean", refuse)
    answer = Client(raise_request_exception=False).post(
        "/admin/login/", {"username": "chief", "password": "the-long-pass-phrase"}
    )
    assert answer.status_code == 503
    assert "the-long-pass-phrase" not in answer.content.decode()


def without_room(kind: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the disk be full: for the database, a picture's files, or an upload."""
    if kind == "picture":  # in the process that makes its files
        for name, value in inject(folder, NO_SYNC).items():
            monkeypatch.setenv(name, value)
    elif kind == "upload":
        name = "django.core.files.uploadhandler.MemoryFileUploadHandler"
        monkeypatch.setattr(f"{name}.receive_data_chunk", full)
    else:
        with connection.cursor() as cursor:
            for statement in NO_ROOM[connection.vendor]:
                cursor.execute(statement)


NO_SYNC = """
import errno, os
def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
os.fsync = full
"""
# Below all code of ours: what each database says when it cannot write.
NO_ROOM = {
    "sqlite": [
        "CREATE TEMP TRIGGER no_room BEFORE INSERT ON entries_posting "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE 'could not extend file: No space left on device' "
        "USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER no_room BEFORE INSERT ON entries_posting "
        "EXECUTE FUNCTION no_room()",
    ],
}


@pytest.mark.parametrize("kind", ["post", "picture", "upload"])
def test_a_full_disk_is_reported_and_leaves_nothing_half_done(
    chief: Client,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    settings: Any,
    tmp_path: Path,
):
    settings.IMAGES_DIR = settings.DATA_DIR / f"full-{kind}"
    story = make_story()
    desk = f"/admin/entries/story/{story.pk}"
    file = BytesIO()
    Pillow.new("RGB", (60, 40), "navy").save(file, "PNG")
    without_room(kind, monkeypatch, tmp_path)
    if kind == "post":
        data: dict[str, Any] = {"body": "Lost?\n\nNot so."}
        path = f"{desk}/change/"
        page = chief.post(path, data).content.decode()
        assert "The disk is full" in page
        assert "Lost?\n\nNot so.</textarea>" in page
    else:
        data = {"file": SimpleUploadedFile("fog.png", file.getvalue())}
        path = f"{desk}/desk/pictures/"
    answer = chief.post(path, data, **HTMX)
    assert answer.status_code >= 400
    assert "the disk is full" in answer.content.decode()
    assert answer["Desk-Answer"] == "yes"
    assert not Entry.objects.exists()
    assert not Image.objects.exists()
    assert not [one for one in settings.IMAGES_DIR.rglob("*") if one.is_file()]


def test_a_read_only_disk_is_reported(chief: Client, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(verbs, "post", refuse)
    desk = f"/admin/entries/story/{make_story().pk}/change/"
    answer = chief.post(desk, {"body": "Lost?\n\nNot so.", "action": "publish"})
    page = answer.content.decode()
    assert (answer.status_code, "The disk takes nothing" in page) == (503, True)
    assert "Lost?\n\nNot so.</textarea>" in page


@pytest.mark.django_db(transaction=True)
def test_a_locked_database_loses_no_text_and_no_reader():
    make_accounts()
    editor = Client(raise_request_exception=False)
    editor.force_login(User.objects.get(username="editor"))
    story = make_story()
    make_update(story, "The ferry waits.")
    desk = f"/admin/entries/story/{story.pk}/change/"
    data = {"body": "It has sailed.\n\nAt last.", "key": str(uuid4())}
    data["action"] = "publish"
    with holding(story):
        answer = editor.post(desk, data)
        page = Client().get(story.get_absolute_url())
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "It has sailed.\n\nAt last.</textarea>" in answer.content.decode()
    assert page.status_code == 200
    assert "The ferry waits." in page.content.decode()
    assert editor.post(desk, data).status_code == 302
    assert story.entries.count() == 2


@contextmanager
def holding(story: Story) -> Iterator[None]:
    """Let somebody else hold the lock of a story, and nobody wait long for it."""
    parameters = connection.get_connection_params()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
        other: Any = sqlite3.connect(parameters["database"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("20s",)
            cursor.execute("SET lock_timeout = 50")
        names = ("host", "port", "user", "password", "dbname")
        other = psycopg.connect(**{k: v for k, v in parameters.items() if k in names})
        lock = "SELECT 1 FROM entries_story WHERE id = %s FOR UPDATE"
        other.execute(lock, [story.pk])
    with closing(other):
        yield
        other.rollback()
    connection.close()  # the next one is patient again


def test_too_much_text_is_refused_with_a_message(chief: Client):
    story = make_story()
    desk = f"/admin/entries/story/{story.pk}/change/"
    answer = chief.post(desk, {"body": "x" * 3_000_000})
    assert answer.status_code == 413
    assert "This is too large" in answer.content.decode()
    answer = chief.post(desk, {"body": "x" * 3_000_000}, **HTMX)
    assert (answer.status_code, answer["Desk-Answer"]) == (413, "yes")


@override_settings(ALLOWED_HOSTS=["news.example"])
def test_a_request_for_another_host_is_a_400():
    answer = Client().get("/healthz", HTTP_HOST="evil.example")
    assert answer.status_code == 400
    assert "cannot be understood" in answer.content.decode()


def test_a_403_page_explains_and_offers_a_link(chief: Client):
    client = Client()
    client.force_login(User.objects.get(username="moderator"))
    answer = client.get("/admin/auth/user/")
    assert answer.status_code == 403
    assert "This is not open to you" in answer.content.decode()
    assert '<a href="/admin/">Back to the desk.' in answer.content.decode()


# --- Pages about the site


def test_robots_txt_names_the_sitemap_and_excludes_the_desk():
    answer = Client().get("/robots.txt")
    lines = answer.content.decode().splitlines()
    assert answer["Content-Type"] == "text/plain"
    assert "Disallow: /admin/" in lines
    assert "Sitemap: http://testserver/sitemap.xml" in lines


@pytest.mark.parametrize(
    ("path", "kind", "size"),
    [
        ("/favicon.ico", "image/x-icon", 48),
        ("/apple-touch-icon.png", "image/png", 180),
        ("/apple-touch-icon-precomposed.png", "image/png", 180),
        ("/apple-touch-icon-120x120.png", "image/png", 180),
        ("/apple-touch-icon-120x120-precomposed.png", "image/png", 180),
    ],
)
def test_icons_are_at_their_well_known_urls(path: str, kind: str, size: int):
    answer = Client().get(path)
    assert (answer.status_code, answer["Content-Type"]) == (200, kind)
    assert "max-age" in answer["Cache-Control"]
    assert "public" in answer["Cache-Control"]
    assert "Set-Cookie" not in answer
    assert not answer.cookies
    assert Pillow.open(BytesIO(answer.content)).size == (size, size)
    assert Client().post(path).status_code == 405


def test_imprint_and_contact_are_shown_if_configured(tmp_path: Path, db: None):
    assert Client().get("/imprint/").status_code == 404
    assert "Imprint" not in Client().get("/").content.decode()
    file = tmp_path / "imprint.md"
    file.write_text("**The Sorrava Courier**, Quay 4<script>alert(1)</script>")
    with override_settings(IMPRINT_FILE=str(file), CONTACT="desk@sorrava.example"):
        front = Client().get("/").content.decode()
        page = Client().get("/imprint/").content.decode()
    assert '<a href="/imprint/">Imprint</a>' in front
    assert '<a href="mailto:desk@sorrava.example">' in front
    assert "<strong>The Sorrava Courier</strong>" in page
    assert "<script>alert" not in page


# --- Before Django


def ask(path: str, headers: dict[str, str], chunks: list[bytes]) -> tuple[int, bytes]:
    """Send a request to the limits; the application behind counts what it reads."""
    scope = {
        "type": "http",
        "path": path,
        "method": "POST",
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }
    left, out = list(chunks), []

    async def receive() -> dict[str, Any]:
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        out.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size})

    asyncio.run(request_limits.BodyLimits(app)(scope, receive, send))
    return out[0]["status"], out[1]["body"]


def test_a_body_that_is_too_large_is_not_read():
    too_much = {"content-length": str(request_limits.MAX_UPLOAD_BODY_BYTES + 1)}
    status, body = ask("/admin/entries/story/1/desk/pictures/", too_much, [])
    assert (status, b"This is too large" in body) == (413, True)
    too_much = {"content-length": str(request_limits.MAX_DESK_BODY_BYTES + 1)}
    assert ask("/admin/entries/story/1/desk/pictures/", too_much, [b""])[0] == 200
    status, body = ask("/admin/x/", {**too_much, "hx-request": "true"}, [])
    assert (status, body[:17]) == (413, b"This is too large")
    assert (
        ask("/", {"content-length": str(request_limits.MAX_BODY_BYTES + 1)}, [])[0]
        == 413
    )


def test_a_body_without_a_length_is_counted():
    chunked = {"transfer-encoding": "chunked"}
    part = b"x" * 40_000
    assert ask("/search/", chunked, [part]) == (200, b"40000")
    assert ask("/search/", chunked, [part, part, part])[0] == 413
    assert ask("/admin/x/", chunked, [part, part]) == (200, b"80000")


@pytest.mark.parametrize("path", ["/", "/feed/", "/stories/none/", "/healthz"])
def test_posting_to_a_read_only_page_is_a_405(path: str):
    answer = Client(enforce_csrf_checks=True).post(path, {"text": "Mine"})
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert "This page is for reading" in answer.content.decode()
