"""Make the pictures of README's tour, from a `demo` that is running.

python manage.py demo --port 8000 --password P
python -m tests.tour http://127.0.0.1:8000 P
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser import launch

DOCS = Path(__file__).resolve().parent.parent / "docs"
STORY = "/stories/corvane-coalition/"
DESK = "Corvane"
WORDS = (
    "The clerk has begun to call the names. Each member answers from the floor; the "
    "whips say that the count will take about forty minutes."
)
MOST = 80_000  # bytes of a picture


def keep(page: Page, name: str) -> None:
    """Write what the window shows as WebP, as good as fits."""
    page.evaluate("() => document.fonts.ready")
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    for quality in (80, 70, 60, 50, 40):
        image.save(DOCS / f"{name}.webp", quality=quality, method=6)
        if (DOCS / f"{name}.webp").stat().st_size <= MOST:
            return


@contextmanager
def window(browser: Browser, site: str, width: int, height: int) -> Iterator[Page]:
    """Open a window in the colours of the day, or of the night on a phone."""
    phone = width < 500
    context = browser.new_context(
        base_url=site,
        viewport={"width": width, "height": height},
        color_scheme="dark" if phone else "light",
        device_scale_factor=1.5 if phone else 1,
        timezone_id="Europe/Berlin" if phone else None,
    )
    yield context.new_page()
    context.close()


def sign_in(page: Page, name: str, password: str) -> None:
    """Sign in at the desk."""
    page.goto("/admin/login/?next=/admin/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.click("[type=submit]")
    page.wait_for_url(lambda url: "/admin/login/" not in url)


def main(site: str, password: str) -> None:
    """Walk through the product and take the pictures."""
    with launch() as browser:
        for name, width, height in (("story", 1280, 900), ("phone", 390, 780)):
            with window(browser, site, width, height) as page:
                page.goto(STORY)
                page.get_by_text("Live", exact=True).wait_for()
                if name == "phone":
                    page.locator("#updates article").nth(1).scroll_into_view_if_needed()
                keep(page, name)
        with window(browser, site, 1366, 768) as page:
            sign_in(page, "editor", password)
            page.goto("/admin/")
            keep(page, "board")
            page.get_by_role("link", name=DESK).first.click()
            page.locator("#composer [name=body]").fill(WORDS)
            page.locator("#timeline > .row").nth(2).hover()
            keep(page, "desk")
        with window(browser, site, 1366, 768) as page:
            sign_in(page, "moderator", password)
            page.goto("/admin/moderate/")
            keep(page, "moderators")


if __name__ == "__main__":
    main(*sys.argv[1:])
