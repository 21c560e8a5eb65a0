"""Log lines: one for each event, with its request, and no secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import psycopg
import pytest
from django.db import IntegrityError
from django.test import Client

from liveblog import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.mark.django_db
def test_a_write_is_logged_with_its_request_and_without_secrets(lines: io.StringIO):
    answer = Client().post(
        "/admin/login/?next=/hidden/",
        {"username": "editor", "password": "the-long-pass-phrase"},
        HTTP_X_REQUEST_ID="from-the-proxy-7",
    )
    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    (record,) = [one for one in records if one["logger"] == "liveblog.writes"]
    assert record["request"] == answer["X-Request-ID"] == "from-the-proxy-7"
    assert record["message"].startswith("POST /admin/login/ answered 200 in ")
    assert "the-long-pass-phrase" not in lines.getvalue()
    assert "hidden" not in lines.getvalue()


@pytest.mark.django_db
def test_a_forged_id_is_replaced_and_readers_get_none(lines: io.StringIO):
    forged = 'x" level=CRITICAL'
    answer = Client().post("/admin/login/", HTTP_X_REQUEST_ID=forged)
    assert answer["X-Request-ID"] != forged
    assert "X-Request-ID" not in Client().get("/")


@pytest.mark.django_db
def test_a_refusal_is_logged_with_its_request(lines: io.StringIO):
    Client().get("/nowhere/", HTTP_X_REQUEST_ID="from-the-proxy-8")
    (record,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert record["message"] == "Not Found: /nowhere/"
    assert record["request"] == "from-the-proxy-8"


def test_a_record_stays_on_one_line():
    record = logging.LogRecord("a", logging.INFO, "", 0, 'two\nlines "x"', (), None)
    line = logs.KeyValueFormatter().format(record)
    assert "\n" not in line
    assert line.endswith('level=INFO logger=a message="two\\nlines \\"x\\""')


@pytest.mark.django_db
def test_logs_contain_no_row_values_and_no_secrets(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
):
    detail = "not null\nDETAIL:  Failing row contains (7, A secret\ndraft)."

    def fail(*_: object, **__: object) -> None:
        try:
            raise psycopg.IntegrityError(detail)
        except psycopg.Error as error:
            raise IntegrityError(detail) from error

    monkeypatch.setattr("django.http.request.HttpRequest.get_host", fail)
    token = "cqx2-9d3c1f0b4a"
    Client(raise_request_exception=False).get(f"/admin/password/Mg/{token}/")
    logging.getLogger("liveblog").warning("Trying again: %s", IntegrityError(detail))
    told = lines.getvalue()
    assert "/admin/password/Mg/…" in told
    assert told.count("not null") > 2
    assert "Trying again: not null" in told
    assert "Traceback" in told
    for secret in (token, "secret", "draft", "DETAIL"):
        assert secret not in told
