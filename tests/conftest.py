"""The settings and fixtures that tests share: databases, browsers and servers."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import hypothesis
import pytest
from django.conf import settings
from django.db import connections

from tests.servers import Newsroom, Newsrooms, Postgres, environment, postgres

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from entries.models import Story
    from tests.browser import Reader

# `pytest --hypothesis-profile=more` runs many more examples.
hypothesis.settings.register_profile("more", max_examples=2000, deadline=None)

# Each request builds many short-lived objects: collect garbage a tenth as often.
gc.set_threshold(10_000, 20, 20)

_stack_key = pytest.StashKey[ExitStack]()
DATABASE = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}
_numbers = count(1)
SERVERS = {"newsroom", "newsrooms", "chromium", "reader"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        action="store_true",
        help="use a PostgreSQL of the suite's own (default: DATABASE_URL, or SQLite)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pure: touches no database; runs once")
    config.addinivalue_line("markers", "servers: brings both databases; runs once")
    stack = config.stash.setdefault(_stack_key, ExitStack())
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _prepare_environment(stack, own=config.getoption("--postgres"))
    _reload_settings()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_stack_key].close()


def _prepare_environment(stack: ExitStack, *, own: bool) -> None:
    """Set the environment variables of the tests, which xdist workers inherit."""
    folder = Path(stack.enter_context(_temporary_folder()))
    url = os.environ.get("DATABASE_URL", "")
    if own:
        url = os.environ.get("TEST_POSTGRES_URL", "") or stack.enter_context(
            postgres(folder / "postgres")
        )
    if not url.startswith("postgres"):
        url = ""  # never use somebody's own SQLite file
    data = folder / "data"
    data.mkdir()
    os.environ |= environment(data, url)
    # No test uses TLS, and httpx would read all certificates for each client.
    os.environ.pop("SSL_CERT_FILE", "")
    os.environ["SSL_CERT_DIR"] = str(data)


def _temporary_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="liveblog-tests-", ignore_cleanup_errors=True)


def _reload_settings() -> None:
    """Reload Django's settings from the environment.

    pytest-django reads them before this module runs.
    """
    module = importlib.reload(importlib.import_module("liveblog.settings"))
    database = module.DATABASES["default"]
    options = database["OPTIONS"]
    # A pool would hold connections open while a test database is dropped.
    options.pop("pool", None)
    if "init_command" in options:
        # A file instead of memory, so that threads lock it as in production.
        database["TEST"] = {"NAME": str(module.DATA_DIR / "test.sqlite3")}
        options["init_command"] = (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"  # it is temporary
        )
    module.STORAGES["staticfiles"] = {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
    }
    module.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for name in filter(str.isupper, dir(module)):
        setattr(settings, name, getattr(module, name))
    connections.__dict__.pop("settings", None)
    connections._settings = None
    with suppress(AttributeError):
        del connections["default"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run in one pass only (SECOND_PASS in `tests/__main__.py`).

    Modules with servers are the slowest and run first, so that no worker is still busy
    with one at the end.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & SERVERS:
            item.add_marker("servers")
        elif not (fixtures & DATABASE or _uses_database(item)):
            item.add_marker("pure")  # pytest-django blocks its access to databases
    slow = {item.path for item in items if item.get_closest_marker("servers")}
    items.sort(key=lambda item: item.path not in slow)


def _uses_database(item: pytest.Item) -> bool:
    from django.test import SimpleTestCase

    cls = getattr(item, "cls", None)
    django_case = cls is not None and issubclass(cls, SimpleTestCase)
    return django_case or item.get_closest_marker("django_db") is not None


@pytest.fixture(autouse=True)
def _isolated_images(tmp_path: Path) -> Iterator[None]:
    """Give each test its own folder of images."""
    from django.test import override_settings

    with override_settings(IMAGES_DIR=tmp_path / "pictures"):
        yield


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    """Clear the caches of rendered HTML, since ids are reused after a rollback."""
    from tests import actions

    actions.clear_caches()


@pytest.fixture
def story(db: None) -> Story:
    """Create a live story without entries."""
    from tests.builders import make_story

    return make_story("Fog over the harbour")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[], str]]:
    """Return a function that returns PostgreSQL's URL, and starts it if necessary."""
    with ExitStack() as stack:

        def url() -> str:
            if not os.environ.get("TEST_POSTGRES_URL"):
                # Not in pytest's folder: other runs remove permissions from it that a
                # server with a user of its own needs.
                folder = Path(stack.enter_context(_temporary_folder()))
                os.environ["TEST_POSTGRES_URL"] = stack.enter_context(
                    postgres(folder / "postgres")
                )
                stack.callback(os.environ.pop, "TEST_POSTGRES_URL")
            return os.environ["TEST_POSTGRES_URL"]

        yield url


@pytest.fixture(scope="session")
def newsrooms(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: Callable[[], str]
) -> Newsrooms:
    """Return a factory: `with newsrooms.open("sqlite") as newsroom`."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = tmp_path_factory.mktemp("newsrooms")
    return Newsrooms(folder, postgres_url, shared / "newsrooms", fork=True)


@pytest.fixture(params=["sqlite", "postgres"])
def newsroom(
    request: pytest.FixtureRequest, newsrooms: Newsrooms
) -> Iterator[Newsroom]:
    """Open a newsroom for one test, once with each database."""
    with newsrooms.open(request.param) as newsroom:
        yield newsroom


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """Start a PostgreSQL server that tests may stop."""
    with (
        _temporary_folder() as at,
        closing(Postgres(Path(at) / "postgres")) as server,
    ):
        yield server


@pytest.fixture
def apart(newsrooms: Newsrooms, database: Postgres) -> Iterator[Newsroom]:
    """Open a newsroom on the server of `database`, with one story."""
    from tests import actions

    with newsrooms.open("postgres", database) as newsroom:
        helper = newsroom.helper()
        helper.call(
            actions.make_story, "Ice on the Sound", "ice-on-the-sound", updates=3
        )
        helper.close()
        yield newsroom


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def room(request: pytest.FixtureRequest, newsrooms: Newsrooms) -> Iterator[Newsroom]:
    """Open a newsroom with two servers for a module, once with each database."""
    with newsrooms.open(request.param) as newsroom:
        newsroom.server()
        newsroom.server()
        yield newsroom


@pytest.fixture
def slug(room: Newsroom) -> str:
    """Create a live story with four entries in `room`, and return its slug."""
    from tests import actions

    slug = f"ice-on-the-sound-{next(_numbers):03}"
    room.call(actions.make_story, "Ice on the Sound", slug, updates=3)
    return slug


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start a browser for a module.

    It is not started for the session, because while playwright runs, its event loop
    occupies the thread, and other modules could use neither the ORM nor another loop.
    """
    from tests import browser

    with browser.launch() as chromium:
        yield chromium


@pytest.fixture
def reader(chromium: Browser) -> Iterator[Callable[..., Reader]]:
    """Return a function that opens a new browser window without a shared cache.

    The test fails if a page violates the content security policy or throws an error.
    """
    from tests import browser

    readers: list[Reader] = []

    def open_window(**options: object) -> Reader:
        readers.append(browser.Reader(chromium, **options))
        return readers[-1]

    yield open_window
    problems = [problem for reader in readers for problem in reader.problems]
    for window in readers:
        sys.stdout.write(f"\n{window.log()}\n")  # shown if the test failed
        window.close()
    assert not problems, "\n".join(problems)
