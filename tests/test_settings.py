"""Settings are read strictly: a bad value stops the start with a sentence."""

from __future__ import annotations

import json
import os
import re
import runpy
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from psycopg_pool import ConnectionPool

from entries.management.commands import demo, serve
from liveblog import settings
from tests.servers import HOST, ROOT, TIMEOUT_SECONDS, environment, free_port

SHOW = (
    "import json; from django.conf import settings; "
    "print(json.dumps(settings.{}, default=str))"
)


def run(*command: str, data: Path, **variables: str | None) -> Any:
    """Run Python in a clean environment; None takes a variable away."""
    wanted = {"PATH": os.environ["PATH"]} | environment(data) | variables
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={name: value for name, value in wanted.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=60,
    )


def setting(name: str, data: Path, **variables: str | None) -> Any:
    """Return one setting as the product reads it."""
    done = run("-c", SHOW.format(name), data=data, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "address", [None, "postgres://liveblog@db.example/news"], ids=["sqlite", "postgres"]
)
def test_the_data_folder_is_private(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str | None
):
    folder = tmp_path / "site" / "var"
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    if address:
        monkeypatch.setenv("DATABASE_URL", address)
    runpy.run_path(settings.__file__)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DEBUG", "yes", "DEBUG is 'yes': write True or False."),
        ("DEBUG", "true", "DEBUG is 'true': write True or False."),
        ("DEBUG", "1", "DEBUG is '1': write True or False."),
        ("MAX_STREAMS", "many", "MAX_STREAMS is 'many': write a whole number"),
        ("MAX_STREAMS", "-1", "MAX_STREAMS is '-1': write a whole number"),
        ("MAX_STREAMS", "９", "MAX_STREAMS is '９': write a whole number"),
        ("SITE_URL", "news.example", "write the whole address"),
        ("SITE_URL", "ftp://news.example", "write the whole address"),
        ("SITE_URL", "https://", "write the whole address"),
        ("SITE_URL", "https://news.example:port", "write the whole address"),
        ("SITE_URL", "https://news.example/blog", "a host for itself"),
        ("SITE_URL", "https://desk:word@news.example", "a host for itself"),
        ("DATABASE_URL", "mysql://desk@localhost/news", "use PostgreSQL or SQLite"),
        ("DATABASE_URL", "the usual one", "DATABASE_URL cannot be read"),
        ("DATABASE_URL", "", "DATABASE_URL cannot be read"),
        ("SITE_NAME", " ", "SITE_NAME is empty: write a name, or take it out."),
        ("DATABASE_URL", "postgres://desk@localhost:port/x", "cannot be read"),
        ("DATABASE_URL", "postgres://desk@localhost", "names no database"),
        ("CONTACT", "javascript:steal(1)", "write a mail address"),
        ("CONTACT", "javascript:steal('@')", "write a mail address"),
        ("CONTACT", "https:///evil", "write a mail address"),
        ("LOG_FORMAT", "xml", "write line or json"),
        ("SITE_LANGUAGE", "it", "SITE_LANGUAGE is 'it': write en or de or fr"),
        ("EMAIL_PORT", "465", "take EMAIL_USE_TLS out"),
    ],
)
def test_an_invalid_value_stops_startup_with_a_message(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
):
    monkeypatch.setenv("EMAIL_USE_TLS", "True")
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=sentence):
        runpy.run_path(settings.__file__)


@pytest.mark.parametrize(
    "value",
    ["desk@news.example", "mailto:desk@news.example", "https://news.example/us"],
)
def test_a_contact_is_a_person_or_a_page(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("CONTACT", value)
    assert runpy.run_path(settings.__file__)["CONTACT"] == value


@pytest.mark.parametrize(
    ("command", "changed", "sentence"),
    [
        ("check", {"DEBUG": "yes"}, "Not started: DEBUG is 'yes'"),
        ("check", {"DATA_DIR": "/dev/null/data"}, "/dev/null/data"),
        ("migrate", {"DATABASE_URL": "sqlite:////nowhere/x"}, "The database says:"),
        ("serve", {"DATABASE_URL": "sqlite:////nowhere/x"}, "does not answer"),
        ("serve", {"SECRET_KEY": None}, "SECRET_KEY is not set"),
        ("serve", {}, "manage.py migrate"),
    ],
)
def test_a_startup_error_prints_a_message_without_a_traceback(
    tmp_path: Path, command: str, changed: dict[str, str | None], sentence: str
):
    done = run("manage.py", command, data=tmp_path, **changed)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_weak_secret_key_is_refused_at_a_public_url(
    settings: Any,
):
    settings.SECRET_KEY = "word"
    serve.check_settings()
    settings.SESSION_COOKIE_SECURE = True
    with pytest.raises(CommandError, match="SECRET_KEY has 4 characters"):
        serve.check_settings()


@pytest.mark.django_db
def test_a_port_in_use_is_reported_before_anything_is_created(tmp_path: Path):
    with closing(socket.create_server((HOST, 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} of {HOST}: Address al"):
            call_command("demo", port=port)
    assert not User.objects.exists()


def test_the_demo_uses_its_port_in_links_unless_a_site_url_is_set(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    settings.SITE_URL_FILE = tmp_path / "site-url"
    settings.SITE_URL = "https://news.example"
    monkeypatch.setenv("SITE_URL", settings.SITE_URL)
    demo.set_local_site_url(8123)
    assert settings.SITE_URL == "https://news.example"
    assert not settings.SITE_URL_FILE.exists()
    monkeypatch.delenv("SITE_URL")
    demo.set_local_site_url(8123)
    assert settings.SITE_URL == "http://127.0.0.1:8123"
    # And so do those of every other command, until another port is served.
    kept = setting("SITE_URL", tmp_path, SITE_URL=None)
    assert kept == "http://127.0.0.1:8123"
    assert setting("SITE_URL", tmp_path) == "http://testserver"


@pytest.mark.parametrize("port", ["0", "65536", "80a", "-1"])
def test_a_port_must_be_a_valid_number(port: str):
    with pytest.raises(CommandError, match="no whole number from 1 to 65535"):
        call_command("serve", f"--port={port}")


def test_env_example_and_readme_name_exactly_the_settings():
    read = set(
        re.findall(
            r"environment\.\w+\(\s*\"(\w+)\"", Path(settings.__file__).read_text()
        )
    )
    sample = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z_]+)=", sample, re.MULTILINE)) == read
    table = (ROOT / "README.md").read_text().partition("## Settings")[2]
    table = table.partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+|DEBUG|CONTACT)`", "".join(rows))) == read


def test_a_stored_secret_key_is_read_from_the_data_folder(tmp_path: Path):
    (tmp_path / "secret-key").write_text("a-key-that-was-made-before\n")
    key = setting("SECRET_KEY", tmp_path, SECRET_KEY=None)
    assert key == "a-key-that-was-made-before"


def test_lists_are_comma_separated_and_may_have_spaces(tmp_path: Path):
    hosts = setting("ALLOWED_HOSTS", tmp_path, ALLOWED_HOSTS=" a.example, ,b.example ")
    assert hosts == ["a.example", "b.example"]


def test_an_empty_environment_serves_only_localhost(tmp_path: Path):
    empty = {"ALLOWED_HOSTS": None, "SITE_URL": None, "DEBUG": None}
    assert "127.0.0.1" in setting("ALLOWED_HOSTS", tmp_path, **empty)
    assert setting("DEBUG", tmp_path, **empty) is False


def test_an_https_site_requires_https_everywhere(tmp_path: Path):
    there = {"SITE_URL": "https://news.example/"}
    assert setting("SITE_URL", tmp_path, **there) == "https://news.example"
    assert setting("SESSION_COOKIE_SECURE", tmp_path, **there) is True
    assert setting("SECURE_SSL_REDIRECT", tmp_path, **there) is True
    assert setting("SECURE_SSL_REDIRECT", tmp_path) is False


def test_hsts_preload_is_opt_in(tmp_path: Path):
    there = {"SITE_URL": "https://news.example/"}
    assert setting("SECURE_HSTS_PRELOAD", tmp_path, **there) is False
    there["HSTS_PRELOAD"] = "True"
    assert setting("SECURE_HSTS_INCLUDE_SUBDOMAINS", tmp_path, **there) is True


def test_passwords_are_hashed_with_argon2_and_older_hashes_still_work(tmp_path: Path):
    names = setting("PASSWORD_HASHERS", tmp_path)
    assert [name.rpartition(".")[2] for name in names] == [
        "Argon2PasswordHasher",
        "PBKDF2PasswordHasher",
    ]


@pytest.mark.parametrize("site", ["https://news.example", "http://127.0.0.1:8000"])
def test_the_checks_for_deployment_find_nothing(tmp_path: Path, site: str):
    own = {"SITE_URL": site, "ALLOWED_HOSTS": None}
    done = run("manage.py", "check", "--deploy", data=tmp_path, **own)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_the_pool_gives_up_soon_on_a_lost_database(
    tmp_path: Path,
):
    # By itself it would try at 1, 3, 7, 15, 31… seconds, and between that nobody can.
    lost = f"postgres://desk@{HOST}:{free_port()}/news"
    options = setting("DATABASES", tmp_path, DATABASE_URL=lost)["default"]["OPTIONS"]
    gave_up = threading.Event()
    options["pool"]["reconnect_failed"] = lambda _: gave_up.set()
    with ConnectionPool(lost, **options["pool"], open=True):
        assert gave_up.wait(TIMEOUT_SECONDS)
