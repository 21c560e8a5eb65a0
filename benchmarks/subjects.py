"""What is measured: the product, nchan, and the cheapest server in C.

Each serves a stream at an address, can be told a message, and is its processes.
"""

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import httpx

from tests import actions
from tests.servers import HOST, Newsroom, Newsrooms, free_port, wait_for

SLUG = "ice-on-the-sound"
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
WORDS = "the tide is out again "
FILES = 20_000  # open files that nginx may have
NGINX = """
{load}
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
worker_processes 1; worker_rlimit_nofile {files};
events {{ worker_connections 65536; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000; etag on;
  types {{ text/html html; }}
  server {{
    listen {host}:{port} backlog=4096;
    {hub}
    location / {{ root {folder}/files; }}
  }}
}}
"""
HUB = """
    location = /sub { nchan_subscriber eventsource; nchan_channel_id bench;
                      nchan_subscriber_first_message newest;
                      nchan_eventsource_ping_interval 15; }
    location = /pub { nchan_publisher; nchan_channel_id bench; }
"""


class Subject(Protocol):
    """A server with a stream: where it listens, and how it is told a message."""

    name: str
    port: int
    path: str  # of the stream
    small: tuple[str, ...]  # path and header of a request with a small answer

    @property
    def pids(self) -> list[int]:
        """Return all its processes."""

    def tell(self, mark: str, size: int) -> None:
        """Publish a message of about that many bytes with the mark in it."""


class Process(NamedTuple):
    """A server written by others, told by HTTP."""

    name: str
    port: int
    path: str
    small: tuple[str, ...]
    pid: int

    @property
    def pids(self) -> list[int]:
        """Return the process and its children."""
        return family(self.pid)

    def tell(self, mark: str, size: int) -> None:
        """POST a message, framed where the server does not do it itself."""
        data = f"{mark} ".ljust(size, "x")
        if self.name == "floor":
            data = f"data: {data}\n\n"
        line = http.client.HTTPConnection(HOST, self.port)
        line.request("POST", "/pub", data.encode())
        line.getresponse().read()
        line.close()


class Product:
    """The product, told through the verb that editors use, in another process."""

    def __init__(self, name: str, newsroom: Newsroom, workers: int) -> None:
        self.name = name
        self.newsroom = newsroom
        newsroom.call(actions.make_story, "Ice on the Sound", SLUG)
        newsroom.call(actions.post_many, SLUG, WORDS * 50, 99)
        self.server = newsroom.server("--workers", str(workers))
        self.port = self.server.port
        self.path = f"/stories/{SLUG}/stream"
        # What most requests of open pages are: is the page still as I have it?
        quiet = "a-quiet-story"
        newsroom.call(actions.make_story, "A quiet story", quiet, updates=1)
        page = httpx.get(f"{self.server.url}/stories/{quiet}/")
        self.small = (f"/stories/{quiet}/", f"If-None-Match: {page.headers['etag']}")

    @property
    def pids(self) -> list[int]:
        """Return the server's processes, not the one that publishes."""
        return family(self.server.pid or 0)

    def tell(self, mark: str, size: int) -> None:
        """Post an update that makes an event of about that size."""
        body = f"{mark} {WORDS * (size // 40)}"
        self.newsroom.call(actions.post, SLUG, body)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


@contextmanager
def product(
    newsrooms: Newsrooms, kind: str, workers: int = 1, *, direct: bool = False
) -> Iterator[Product]:
    """Run the product on `sqlite` or `postgres`."""
    name = f"liveblog, {kind}" + (f", {workers} workers" if workers > 1 else "")
    name += ", direct writes" if direct else ""
    with newsrooms.open(kind) as newsroom:
        newsroom.env["MAX_STREAMS"] = "19500"
        newsroom.env["DIRECT_WRITES"] = str(direct)
        yield Product(name, newsroom, workers)


@contextmanager
def run(command: list[str], port: int) -> Iterator[int]:
    """Run a server until the block ends; give its process id."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), " ".join(command))
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)
        time.sleep(0.2)


def answers(port: int) -> bool:
    """Whether something listens there."""
    line = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        line.request("GET", "/")
        line.getresponse().read()
    except OSError:
        return False
    finally:
        line.close()
    return True


@contextmanager
def nginx(folder: Path, *, hub: bool = True) -> Iterator[Process]:
    """Run Debian's nginx: files below `folder/files`, and nchan's hub."""
    port = free_port()
    (folder / "files").mkdir(parents=True, exist_ok=True)
    (folder / "files" / "small.html").write_text("ok\n")
    text = NGINX.format(
        folder=folder,
        files=FILES,
        host=HOST,
        port=port,
        load=f"load_module {MODULE};" if hub else "",
        hub=HUB if hub else "",
    )
    # A worker that gives up root could not read a folder of its own user's.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + text)
    with run(["nginx", "-c", str(folder / "nginx.conf")], port) as pid:
        yield Process("nchan", port, "/sub", ("/small.html",), pid)


@contextmanager
def floor(program: Path) -> Iterator[Process]:
    """Run the cheapest server."""
    port = free_port()
    with run([str(program), str(port)], port) as pid:
        yield Process("floor", port, "/sub", ("/",), pid)
