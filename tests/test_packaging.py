"""The wheel: a plain `pip install .` includes templates and static files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

SCRIPT = """
import django
django.setup()
from django.contrib.staticfiles import finders
from django.template.loader import get_template
import entries, liveblog
print(entries.__file__, liveblog.__file__)
print(get_template("entries/story.html").origin.name)
print(finders.find("entries/live.js"))
"""


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the project as a plain `pip install .` leaves it."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(settings.BASE_DIR)],
        check=True,
    )
    return folder


def run(site_packages: Path, data: Path, *arguments: str) -> str:
    data.mkdir(exist_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site_packages),
        "DJANGO_SETTINGS_MODULE": "liveblog.settings",
        "SECRET_KEY": "only-for-this-test-" * 3,
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=data,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_an_installed_package_finds_its_templates_and_static_files(
    site_packages: Path, tmp_path: Path
) -> None:
    for path in run(site_packages, tmp_path, "-c", SCRIPT).split():
        assert Path(path).is_relative_to(site_packages)


def test_an_installed_package_keeps_its_data_in_the_working_folder(
    site_packages: Path, tmp_path: Path
) -> None:
    run(site_packages, tmp_path, "-m", "django", "migrate", "--verbosity", "0")
    collected = run(site_packages, tmp_path, "-m", "django", "collectstatic", "-v0")
    assert collected == ""
    assert (tmp_path / "var" / "liveblog.sqlite3").is_file()
    assert list((tmp_path / "var").rglob("live.*.js"))
