"""Backups taken during writes, and the same pages after a restore."""

from __future__ import annotations

import re
import tarfile
import threading
from pathlib import Path

import httpx
import pytest

from entries.operations import backups
from tests import actions
from tests.servers import Newsroom, Newsrooms, database_url, sql

SLUG = "ice-on-the-sound"
GAP = """UPDATE django_migrations SET id = id + 1
    WHERE id = (SELECT max(id) FROM django_migrations)"""
UPGRADE = """INSERT INTO django_migrations (app, name, applied)
    VALUES ('entries', 'next', now())"""
DOWNGRADE = "DELETE FROM django_migrations WHERE name = 'next'"


def plain(page: str) -> str:
    """Return a page without what names its history of the database."""
    return re.sub(r"\b[0-9a-f]{8}-(\d+)", r"epoch-\1", page)


def pages(url: str, ids: list[int]) -> list[str]:
    paths = [f"/stories/{SLUG}/", "/", f"/stories/{SLUG}.json", "/feed/"]
    paths += [f"/stories/{SLUG}/updates/{pk}/" for pk in ids]
    answers = [httpx.get(f"{url}{path}", timeout=30) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    return [plain(answer.text) for answer in answers]


def empty(newsroom: Newsroom) -> None:
    """Take everything away that the newsroom was prepared with."""
    if newsroom.kind == "sqlite":
        for file in newsroom.data.glob("liveblog.sqlite3*"):
            file.unlink()
    else:
        url = newsroom.env["DATABASE_URL"]
        name = url.partition("?")[0].rpartition("/")[2]
        other = database_url(url, "postgres")
        sql(other, f'DROP DATABASE "{name}" WITH (FORCE)')
        sql(other, f'CREATE DATABASE "{name}"')


def test_a_restored_site_shows_the_same_pages(
    newsrooms: Newsrooms, newsroom: Newsroom, tmp_path: Path
) -> None:
    newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
    ids = newsroom.call(actions.post_many, SLUG, "Before", 3)
    picture = newsroom.data / "pictures" / "ab" / f"ab{'0' * 38}-480.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"A picture.")
    writing = threading.Event()
    helper = newsroom.helper()

    def write() -> None:
        while not writing.wait(0.05):  # at the pace of a very busy newsroom
            helper.call(actions.post, SLUG, "While it is copied.")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        newsroom.manage("backup", str(tmp_path / "busy.tar"))
    finally:
        writing.set()
        thread.join()
    again = newsroom.manage("backup", str(tmp_path / "busy.tar"), code=1)
    assert "name another file" in again.stderr
    if newsroom.kind != "sqlite":  # one upgrade failed, and its number is used up
        sql(newsroom.env["DATABASE_URL"], GAP)
    newsroom.manage("backup", str(tmp_path / "quiet.tar"))
    assert (tmp_path / "quiet.tar").stat().st_mode & 0o077 == 0
    before = pages(newsroom.server().url, ids)

    with newsrooms.open(newsroom.kind) as other:
        refused = other.manage("restore", str(tmp_path / "quiet.tar"), code=1)
        assert "This site has data already" in refused.stderr
        empty(other)
        other.manage("restore", str(tmp_path / "quiet.tar"))
        if other.kind != "sqlite":
            sql(other.env["DATABASE_URL"], UPGRADE)
            sql(other.env["DATABASE_URL"], DOWNGRADE)
        server = other.server()
        assert pages(server.url, ids) == before
        assert (other.data / picture.relative_to(newsroom.data)).read_bytes()
        new = other.call(actions.post, SLUG, "After the restoring.")
        assert new > max(ids)
        epoch = other.call(actions.cursor, SLUG).partition("-")[0]
        assert epoch != newsroom.call(actions.cursor, SLUG).partition("-")[0]

        # What was written under load is whole too, put in the place of a running
        # site; who reads there is told that this is another history.
        with other.sse(server, SLUG) as reader:
            reader.wait_named("at")
            other.manage("restore", str(tmp_path / "busy.tar"), "--replace")
            reader.wait_named("reset")
        page = httpx.get(f"{server.url}/stories/{SLUG}/").text
        assert "After the restoring." not in page
        assert all(f'id="entry-{pk}"' in page for pk in ids)


def test_a_site_moves_from_sqlite_to_postgresql_and_keeps_its_addresses(
    newsrooms: Newsrooms, tmp_path: Path
) -> None:
    saved, back = str(tmp_path / "site.tar"), str(tmp_path / "back.tar")
    with newsrooms.open("sqlite") as old, newsrooms.open("postgres") as new:
        old.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
        ids = old.call(actions.post_many, SLUG, "Thin\tice \\N, “held”", 3)
        old.manage("backup", saved)
        before = pages(old.server().url, ids)
        empty(new)
        new.manage("restore", saved)
        assert pages(new.server().url, ids) == before
        assert new.call(actions.post, SLUG, "After the move.") > max(ids)
        new.manage("backup", back)
        refused = old.manage("restore", back, code=1)
        assert "restore into the same kind of database" in refused.stderr


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    newsrooms: Newsrooms, tmp_path: Path, kind: str
) -> None:
    with newsrooms.open(kind) as newsroom:
        newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=1)
        newsroom.manage("backup", str(tmp_path / "one.tar"))
        data = bytearray((tmp_path / "one.tar").read_bytes())
        place = data.index(b"Report 0 from the quay")
        data[place : place + 6] = b"Rumour"
        (tmp_path / "two.tar").write_bytes(data)
        done = newsroom.manage(
            "restore", str(tmp_path / "two.tar"), "--replace", code=1
        )
        assert "is damaged" in done.stderr
        (tmp_path / "half.tar").write_bytes(data[: len(data) // 2])
        newsroom.manage("restore", str(tmp_path / "half.tar"), "--replace", code=1)
        assert newsroom.call(actions.cursor, SLUG).partition("-")[2] != ""


@pytest.mark.parametrize("name", ["../out", "/out", "pictures/../../out", "link"])
def test_restoring_writes_only_into_its_own_folder(tmp_path: Path, name: str):
    target = tmp_path / "data" / "folder"
    target.mkdir(parents=True)
    member = tarfile.TarInfo(name)
    if name == "link":
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.addfile(member)
    with pytest.raises(backups.BackupError, match="nothing that a backup holds"):
        backups._unpack(tmp_path / "bad.tar", target)
    assert not [*target.iterdir(), *tmp_path.glob("**/out")]
