"""The size budgets of a story page with fifty updates."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from entries.models import Story
from liveblog.storage import minify
from tests.builders import make_original, make_story, make_update
from tests.test_pages import make_picture

pytestmark = pytest.mark.django_db
STATIC = Path(settings.BASE_DIR) / "static"
KILO = 1024


def weight(*contents: bytes) -> int:
    return sum(len(gzip.compress(content, 6)) for content in contents)


@pytest.fixture
def story() -> Story:
    """Return fifty updates of many different words, with pictures among them."""
    chance = random.Random(7)
    letters = "aeiounrstldmbkvg"
    words = ["".join(chance.choices(letters, k=n % 7 + 2)) for n in range(3000)]
    story = make_story("The Long Watch", standfirst="Ships wait.", series="Daily")
    make_original(story, " ".join(chance.choices(words, k=400)))
    for number in range(50):
        body = "\n\n".join(" ".join(chance.choices(words, k=45)) for _ in range(2))
        if number % 10 == 0:
            make_picture(f"picture-{number}", alt="A ship", caption="At sea")
            body += f"\n\n![](image:picture-{number})"
        make_update(story, body, key_event=number % 5 == 0)
    return story


def test_a_story_with_fifty_updates_stays_within_its_size_budget(
    client: Client, story: Story
) -> None:
    page = client.get(story.get_absolute_url()).content
    html = page.decode()
    scripts = re.findall(r'<script[^>]* src="/static/([^"]+)"', html)
    styles = re.findall(r'<link rel="stylesheet" href="/static/([^"]+)"', html)
    assert scripts
    assert styles
    assert weight(page) <= 60 * KILO
    assert weight(*((STATIC / path).read_bytes() for path in styles)) <= 15 * KILO
    assert weight(*(minify((STATIC / path).read_bytes()) for path in scripts)) <= 27.5e3
