"""`/metrics`, for one process and for several."""

from __future__ import annotations

import httpx
import pytest

from tests import actions
from tests.servers import Newsroom, Server, wait_for

SLUG = "ice-on-the-sound"


def figure(server: Server, name: str) -> float:
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    lines = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] != "#"
    )
    return float(lines.get(name, 0))


def becomes(server: Server, name: str, value: float) -> None:
    wait_for(lambda: figure(server, name) == value, f"{name} to be {value:g}")


@pytest.mark.parametrize("workers", [1, 2])
def test_readers_and_deliveries_are_counted_over_all_workers(
    newsroom: Newsroom, workers: int
) -> None:
    pk = newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
    server = newsroom.server("--workers", str(workers))
    streams = [newsroom.sse(server, SLUG) for _ in range(6)]
    for stream in streams:
        stream.wait_named("at")
    becomes(server, "liveblog_readers", 6)
    becomes(server, f'liveblog_story_readers{{story="{pk}"}}', 6)
    before = figure(server, "liveblog_deliveries_total")
    newsroom.call(actions.post, SLUG, "The first floe has reached the pier.")
    for stream in streams:
        stream.wait("The first floe")
    wait_for(
        lambda: figure(server, "liveblog_deliveries_total") >= before + 6,
        "the deliveries to be counted",
    )
    for stream in streams:
        stream.close()
    becomes(server, "liveblog_readers", 0)
    becomes(server, f'liveblog_story_readers{{story="{pk}"}}', 0)


def test_cached_pages_and_refusals_are_counted(newsroom: Newsroom) -> None:
    newsroom.call(actions.make_story, "Ice on the Sound", SLUG, updates=3)
    newsroom.env["MAX_STREAMS"] = "1"
    server = newsroom.server()
    page = f"{server.url}/stories/{SLUG}/"
    wait_for(lambda: "Vary" in httpx.get(page).headers, "the page cache")
    for _ in range(3):
        tag = httpx.get(page).headers["ETag"]
    assert httpx.get(page, headers={"If-None-Match": tag}).status_code == 304
    with newsroom.sse(server, SLUG) as first:
        first.wait_named("at")
        with newsroom.sse(server, SLUG) as second:
            assert second.status == 503
            assert "Retry-After" in second.headers
        becomes(server, "liveblog_streams_refused_total", 1)
    becomes(server, "liveblog_pages_unchanged_total", 1)
    assert figure(server, "liveblog_pages_made_total") == 1
    assert figure(server, "liveblog_pages_kept_total") >= 3
    assert figure(server, "liveblog_watcher_lag_seconds") < 2
