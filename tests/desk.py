"""An editor who uses the desk over HTTP, without a browser."""

from __future__ import annotations

import re
from typing import Self
from uuid import uuid4

import httpx

from tests.servers import PASSWORD


class Editor:
    """An editor who is signed in on a server."""

    def __init__(self, site: str, name: str = "editor") -> None:
        self.client = httpx.Client(base_url=site, follow_redirects=True, timeout=30)
        self.token = self._token("/admin/login/")
        form = {"username": name, "password": PASSWORD, "next": "/healthz"}
        assert self._send("/admin/login/", form).text == "ok\n"
        self.token = ""  # signing in replaces it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def publish(self, story_id: int, words: str) -> None:
        """Publish a text with the composer's form."""
        desk = f"/admin/entries/story/{story_id}/change/"
        self.token = self.token or self._token(desk)
        form = {"key": str(uuid4()), "body": words, "action": "publish"}
        response = self._send(desk, form, **{"HX-Request": "true"})
        assert response.status_code == 200, response.text

    def upload(self, story_id: int, picture: bytes, name: str = "quay.jpg") -> str:
        """Upload a file like the composer's script; return the card of the image."""
        path = f"/admin/entries/story/{story_id}/desk/pictures/"
        self.token = self.token or self._token(path.replace("desk/pictures", "change"))
        response = self.client.post(
            path,
            data={"csrfmiddlewaretoken": self.token},
            files={"file": (name, picture)},
            headers={"HX-Request": "true"},
            timeout=120,
        )
        assert response.status_code == 200, response.text
        return response.text

    def act(self, story_id: int, entry_id: int, verb: str) -> None:
        """Press a button of an entry's row."""
        desk = f"/admin/entries/story/{story_id}/"
        self.token = self.token or self._token(f"{desk}change/")
        path = f"{desk}desk/entries/{entry_id}/do/"
        response = self._send(path, {"do": verb}, **{"HX-Request": "true"})
        assert response.status_code == 200, response.text

    def _token(self, path: str) -> str:
        html = self.client.get(path).text
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
        assert found, html
        return found[1]

    def _send(self, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
        data = form | {"csrfmiddlewaretoken": self.token}
        return self.client.post(path, data=data, headers=headers)
