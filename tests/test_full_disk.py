"""A full disk, and a data folder of another site: a clear error, nothing half done."""

from __future__ import annotations

import errno
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse

from entries.database import errors
from entries.models import Entry, Image, Presence, Site
from entries.operations import data_folder
from liveblog.storage import Storage
from tests import actions
from tests.builders import make_story, make_update, make_user
from tests.servers import ROOT, Newsroom, Newsrooms
from tests.test_accounts import sign_in
from tests.test_presence import Page

HTMX = {"HX-Request": "true"}
FULL = "disk is full"
SLUG = "ice-on-the-sound"
WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE|NOTIFY)\b", re.I)


def no_room() -> Exception:
    """Return what the driver raises, with what Django makes of it."""
    cause: Exception = sqlite3.OperationalError("database or disk is full")
    if connection.vendor == "postgresql":
        cause = psycopg.errors.DiskFull("Auf dem Gerät ist kein Speicherplatz frei")
    error = OperationalError(*cause.args)
    error.__cause__ = cause
    return error


@contextmanager
def full_disk(table: str = "") -> Iterator[None]:
    """Refuse what is written, to one table or to all, as a full disk does."""

    def refuse(execute: Any, sql: str, *more: Any) -> Any:
        if WRITE.match(sql) and table in sql:
            raise no_room()
        return execute(sql, *more)

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def desk(transactional_db: None) -> Page:
    """Give an editor's open desk, with an update on it."""
    story = make_story("Fog over the harbour")
    make_update(story, "The ferry waits.", at="1804")
    return Page(story, "editor")


def send(page: Page, name: str = "change", **data: str) -> Any:
    """Send a form of the desk as its script does."""
    page.client.raise_request_exception = False
    way = reverse(f"admin:entries_story_{name}", args=[page.story.pk])
    return page.client.post(way, {"key": str(uuid4()), **data}, headers=HTMX)


def test_reading_and_open_desks_continue_without_presence(desk: Page) -> None:
    with full_disk():
        for address in ("/", desk.story.get_absolute_url(), "/search/?q=ferry"):
            assert Client().get(address).status_code == 200
        for doing in (None, "", "new", "gone"):
            assert desk.poll(doing).status_code in (200, 204)
        desk.me = ""
        way = reverse("admin:entries_story_change", args=[desk.story.pk])
        desk.read(desk.client.get(way))
        assert desk.me
        assert desk.poll("new").status_code == 204
        index = desk.client.get("/admin/").content.decode()
        assert "Fog over the harbour" in index
        preview = send(desk, body="What is *typed*.", action="preview")
    assert preview.status_code == 200
    assert "&lt;em&gt;typed&lt;/em&gt;" in preview.content.decode()
    assert not Presence.objects.filter(writing=True).exists()
    assert desk.poll("new").status_code in (200, 204)  # room again: it is counted
    assert Presence.objects.filter(writing=True).exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("change", {"body": "Kept?", "action": "publish"}),
        ("change", {"body": "Kept?", "action": "draft"}),
        ("draft", {"form": "composer", "typed": "1", "body": "Kept?"}),
        ("summary", {"body": "Kept?", "version": "1"}),
    ],
)
def test_the_desk_reports_a_full_disk_for_each_write(
    desk: Page, name: str, data: dict[str, str]
) -> None:
    with full_disk():
        answer = send(desk, name, **data)
    assert answer.status_code == 503
    assert FULL in answer.content.decode()
    assert Entry.objects.count() == 1


def test_a_published_update_is_not_reported_as_lost_if_only_the_log_fails(
    desk: Page,
) -> None:
    with full_disk("django_admin_log"):
        answer = send(desk, body="It has sailed.", action="publish")
    assert answer.status_code == 200
    assert Entry.objects.filter(body="It has sailed.", state="published").exists()
    assert not LogEntry.objects.exists()
    with full_disk("django_admin_log"), transaction.atomic():
        with pytest.raises(OperationalError), errors.optional_write():
            LogEntry.objects.filter(pk=1).update(change_message="")
        transaction.set_rollback(True)


@pytest.mark.parametrize("password", ["right", "wrong"])
@pytest.mark.django_db
def test_signing_in_reports_a_full_disk(password: str) -> None:
    make_user("editor")
    client = Client(raise_request_exception=False)
    words = {} if password == "right" else {"password": "guess"}
    with full_disk():
        assert client.get("/admin/login/").status_code == 200
        answer = sign_in(client, **words)
    assert answer.status_code == 503
    page = answer.content.decode()
    assert FULL in page
    assert "guess" not in page
    assert sign_in(client).status_code == 302


@pytest.mark.django_db
def test_disk_errors_are_recognized_in_any_language_and_from_any_driver() -> None:
    assert errors.disk_problem(no_room()) is errors.FULL
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        assert "disk is full" in errors.command_message(OSError(number, "x"))
    assert errors.command_message(OSError(errno.EROFS, "x")).startswith(
        "The disk takes"
    )
    assert errors.command_message(OSError(errno.ENOENT, "x")) == ""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
            try:
                with pytest.raises(OperationalError) as full:
                    make_story("Fog", summary="x" * 20_000)
            finally:
                cursor.execute("PRAGMA max_page_count = 1073741823")
        assert errors.disk_problem(full.value) is errors.FULL


# --- Commands


def limited(
    newsroom: Newsroom, *arguments: str, blocks: int = 64
) -> subprocess.CompletedProcess[str]:
    """Run a command that can write no file longer than some KB, as on a full disk."""
    line = f'ulimit -f {blocks}; exec "$@"'
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        ["bash", "-c", line, "bash", *command],
        cwd=ROOT,
        env=newsroom.env | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert re.search("The disk (is full|takes nothing)", done.stderr), done.stderr
    return done


def test_a_backup_on_a_full_disk_fails_with_a_message_and_leaves_nothing(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
    newsroom.call(actions.fatten, SLUG)
    folder = tmp_path / "backups"
    folder.mkdir()
    limited(newsroom, "backup", str(folder / "one.tar"))
    assert list(folder.iterdir()) == []
    newsroom.manage("backup", str(folder / "one.tar"))
    before = sorted(newsroom.data.rglob("*"))
    limited(newsroom, "restore", str(folder / "one.tar"), "--replace")
    assert sorted(newsroom.data.rglob("*")) == before
    assert newsroom.call(actions.visible, SLUG)


def test_other_commands_on_a_full_disk_leave_no_partial_file(
    newsrooms: Newsrooms, tmp_path: Path
) -> None:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
        newsroom.call(actions.fatten, SLUG)
        page = str(tmp_path / "page.html")
        limited(newsroom, "export_story", SLUG, "--format", "html", "--output", page)
        assert list(tmp_path.iterdir()) == []
        story = tmp_path / "fog.txt"
        story.write_text("UPDATE 1830 GMT: Fog.\n\n" + "Still fog.\n\n" * 1500)
        limited(newsroom, "import_story", str(story), blocks=1)
        newsroom.manage("import_story", str(story))


def test_a_partial_static_file_is_deleted(tmp_path: Path) -> None:
    class Half(ContentFile):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"body { "
            raise OSError(errno.ENOSPC, "No space left on device")

    storage = Storage(location=tmp_path, base_url="/static/")
    with pytest.raises(OSError, match="No space"):
        storage.save("entries/site.css", Half(b""))
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


# --- A data folder that is not the database's own


def ready(url: str) -> httpx.Response:
    return httpx.get(f"{url}/readyz", timeout=10)


def test_a_machine_with_another_data_folder_is_not_ready(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    own = newsroom.server()
    assert ready(own.url).status_code == 200
    name = "DATABASE_URL"
    if newsroom.kind == "sqlite":
        newsroom.env[name] = f"sqlite:///{newsroom.data / 'liveblog.sqlite3'}"
    newsroom.env["DATA_DIR"] = str(tmp_path / "other")
    newsroom.manage("migrate", "--verbosity", "0")  # as a unit does before it serves
    other = newsroom.server()
    answer = ready(other.url)
    assert answer.status_code == 503
    assert "DATA_DIR is not the folder of this database" in answer.text
    assert httpx.get(f"{other.url}/healthz").status_code == 200
    assert "entries.W010" in other.log
    done = newsroom.manage(
        "check", "--database", "default", "--fail-level", "WARNING", code=1
    )
    assert "entries.W010" in done.stderr
    assert ready(own.url).status_code == 200
    given = re.search(r"into (\S+): (\w{32})", done.stderr)
    assert given
    Path(given[1]).write_text(given[2])  # what the hint says
    assert ready(other.url).status_code == 200


def test_a_folder_moved_with_its_token_still_belongs_to_the_site(
    newsrooms: Newsrooms, tmp_path: Path
) -> None:
    with newsrooms.open("sqlite") as newsroom:
        server = newsroom.server()
        server.stop()
        (newsroom.data / "server-1.log").unlink()
        newsroom.data.rename(tmp_path / "moved")
        newsroom.data.mkdir()
        newsroom.env["DATA_DIR"] = str(tmp_path / "moved")
        newsroom.env.pop("DATABASE_URL", None)
        assert ready(newsroom.server().url).status_code == 200


def test_a_restored_site_is_ready_and_has_a_new_token(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    file = newsroom.data / data_folder.SITE_ID_FILE
    token = file.read_text()
    newsroom.manage("backup", str(tmp_path / "one.tar"))
    file.unlink()
    newsroom.manage("restore", str(tmp_path / "one.tar"), "--replace")
    assert file.read_text() not in ("", token)
    assert ready(newsroom.server().url).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_site_of_an_older_release_gets_its_token_once(
    tmp_path: Path, settings: Any
) -> None:
    Site.objects.filter(pk=Site.current().pk).update(folder="")
    settings.DATA_DIR = tmp_path / "data"
    image = Image.objects.create(name="quay", stem=f"ab/ab{'0' * 38}", widths=[480])
    data_folder.claim_data_folder()  # by a machine without the pictures
    assert data_folder.read_token() == ""
    assert Site.objects.get().folder == ""
    picture = settings.IMAGES_DIR / f"{image.stem}-480.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"A picture.")
    assert Client().get("/readyz").status_code == 200
    data_folder.claim_data_folder()
    token = data_folder.read_token()
    assert re.fullmatch(r"\w{32}", token)
    assert Site.objects.get().folder == token
    data_folder.claim_data_folder()
    assert data_folder.read_token() == token
    Site.objects.update(folder="")  # a new database beside the pictures it is for
    data_folder.claim_data_folder()
    assert Site.objects.get().folder == token
    data_folder.token_file().unlink()
    data_folder.claim_data_folder()  # does not take an empty folder for the right one
    assert data_folder.read_token() == ""
    assert Client().get("/readyz").status_code == 503


def test_a_token_that_cannot_be_written_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        data_folder.write_atomically(tmp_path / "secret-key", "key")
    with pytest.raises(OSError, match="No space"):
        data_folder._create_token()
    assert list(tmp_path.iterdir()) == []
