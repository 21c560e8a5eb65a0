"""Settings, databases, browser and servers that the tests share."""

from __future__ import annotations

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

# `pytest --hypothesis-profile=more` tries what nobody thought of many times.
hypothesis.settings.register_profile("more", max_examples=2000, deadline=None)

_ours = pytest.StashKey[ExitStack]()
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
    stack = config.stash.setdefault(_ours, ExitStack())
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _prepare_environment(stack, own=config.getoption("--postgres"))
    _read_settings_again()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_ours].close()


def _prepare_environment(stack: ExitStack, *, own: bool) -> None:
    """Set what the settings read; the workers of pytest-xdist inherit it."""
    folder = Path(stack.enter_context(_temporary_folder()))
    url = os.environ.get("DATABASE_URL", "")
    if own:
        url = os.environ.get("TEST_POSTGRES_URL", "") or stack.enter_context(
            postgres(folder / "postgres")
        )
    if not url.startswith("postgres"):
        url = ""  # a file named there is somebody's own
    data = folder / "data"
    data.mkdir()
    os.environ |= environment(data, url)
    # No test speaks TLS, and httpx would read all certificates at each request.
    os.environ.pop("SSL_CERT_FILE", "")
    os.environ["SSL_CERT_DIR"] = str(data)


def _temporary_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="liveblog-tests-", ignore_cleanup_errors=True)


def _read_settings_again() -> None:
    """Bring Django's settings in line with the environment.

    pytest-django reads them before any code of ours runs.
    """
    module = importlib.reload(importlib.import_module("liveblog.settings"))
    database = module.DATABASES["default"]
    options = database["OPTIONS"]
    # A pool would hold connections open while a test database is dropped.
    options.pop("pool", None)
    if "init_command" in options:
        # A file, not memory: threads take turns there as they do in earnest.
        database["TEST"] = {"NAME": str(module.DATA_DIR / "test.sqlite3")}
        options["init_command"] = (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"  # thrown away anyway
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
    """Mark what needs to run once only; see SECOND_PASS in `tests/__main__.py`.

    Modules that bring servers take longest and come first, so that no worker is
    left alone with one of them at the end.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & SERVERS:
            item.add_marker("servers")
        elif not (fixtures & DATABASE or _asks_for_database(item)):
            item.add_marker("pure")  # pytest-django lets no such test reach one
    slow = {item.path for item in items if item.get_closest_marker("servers")}
    items.sort(key=lambda item: item.path not in slow)


def _asks_for_database(item: pytest.Item) -> bool:
    from django.test import SimpleTestCase

    cls = getattr(item, "cls", None)
    django_case = cls is not None and issubclass(cls, SimpleTestCase)
    return django_case or item.get_closest_marker("django_db") is not None


@pytest.fixture(autouse=True)
def _own_pictures(tmp_path: Path) -> Iterator[None]:
    """Let no test see the picture files of another."""
    from django.test import override_settings

    with override_settings(IMAGES_DIR=tmp_path / "pictures"):
        yield


@pytest.fixture(autouse=True)
def _own_pages() -> None:
    """Let no test see what was rendered for another: rolled back, ids come again."""
    from entries.pages import fragment_cache, story_page

    fragment_cache.cache.clear()
    story_page._frame.cache_clear()


@pytest.fixture
def story(db: None) -> Story:
    """Give a live story without any entry."""
    from tests.builders import make_story

    return make_story("Fog over the harbour")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[], str]]:
    """Give the address of a PostgreSQL of ours, started when it is first asked for."""
    with ExitStack() as stack:

        def url() -> str:
            if not os.environ.get("TEST_POSTGRES_URL"):
                # Not under pytest's own folder: other runs take away the right to
                # enter it, which a server with a user of its own needs.
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
    """Open newsrooms: `with newsrooms.open("sqlite") as newsroom`."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Newsrooms(
        tmp_path_factory.mktemp("newsrooms"), postgres_url, shared / "newsrooms"
    )


@pytest.fixture(params=["sqlite", "postgres"])
def newsroom(
    request: pytest.FixtureRequest, newsrooms: Newsrooms
) -> Iterator[Newsroom]:
    """Give a newsroom of the test's own, once on each database."""
    with newsrooms.open(request.param) as newsroom:
        yield newsroom


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """Give a PostgreSQL that a test may take down."""
    with (
        _temporary_folder() as at,
        closing(Postgres(Path(at) / "postgres")) as server,
    ):
        yield server


@pytest.fixture
def apart(newsrooms: Newsrooms, database: Postgres) -> Iterator[Newsroom]:
    """Give a newsroom on that PostgreSQL, with the story `ice-on-the-sound`."""
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
    """Give a module's tests one newsroom with two servers, once on each database."""
    with newsrooms.open(request.param) as newsroom:
        newsroom.server()
        newsroom.server()
        yield newsroom


@pytest.fixture
def slug(room: Newsroom) -> str:
    """Give a live story of four entries of the test's own, in the module's room."""
    from tests import actions

    slug = f"ice-on-the-sound-{next(_numbers):03}"
    room.call(actions.make_story, "Ice on the Sound", slug, updates=3)
    return slug


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give one browser to a module's tests.

    Not to the whole session: while playwright runs, its event loop stands in the
    thread, and neither the ORM nor another loop could be used by other modules.
    """
    from tests import browser

    with browser.launch() as chromium:
        yield chromium


@pytest.fixture
def reader(chromium: Browser) -> Iterator[Callable[..., Reader]]:
    """Give readers: each call opens a window of its own, with no shared cache.

    Fails the test where a page broke its own security policy or threw an error.
    """
    from tests import browser

    readers: list[Reader] = []

    def open_window(**options: object) -> Reader:
        readers.append(browser.Reader(chromium, **options))
        return readers[-1]

    yield open_window
    problems = [problem for reader in readers for problem in reader.problems]
    for window in readers:
        sys.stdout.write(f"\n{window.story()}\n")  # shown where the test failed
        window.close()
    assert not problems, "\n".join(problems)
