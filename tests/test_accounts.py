"""Signing in: guesses lock nobody else out, a second factor, forgotten passwords."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from liveblog import accounts
from tests.builders import make_user
from tests.servers import PASSWORD

SIGN_IN = "/admin/login/"
pytestmark = pytest.mark.django_db


class WithMail:
    """Addresses of a site that has mail."""

    urlpatterns = [
        path("admin/", include(accounts.account_urls(mail=True))),
        path("", include("liveblog.urls")),
    ]


def sign_in(
    client: Client, name: str = "editor", password: str = PASSWORD, **more: Any
) -> HttpResponse:
    address = more.pop("address", "203.0.113.7")
    data = {"username": name, "password": password, "next": "/admin/", **more}
    answer: Any = client.post(SIGN_IN, data, REMOTE_ADDR=address)
    return answer


def signed_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def code_of(device: TOTPDevice) -> str:
    device.refresh_from_db()
    step = max(int(time.time()) // 30, device.last_t + 1)
    return f"{totp(device.bin_key, t0=int(time.time()) - step * 30):06}"


def test_wrong_passwords_lock_a_username_only_for_the_guessing_address():
    make_user("editor")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        last = sign_in(Client(), password="guess")
    assert last.status_code == 429
    assert "locked for fifteen minutes" in last.content.decode()
    assert sign_in(Client(), password=PASSWORD).status_code == 429
    newsroom = Client()
    assert sign_in(newsroom, address="198.51.100.4").status_code == 302
    assert signed_in(newsroom)


def test_other_users_can_sign_in_from_a_locked_address():
    make_user("editor")
    make_user("editor2")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(Client(), password="guess")
    assert sign_in(Client(), "editor2").status_code == 302


@pytest.mark.parametrize(
    ("own", "same", "other"),
    [
        ("2001:db8:1:2::{}:1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("fe80::{}%eth0", "fe80::1", "::1"),
        ("unknown", "", "127.0.0.1"),
        ("::ffff:203.0.113.7", "203.0.113.7", "::ffff:198.51.100.4"),
    ],
    ids=["a network of its own", "of this link", "no address", "IPv4 as IPv6"],
)
def test_addresses_of_one_ipv6_network_count_as_one(own: str, same: str, other: str):
    make_user("editor")
    for each in range(settings.AXES_FAILURE_LIMIT):
        sign_in(Client(), password="guess", address=own.format(each))
    assert sign_in(Client(), address=same).status_code == 429
    assert sign_in(Client(), address=other).status_code == 302


def test_a_successful_sign_in_resets_the_count():
    make_user("editor")
    for _ in range(2):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            sign_in(Client(), password="slip")
        assert sign_in(Client()).status_code == 302


def test_cookies_are_limited_to_the_desk():
    make_user("editor")
    client = Client()
    sign_in(client)
    for name in ("liveblog_session", "csrftoken"):
        cookie = client.cookies[name]
        assert (cookie["path"], cookie["samesite"]) == ("/admin/", "Lax")
    assert client.cookies["liveblog_session"]["httponly"]
    assert client.cookies["liveblog_session"]["max-age"] == 16 * 3600


def test_users_without_a_second_factor_need_no_code():
    make_user("editor")
    client = Client()
    assert sign_in(client).status_code == 302
    assert signed_in(client)


def test_a_second_factor_is_required_once_its_first_code_was_entered():
    user = make_user("editor")
    client = Client()
    client.force_login(user)
    page = client.get("/admin/second-factor/").content.decode()
    device = TOTPDevice.objects.get()
    assert "<svg" in page
    assert sign_in(Client()).status_code == 302  # not on yet
    assert client.post("/admin/second-factor/", {"code": "000000"}).status_code == 200
    TOTPDevice.objects.update(throttling_failure_count=0)
    code = code_of(device)
    assert client.post("/admin/second-factor/", {"code": code}).status_code == 302

    assert not signed_in(alone := Client())
    assert sign_in(alone).status_code == 200
    assert sign_in(alone, code=code).status_code == 200  # used up
    assert not signed_in(alone)
    TOTPDevice.objects.update(throttling_failure_count=0)
    assert sign_in(alone, code=code_of(device)).status_code == 302
    assert signed_in(alone)


def test_a_second_factor_is_turned_off_only_with_its_code():
    user = make_user("editor")
    device = TOTPDevice.objects.create(user=user, name="App", confirmed=True)
    client = Client()
    client.force_login(user)
    client.post("/admin/second-factor/", {"code": "000000"})
    assert TOTPDevice.objects.count() == 1
    TOTPDevice.objects.update(throttling_failure_count=0)
    client.post("/admin/second-factor/", {"code": code_of(device)})
    assert TOTPDevice.objects.count() == 0


def test_the_second_factor_page_requires_a_sign_in():
    answer = Client().get("/admin/second-factor/")
    assert answer.status_code == 302
    assert TOTPDevice.objects.count() == 0


@override_settings(ROOT_URLCONF=WithMail, SITE_NAME="The Example Courier")
def test_a_forgotten_password_is_reset_by_mail():
    cache.clear()
    user = make_user("editor")
    user.email = "editor@sorrava.example"
    user.save()
    client = Client()
    assert "/admin/password/" in client.get(SIGN_IN).content.decode()
    for _ in range(2):  # the second within the pause sends nothing
        answer = client.post("/admin/password/", {"email": user.email})
        assert answer.status_code == 302
    (sent,) = mail.outbox
    assert "The The" not in sent.body
    assert "within an hour" in sent.body
    assert settings.PASSWORD_RESET_TIMEOUT == 3600
    link = re.search(r"http://testserver(/admin/password/\S+/)", str(sent.body))
    assert link
    form: Any = client.get(link[1], follow=True)
    assert "Django administration" not in form.content.decode()
    new = {"new_password1": "fresh-crab-harbour", "new_password2": "fresh-crab-harbour"}
    client.post(form.redirect_chain[-1][0], new)
    assert sign_in(Client(), password="fresh-crab-harbour").status_code == 302
    assert client.get(link[1], follow=True).context["validlink"] is False


def test_without_mail_users_cannot_request_a_reset():
    assert "/admin/password/" not in Client().get(SIGN_IN).content.decode()
    assert Client().get("/admin/password/").status_code in (302, 404)
