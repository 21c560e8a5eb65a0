"""Servers show what their files say: while they change, and after an upgrade."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError

from entries.management.commands import serve
from tests import actions
from tests.servers import ROOT, Newsrooms, environment, wait_for

SLUG = "ice-on-the-sound"
SOURCES = ("liveblog", "entries", "templates", "static")


def copy_source(target: Path) -> Path:
    for name in SOURCES:
        shutil.copytree(
            ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "manage.py", target)
    return target


def append(file: Path, text: str) -> None:
    file.write_text(f"{file.read_text()}\n{text}\n")


def test_changes_of_css_templates_and_python_are_served(
    newsrooms: Newsrooms, tmp_path: Path
) -> None:
    source = copy_source(tmp_path / "source")
    with newsrooms.open("sqlite") as newsroom, httpx.Client() as client:
        newsroom.call(actions.make_story, "Ice on the Sound", SLUG)
        server = newsroom.server("--reload", root=source)
        story = f"{server.url}/stories/{SLUG}/"
        css = f"{server.url}/static/entries/site.css"
        before = client.get(story)
        assert css.removeprefix(server.url) in before.text

        def shows(url: str, text: str, **headers: str) -> bool:
            try:
                response = client.get(url, headers=headers)
            except httpx.TransportError:  # it restarts
                return False
            return response.status_code == 200 and text in response.text

        append(source / "static/entries/site.css", ".brand-new { color: red; }")
        assert shows(css, ".brand-new")  # without a restart

        template = source / "templates/entries/story.html"
        template.write_text(
            template.read_text().replace(
                "{% block main %}", "{% block main %}<p>Brand new.</p>"
            )
        )
        known = {"If-None-Match": before.headers["ETag"]}
        wait_for(lambda: shows(story, "Brand new.", **known), "the template")

        append(source / "liveblog/settings.py", 'SITE_NAME = "The Brand New Courier"')
        wait_for(lambda: shows(story, "The Brand New Courier"), "the setting")

        with newsroom.sse(server, SLUG) as stream:
            newsroom.call(actions.post, SLUG, "Ferries stay in port.")
            stream.wait("Ferries stay in port.")


def test_reload_is_refused_on_a_public_site(settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    settings.SITE_URL = "https://news.example"
    with pytest.raises(CommandError, match=r"SITE_URL is https://news\.example"):
        serve.prepare_static(reload=True)


def test_runserver_names_the_command_to_run_instead(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "runserver"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "`manage.py demo --reload`" in done.stderr
    assert "`manage.py serve --reload`" in done.stderr


def test_an_upgrade_replaces_static_files_that_are_newer(
    newsrooms: Newsrooms, tmp_path: Path
) -> None:
    with newsrooms.open("sqlite") as newsroom:
        newsroom.server().stop()
        static = newsroom.data / "static"
        # Collecting writes into files that other newsrooms share by links: copy them.
        shutil.move(static, tmp_path / "linked")
        shutil.copytree(tmp_path / "linked", static)
        # The files of an earlier release, which were collected after this one's were
        # packed: one has changed, and the newest did not exist.
        record = static / "sources.sha256"
        if record.is_file():
            replace(record, "that of the earlier release")
        manifest = json.loads((static / "staticfiles.json").read_text())
        del manifest["paths"]["entries/icons.svg"]
        replace(static / "staticfiles.json", json.dumps(manifest))
        replace(static / "entries/site.css", "body { color: red; }")

        server = newsroom.server()
        page = httpx.get(server.url).text
        (address,) = re.findall(r'"(/static/entries/site[^"]+)', page)
        styles = httpx.get(server.url + address)

    assert "color: red" not in styles.text
    manifest = json.loads((static / "staticfiles.json").read_text())
    assert "entries/icons.svg" in manifest["paths"]


def test_collecting_replaces_files_that_servers_are_sending(
    newsrooms: Newsrooms, tmp_path: Path
) -> None:
    with newsrooms.open("sqlite") as newsroom:
        static = newsroom.data / "static"
        before = {file.stat().st_ino for file in static.rglob("*.br")}
        (static / "sources.sha256").unlink(missing_ok=True)
        newsroom.server().stop()
        after = {file.stat().st_ino for file in static.rglob("*.br")}
    assert before
    assert before.isdisjoint(after)


def replace(file: Path, text: str) -> None:
    """Replace a file by a newer one."""
    file.write_text(text)
    os.utime(file, (time.time() + 60,) * 2)
