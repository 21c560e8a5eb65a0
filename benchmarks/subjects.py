"""The servers under test: the product, nchan, and a minimal server in C (the floor).

Each serves a stream, accepts messages to publish, and knows its processes.
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
FILES = 20_000  # open files that nginx is allowed
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
    """A server with a stream: where it listens, and how to publish a message."""

    name: str
    port: int
    path: str  # the stream's URL path
    small: tuple[str, ...]  # path and header of a request with a small response

    @property
    def pids(self) -> list[int]:
        """Return the ids of all its processes."""

    def tell(self, mark: str, size: int) -> None:
        """Publish a message of about `size` bytes that contains the mark."""


class Process(NamedTuple):
    """A reference server, published to over HTTP."""

    name: str
    port: int
    path: str
    small: tuple[str, ...]
    pid: int

    @property
    def pids(self) -> list[int]:
        """Return the ids of the process and its descendants."""
        return family(self.pid)

    def tell(self, mark: str, size: int) -> None:
        """POST a message; add the event framing where the server does not."""
        data = f"{mark} ".ljust(size, "x")
        if self.name == "floor":
            data = f"data: {data}\n\n"
        line = http.client.HTTPConnection(HOST, self.port)
        line.request("POST", "/pub", data.encode())
        line.getresponse().read()
        line.close()


class Product:
    """The product, published to by the verb that editors use, in another process."""

    def __init__(self, name: str, newsroom: Newsroom, workers: int) -> None:
        self.name = name
        self.newsroom = newsroom
        newsroom.call(actions.make_story, "Ice on the Sound", SLUG)
        newsroom.call(actions.post_many, SLUG, WORDS * 50, 99)
        self.server = newsroom.server("--workers", str(workers))
        self.port = self.server.port
        self.path = f"/stories/{SLUG}/stream"
        # Most requests of open pages are conditional requests.
        quiet = "a-quiet-story"
        newsroom.call(actions.make_story, "A quiet story", quiet, updates=1)
        page = httpx.get(f"{self.server.url}/stories/{quiet}/")
        self.small = (f"/stories/{quiet}/", f"If-None-Match: {page.headers['etag']}")

    @property
    def pids(self) -> list[int]:
        """Return the ids of the server's processes, without the one that publishes."""
        return family(self.server.pid or 0)

    def tell(self, mark: str, size: int) -> None:
        """Publish an update whose event is about `size` bytes."""
        body = f"{mark} {WORDS * (size // 40)}"
        self.newsroom.call(actions.post, SLUG, body)


def family(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


@contextmanager
def product(newsrooms: Newsrooms, kind: str, workers: int = 1) -> Iterator[Product]:
    """Run the product on `sqlite` or `postgres`, with a number of workers."""
    name = f"liveblog, {kind}" + (f", {workers} workers" if workers > 1 else "")
    with newsrooms.open(kind) as newsroom:
        newsroom.env["MAX_STREAMS"] = "19500"
        yield Product(name, newsroom, workers)


@contextmanager
def run(command: list[str], port: int) -> Iterator[int]:
    """Run a server until the block ends; yield its process id."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), " ".join(command))
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)
        time.sleep(0.2)


def answers(port: int) -> bool:
    """Return whether a server responds on a port."""
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
    """Run Debian's nginx: static files from `folder/files`, and nchan if `hub`."""
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
    # Started by root, a worker would switch users and could not read root's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + text)
    with run(["nginx", "-c", str(folder / "nginx.conf")], port) as pid:
        yield Process("nchan", port, "/sub", ("/small.html",), pid)


@contextmanager
def floor(program: Path) -> Iterator[Process]:
    """Run the floor: the minimal server in C."""
    port = free_port()
    with run([str(program), str(port)], port) as pid:
        yield Process("floor", port, "/sub", ("/",), pid)
