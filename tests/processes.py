"""Start Python processes quickly, by forking one in which Django is set up.

Importing the libraries and setting up Django takes a process nearly all of its startup
time. The settings are imported again after the fork: they depend on the environment.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TextIO

FORKS = multiprocessing.get_context("forkserver")
# Everything here can be imported without settings.
FORKS.set_forkserver_preload(
    [
        "tests.servers",
        "PIL.ImageCms",
        "PIL.ImageOps",
        "PIL.JpegImagePlugin",
        "axes.apps",
        "bleach",
        "csp.constants",
        "csp.middleware",
        "dj_database_url",
        "django.contrib.admin.options",
        "django.contrib.admin.views.main",
        "django.contrib.sitemaps",
        "django.contrib.staticfiles.finders",
        "django.contrib.syndication.views",
        "django.core.handlers.asgi",
        "django.core.management.commands.check",
        "django.core.serializers.json",
        "django.db.backends.postgresql.base",
        "django.db.backends.sqlite3.base",
        "django.db.migrations.executor",
        "django.template.loaders.cached",
        "django.test.client",
        "django_htmx.middleware",
        "langcodes",
        "markdown",
        "nh3",
        "pi_heif",
        "prometheus_client",
        "psycopg_pool",
        "pydantic.main",
        "pydantic.type_adapter",
        "qrcode.main",
        "uvicorn.lifespan.on",
        "uvicorn.loops.uvloop",
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.supervisors",
        "entries.text.markdown",
        "tests.preload",
    ]
)


def use_environment(env: Mapping[str, str]) -> None:
    """Take over the environment of a new process, and the settings that follow from it.

    Settings that are wrong are left to the process itself, which reports them.
    """
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    if "tests.preload" in sys.modules:
        sys.modules["tests.preload"].reload_settings()


class ForkedCommand:
    """A management command in a process of its own, with the methods of `Popen`.

    Its standard streams are files: `stdin` is read, and the others are appended to.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        stdin: Path = Path(os.devnull),
    ) -> None:
        self._arguments = list(arguments)
        streams = (stdin, stdout, stderr)
        self._process = FORKS.Process(
            target=_run, args=(self._arguments, folder, dict(env), streams)
        )
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Return the exit code, or minus the signal that killed it; None until then."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process, and return its exit code.

        Raises TimeoutExpired after `timeout` seconds.
        """
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise TimeoutExpired(self._arguments, timeout or 0)
        return code


def _writer(number: int) -> TextIO:
    return os.fdopen(number, "w", buffering=1)


def _run(
    arguments: list[str],
    folder: Path,
    env: dict[str, str],
    streams: tuple[Path, Path, Path],
) -> None:
    os.setsid()
    os.chdir(folder)
    use_environment(env)
    for number, path in enumerate(streams):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), _writer(1), _writer(2)
    sys.argv = ["manage.py", *arguments]
    from manage import main

    main()
