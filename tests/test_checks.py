"""System checks that find deployments which would break the promise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import override_settings
from PIL import Image

from entries.operations import checks

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
depot:/pool /srv/news nfs4 rw 0 0
/dev/sdb1 /srv/news/local xfs rw 0 0
"""


def ids(found: object) -> list[str]:
    return [message.id for message in found]  # type: ignore[attr-defined]


def test_the_innermost_mount_point_gives_the_file_system():
    kinds = {
        "/srv/news/site.sqlite3": "nfs4",
        "/srv/news/local/site.sqlite3": "xfs",
        "/srv/newspaper/site.sqlite3": "ext4",
    }
    for path, kind in kinds.items():
        assert checks.file_system_type(Path(path), MOUNTS) == kind


def test_a_data_folder_without_write_permission_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with override_settings(DATA_DIR=tmp_path / "new" / "data"):
        assert ids(checks.check_data_directory()) == []
        monkeypatch.setattr("os.access", lambda *_: False)
        assert ids(checks.check_data_directory()) == ["entries.E001"]


def test_sqlite_on_a_network_disk_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "file_system_type", lambda *_: "nfs4")
    database = SimpleNamespace(vendor="sqlite", settings_dict={"NAME": "/srv/x"})
    monkeypatch.setattr(checks, "connection", database)
    assert ids(checks.check_data_directory()) == ["entries.E002"]
    database.vendor = "postgresql"
    assert ids(checks.check_data_directory()) == []


def test_pillow_without_avif_is_an_error(monkeypatch: pytest.MonkeyPatch):
    assert ids(checks.check_image_formats()) == []
    monkeypatch.delitem(Image.SAVE, "AVIF")
    (message,) = checks.check_image_formats()
    assert (message.id, "AVIF" in message.msg) == ("entries.E003", True)


@pytest.mark.parametrize(
    ("debug", "site", "found"),
    [
        (True, "https://news.example", ["entries.E004"]),
        (False, "https://news.example", []),
        (True, "http://127.0.0.1:8000", []),
    ],
)
def test_debug_on_a_public_site_is_an_error(debug: bool, site: str, found: list[str]):
    with override_settings(DEBUG=debug, SITE_URL=site):
        assert ids(checks.check_debug()) == found


def test_a_site_url_outside_allowed_hosts_is_an_error():
    with override_settings(SITE_URL="https://news.example:8443", ALLOWED_HOSTS=["b.c"]):
        assert ids(checks.check_site_url()) == ["entries.E008"]
    for hosts in ["*"], ["news.example"], [".example"]:
        with override_settings(SITE_URL="https://news.example", ALLOWED_HOSTS=hosts):
            assert ids(checks.check_site_url()) == []


def test_an_unreadable_imprint_is_an_error(tmp_path: Path):
    for name, found in ((__file__, []), (str(tmp_path / "no"), ["entries.E009"])):
        with override_settings(IMPRINT_FILE=name):
            assert ids(checks.check_imprint_file()) == found


def test_sqlite_without_full_text_search_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
):
    assert ids(checks.check_full_text_search()) == []
    old = SimpleNamespace(vendor="sqlite")
    monkeypatch.setattr(checks, "connection", old)
    monkeypatch.setattr(checks, "_has_fts5", lambda memory: memory.close())
    assert ids(checks.check_full_text_search()) == ["entries.E007"]


def test_a_connection_pooler_causes_a_warning(monkeypatch: pytest.MonkeyPatch):
    assert ids(checks.check_pooler()) == []
    monkeypatch.setitem(connection.settings_dict, "PORT", 6432)
    assert ids(checks.check_pooler()) == ["entries.W005"]


@pytest.mark.django_db
def test_database_checks_test_listen_and_notify():
    assert ids(checks.check_listen_notify(databases=["default"])) == []
    assert ids(checks.check_listen_notify()) == []
