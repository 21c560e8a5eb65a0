"""Pages speak the language of their story, and pages of the site that of the site."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import get_language, override, trans_real
from playwright.sync_api import expect

from entries import delivery, verbs
from entries.exchange.html import story_html
from entries.models import Entry, Image, Posting, Profile, Series, Site, Story
from entries.pages import fragment_cache, fragments, story_page, timeline
from entries.public import errors
from entries.public.script_words import READER_MESSAGES, READER_PLURALS
from entries.text import cldr, gmt, languages, time_input
from entries.text.script_words import script_words
from tests import actions
from tests.builders import make_original, make_story, make_update, text
from tests.servers import Newsrooms

NOON = datetime(2026, 11, 27, 14, 10, tzinfo=UTC)


class Pseudo(trans_real.DjangoTranslation):
    """A language in which every message is marked, and English in between."""

    def gettext(self, message: str) -> str:
        return f"[!! {message.rpartition(trans_real.CONTEXT_SEPARATOR)[2]} !!]"

    def ngettext(self, one: str, many: str, number: int) -> str:
        return self.gettext(one if number == 1 else many)


def forget() -> None:
    """Clear everything that was rendered in other languages."""
    for cached in (languages.has_catalogue, languages.catalogue, errors.unavailable):
        cached.cache_clear()
    fragments._full_date.cache_clear()
    time_input._english_words.cache_clear()
    story_page._frame.cache_clear()
    fragment_cache.cache.clear()
    trans_real._default = None


@pytest.fixture
def site_in(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the language of the site."""

    def change(code: str, translation: Any = None) -> None:
        settings.SITE_LANGUAGE = settings.LANGUAGE_CODE = code
        if translation:
            monkeypatch.setitem(trans_real._translations, code, translation)
        forget()

    yield change
    forget()


@pytest.fixture
def catalogues(
    tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Compile small catalogues, which are all that the site has."""

    def compile_catalogue(code: str, po: str) -> None:
        folder = tmp_path / code / "LC_MESSAGES"
        folder.mkdir(parents=True)
        with (folder / "django.mo").open("wb") as file:
            write_mo(file, read_po(BytesIO(po.encode()), locale=code))
        forget()

    monkeypatch.setattr(trans_real, "_translations", {})
    settings.LOCALE_PATHS = [str(tmp_path)]
    yield compile_catalogue
    forget()


def po(forms: str, *messages: tuple[str, ...]) -> str:
    """Return a catalogue; a message with several translations has plural forms."""
    lines = [f'msgid ""\nmsgstr "Plural-Forms: {forms};\\n"']
    for english, *translated in messages:
        one, _, many = english.partition("|")
        if many:
            block = [f'msgid "{one}"\nmsgid_plural "{many}"']
            block += [f'msgstr[{n}] "{one}"' for n, one in enumerate(translated)]
        else:
            block = [f'msgid "{one}"', f'msgstr "{translated[0]}"']
        lines.append("\n".join(block))
    return "\n\n".join(lines)


GERMAN = po(
    "nplurals=2; plural=(n != 1)",
    ("UPDATE %(time)s", "MELDUNG %(time)s"),
    ("Jump to Original", "Zum Original"),
    ("Key event", "Schlüsselmoment"),
    ("Last update %(time)s", "Letzte Meldung %(time)s"),
    ("All running stories", "Alle laufenden Geschichten"),
    ("(Cross-posted from {source})", "(Übernommen aus {source})"),
    ("Pinned", "Angeheftet"),
    ("See", "Siehe"),
    ("%(time)s GMT, %(day)s", "%(time)s GMT, %(day)s"),
    ("What changed", "Was sich änderte"),
)
ARABIC = po(
    "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 && n%100<=99 ? 4 : 5",
    ("UPDATE %(time)s", "تحديث %(time)s"),
    ("Jump to Original", "إلى التقرير الأول"),
    (
        "{number} new update|{number} new updates",
        *("لا جديد", "تحديث جديد", "تحديثان جديدان"),
        *("{number} تحديثات", "{number} تحديثًا", "{number} تحديث"),
    ),
)


def get(path: str, **headers: str) -> str:
    return html.unescape(Client().get(path, headers=headers).content.decode())


# --- Which language


@pytest.mark.pure
@pytest.mark.parametrize(
    ("tag", "code"),
    [
        *(("en", "en"), ("en-US", "en"), ("de", "de"), ("de-CH", "de-ch")),
        *(("ar", "ar"), ("ar-EG", "ar-eg"), ("zh", "zh-hans"), ("zh-CN", "zh-hans")),
        *(("pt", "pt-br"), ("pt-PT", "pt-br"), ("cmn", "zh-hans"), ("fa-AF", "fa-af")),
        # No catalogue for the language, or for its script
        *(("he", "en"), ("zh-TW", "en"), ("ar-Latn", "en"), ("und", "en")),
        *(("english", "en"), ("", "en"), ("x", "en")),
    ],
)
def test_a_story_has_the_nearest_catalogue_or_that_of_the_site(
    tag: str, code: str
) -> None:
    assert languages.catalogue(tag) == code


@pytest.mark.pure
def test_a_language_is_left_as_it_was() -> None:
    with override("fr"):
        with languages.page_in("de"), languages.page_in("ar"):
            assert get_language() == "ar"
        assert get_language() == "fr"
        with pytest.raises(ZeroDivisionError), languages.page_in("de"):
            raise ZeroDivisionError
        assert (get_language(), languages.page_language()) == ("fr", "fr")


@pytest.mark.pure
@pytest.mark.parametrize(
    ("tag", "full", "days"),
    [
        ("en", "1410 GMT, 27 November 2026", "27–29 November 2026"),
        ("de", "1410 GMT, 27. November 2026", "27.–29. November 2026"),
        ("fr", "1410 GMT, 27 novembre 2026", "27–29 novembre 2026"),
        ("ja", "1410 GMT, 2026年11月27日", "2026年11月27日～29日"),
        ("zh", "1410 GMT, 2026年11月27日", "2026年11月27日 – 29日"),
        ("hi", "1410 GMT, 27 नवंबर 2026", "27–29 नवंबर 2026"),
        ("ar-EG", "١٤١٠ GMT, ٢٧ نوفمبر ٢٠٢٦", "٢٧–٢٩ نوفمبر ٢٠٢٦"),
        ("ar-MA", "1410 GMT, 27 نونبر 2026", "27–29 نونبر 2026"),
        ("fa", "۱۴۱۰ GMT, ۲۷ نوامبر ۲۰۲۶", "۲۷ تا ۲۹ نوامبر ۲۰۲۶"),
        ("ru", "1410 GMT, 27 ноября 2026\u202fг.", "27—29 ноября 2026\u202fг."),
    ],
)
def test_dates_and_digits_are_those_of_cldr(
    tag: str, full: str, days: str, catalogues: Any
) -> None:
    with languages.page_in(tag):
        assert gmt.format_full(NOON).replace("\u200f", "") == full
        assert " ".join(cldr.format_dates(NOON.date(), date(2026, 11, 29)).split()) == (
            " ".join(days.split())
        )
        assert gmt.format_iso(NOON) == "2026-11-27T14:10Z"


@pytest.mark.pure
def test_lists_are_joined_as_in_their_language() -> None:
    joined = {}
    for tag in ("en", "de", "ja", "ar"):
        with languages.page_in(tag):
            joined[tag] = cldr.join(["A", "B", "C"])
    assert joined == {
        "en": "A, B and C",
        "de": "A, B und C",
        "ja": "A、B、C",
        "ar": "A وB وC",
    }


@pytest.mark.pure
@pytest.mark.parametrize("tag", [code for code, _ in trans_real.settings.LANGUAGES])
def test_scripts_write_the_same_dates(tag: str) -> None:
    with languages.page_in(tag):
        own = cldr.digits()
        for kind, year in (("full", True), ("short", False)):
            pattern, months = cldr.date_patterns()[kind]
            for number in range(400):
                on = NOON.date() + timedelta(days=number)
                written = pattern.format(
                    day="".join(own[int(n)] for n in str(on.day)),
                    month=months[on.month - 1],
                    year="".join(own[int(n)] for n in str(on.year)),
                )
                assert written == cldr.format_date(on, year=year)
        stamp = script_words({}, {})["words"]["gmt_dated"]
        time, day = cldr.localize_digits("1410"), gmt.format_day(NOON.date())
        assert stamp.format(time=time, day=day) == gmt.format_full(NOON)


@pytest.mark.pure
def test_scripts_get_the_plural_forms_of_their_language(catalogues: Any) -> None:
    catalogues("ar", ARABIC)
    with languages.page_in("ar"):
        words = script_words(READER_MESSAGES, READER_PLURALS)
    assert words["words"]["new"] == {
        "zero": "لا جديد",
        "one": "تحديث جديد",
        "two": "تحديثان جديدان",
        "few": "{number} تحديثات",
        "many": "{number} تحديثًا",
        "other": "{number} تحديث",
    }
    assert words["language"] == "ar"


@pytest.mark.pure
@pytest.mark.parametrize(
    ("tag", "kinds"),
    [
        ("en", {"one", "other"}),
        ("de", {"one", "other"}),
        ("ru", {"one", "few", "many"}),
        ("ja", {"other"}),
        ("ar", {"zero", "one", "two", "few", "many", "other"}),
    ],
)
def test_every_form_of_whole_numbers_is_there(tag: str, kinds: set[str]) -> None:
    with languages.page_in(tag):
        words = script_words(READER_MESSAGES, READER_PLURALS)["words"]
    assert set(words["left"]) == kinds


# --- Pages


@pytest.mark.django_db
def test_a_page_speaks_the_language_of_its_story(catalogues: Any) -> None:
    catalogues("de", GERMAN)
    catalogues("ar", ARABIC)
    german = make_story("Nebel über dem Sund", language="de-AT", slug="nebel")
    arabic = make_story("ضباب فوق المضيق", language="ar-EG", slug="fog")
    for story in (german, arabic):
        make_original(story)
        make_update(story, "123", at="1804", key_event=True)
    page = get("/stories/nebel/")
    assert '<html lang="de-AT" dir="ltr">' in page
    assert "MELDUNG <time" in page
    assert "Zum Original" in page
    assert '<span class="mark key">Schlüsselmoment</span>' in page
    assert '"inLanguage":"de-AT"' in page
    page = get("/stories/fog/")
    assert '<html lang="ar-EG" dir="rtl">' in page
    stamp = '<time datetime="2026-03-14T18:04Z">١٨٠٤ GMT</time>'
    assert f"تحديث {stamp}" in page
    assert "إلى التقرير الأول" in page


@pytest.mark.django_db
def test_a_story_without_a_catalogue_has_the_labels_of_the_site() -> None:
    story = make_story("ערפל מעל המצר", language="he", slug="fog")
    make_original(story)
    make_update(story, "123", at="1804")
    page = get("/stories/fog/")
    assert '<html lang="he" dir="rtl">' in page
    own = 'lang="en" dir="ltr"'
    assert re.search(rf"<a[^>]* {own}>Jump to Original</a>", page)
    assert re.search(rf'<h3 class="stamp"[^>]* {own}><bdi><a [^>]*>UPDATE', page)
    assert f'<footer class="colophon" {own}>' in page
    assert '<h1 dir="auto">ערפל' in page


@pytest.mark.django_db
def test_titles_of_stories_in_other_languages_are_marked() -> None:
    story = make_story("Fog", slug="fog")
    make_update(story, "One.")
    other = make_story("ضباب", language="ar", slug="dabab", series="Sound Daily")
    entry = make_update(other, "ضباب.")
    verbs.cross_post(entry, story)
    page, front = get("/stories/fog/"), get("/")
    assert re.search(r'<div class="body" dir="auto" lang="ar">', page)
    assert re.search(r'<a href="/stories/dabab/" lang="ar" dir="auto">', page)
    assert '<h3 class="title" dir="auto" lang="ar">' in front
    assert 'lang="ar"' not in get("/stories/fog/updates/999/")


@pytest.mark.django_db
def test_site_pages_are_in_the_language_of_the_site(
    catalogues: Any, site_in: Any
) -> None:
    catalogues("de", GERMAN)
    site_in("de")
    make_story("Fog")
    front = get("/", **{"Accept-Language": "fr"})
    assert '<html lang="de" dir="ltr">' in front
    assert "Alle laufenden Geschichten" in front
    assert '<html lang="de"' in get("/nothing-here/")
    assert 'xml:lang="de"' in get("/feed/")


# --- Nothing depends on who asks or writes


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Make stories of every state, with everything that pages can show."""
    for slug, name in (("tides", "潮"), ("wind", "風")):
        Series.objects.create(name=name, slug=slug)
    story = make_story("霧", slug="fog", series="潮", language="ja", standfirst="波")
    files = {"widths": [320], "width": 320, "height": 240}
    picture = Image.objects.create(
        name="quay", stem=f"ee/{'e' * 40}", alt="岸", caption="岸", credit="港", **files
    )
    film = {"media_type": "video/webm", "widths": [64], "width": 64, "height": 48}
    Image.objects.create(
        name="film",
        stem=f"dd/{'d' * 40}",
        alt="船",
        captions="WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n波\n",
        captions_language="ja",
        transcript="波",
        poster=picture,
        **film,
    )
    verbs.edit_story(story, summary="- 波", lead_image=picture)
    make_original(story, "波。")
    body = (
        f"{'波 ' * 20}\n\n![](image:quay)\n\n![](media:film)\n\n"
        "| 潮 | 岸 |\n|---|---|\n"
        "| 1 | 2 |\n\nhttps://www.youtube.com/watch?v=abcdefghijk\n\n> 波。\n>\n"
        "> — 港 (@minato) on Bluesky, 1015 GMT, 3 March 2026, "
        "https://bsky.app/profile/a.example/post/3k\n\nSee: 嵐\n\n波"
    )
    update = make_update(story, body, at="1804", key_event=True, pinned=True)
    monkeypatch.setattr(timeline, "UPDATES_PAGE_SIZE", 4)
    for number in range(10):  # several pages
        make_update(story, "波。", at=f"{number // 6:02}{number % 6}0")
    other = make_story("嵐", slug="storm", language="ja", series="風")
    verbs.add_link("see", entry=update, target_story=other, title="嵐")
    verbs.add_link("feature", story=story, target_story=other)
    verbs.add_link("latest", story=story, target_story=other)
    verbs.add_link("previous", story=story, target_story=other)
    verbs.add_link("feature", target_story=other)
    moved = text("波。\n\nhttps://t.me/minato/12", at="0905", headline="岸")
    noted = verbs.edit(
        make_update(story, "嵐。", at="0904"), moved, version=1, correction="岸"
    )
    crossed = make_update(other, "嵐。", at="1900")
    verbs.cross_post(crossed, story)
    verbs.cross_post(update, other)
    over = make_story("雨", slug="rain", language="ja")
    make_update(over, "雨。")
    verbs.close_story(over, continues_in=other)
    plan = verbs.create_story("雪", slug="snow", language="ja")
    verbs.announce(plan, datetime.now(UTC) + timedelta(days=2))
    quiet = make_story("凪", slug="calm", language="ja")
    make_update(quiet, "凪。")
    Story.objects.filter(pk=quiet.pk).update(quiet_since=NOON)
    writer = User.objects.create(username="minato")
    person = Profile.objects.create(
        user=writer, slug="minato", byline="港", role="記者"
    )
    Entry.objects.filter(pk=update.pk).update(byline="港", credited=person)
    gone = make_story("氷", slug="ice", language="ja")
    verbs.withdraw_story(gone)
    withdrawn = verbs.withdraw(make_update(story, "氷。"))
    return {"story": story, "update": noted, "card": update, "withdrawn": withdrawn}


def paths(world: dict[str, Any]) -> list[str]:
    """Return the address of every kind of page that readers can ask for."""
    up = f"/stories/fog/updates/{world['update'].pk}/"
    gone = f"/stories/fog/updates/{world['withdrawn'].pk}/"
    behind = f"after={Site.current().epoch}-0&rail=1"
    found = ["/", "/?from=1", "/feed/", "/search/", "/search/?q=波", "/search/?q=潮汐"]
    found += ["/search/?q=波&page=2", "/series/tides/", "/series/tides/feed/"]
    for slug in ("fog", "storm", "rain", "snow", "ice", "calm"):
        at = f"/stories/{slug}/"
        found += [at, f"{at}?order=oldest", f"{at}feed/", f"{at}changes?{behind}"]
        found += [f"/stories/{slug}.json"]
    oldest = world["story"].postings.updates().order_by("entry__at")[5].entry_id
    found += [
        f"/stories/fog/?before={oldest}",
        f"/stories/fog/?order=oldest&from={oldest}",
    ]
    found += ["/authors/minato/", "/authors/minato/feed/", "/imprint/"]
    found += [f"/stories/fog/updates/{world['card'].pk}/"]
    found += [up, f"{up}history/", gone, "/nothing/", "/news-sitemap.xml"]
    return found


def content(path: str, **kwargs: Any) -> bytes:
    forget_pages()
    return bytes(Client().get(path, **kwargs).content)


def forget_pages() -> None:
    story_page._frame.cache_clear()
    fragment_cache.cache.clear()


@pytest.mark.django_db
def test_headers_cookies_and_the_language_of_the_process_change_no_byte(
    world: dict[str, Any],
) -> None:
    for path in paths(world):
        plain = content(path)
        asked = {"Accept-Language": "de, ar;q=0.5", "Cookie": "django_language=de"}
        with override("de"):
            assert content(path, headers=asked) == plain, path
            assert get_language() == "de"


@pytest.mark.django_db
def test_the_language_of_whoever_publishes_changes_no_byte(catalogues: Any) -> None:
    catalogues("de", GERMAN)
    made = []
    for slug, code in (("fog", "en"), ("mist", "de")):
        with override(code):
            story = make_story("Fog", slug=slug, summary="- Fog\n- Ice")
            make_original(story, "Ice.")
            make_update(story, "One.", at="1804", key_event=True, pinned=True)
            entry = make_update(story, "Two\n\n| a |\n|---|\n| 1 |", at="1904")
            verbs.edit(entry, text("Three.", at="1904"), version=1, correction="Three")
            rows = story.postings.order_by("pk").values_list("html", flat=True)
            made.append([re.sub(r"\d+|fog|mist", "", row) for row in rows])
            assert "Pinned" in "".join(rows)
    assert made[0] == made[1]


# --- A language without English


class Said(HTMLParser):
    """All that a page says: its text, and the attributes that people perceive."""

    ATTRIBUTES = ("title", "aria-label", "placeholder", "alt", "label", "content")
    ATTRIBUTES += tuple(
        f"data-{name}"
        for name in ("title", "status", "unsupported", "unloaded", "reconnecting")
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in ("script", "style")
        given = dict(attrs)
        if tag == "meta" and not self._says_something(given):
            return
        self.found += [given[name] or "" for name in self.ATTRIBUTES if name in given]

    @staticmethod
    def _says_something(given: dict[str, str | None]) -> bool:
        name = given.get("name") or given.get("property") or ""
        return name in ("description", "og:title", "og:description", "og:image:alt")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.found.append(data)


MARKED = re.compile(r"\[!!(?:(?!\[!!|!!\]).)*!!\]", re.S)
# Names, and what is the same in every language
KNOWN = re.compile(
    r"GMT|entry-\d+|t\.me|https?://\S+|@minato|Bluesky|YouTube|WEBVTT|testserver|127\.0\.0\.1\S*"
)


def unmarked(page: str) -> list[str]:
    """Return the words of a page that no catalogue could translate."""
    parser = Said()
    parser.feed(page)
    said = "\n".join(parser.found)
    said, found = (lambda s: (html.unescape(s), 1))(said)
    while found:
        said, found = MARKED.subn("", said)
    return re.findall(r"[A-Za-z]{2,}[^\n]*", KNOWN.sub("", said))


@pytest.fixture
def pseudo(site_in: Any, settings: LazySettings, tmp_path: Path) -> None:
    settings.SITE_NAME = "港"
    settings.CONTACT = "news@example.com"
    imprint = tmp_path / "imprint.md"
    imprint.write_text("港")
    settings.IMPRINT_FILE = str(imprint)
    site_in("ja", Pseudo("ja"))


@pytest.mark.django_db
def test_no_page_says_anything_in_plain_english(
    pseudo: None, world: dict[str, Any]
) -> None:
    found = {}
    for path in paths(world):
        response = Client().get(path)
        page = response.content.decode()
        if path.endswith("feed/"):
            bare = re.sub(r"<(?:id|uri)>.*?</(?:id|uri)>|<\?xml.*?\?>", "", page)
            page = html.unescape(re.sub(r"<[^>]*>", "\n", bare))
        elif path.endswith((".json", ".xml")):
            continue
        assert "[!!" in page or path.endswith("feed/") or "snow" in path, path
        if words := unmarked(page):
            found[path] = words
    found["export"] = unmarked(story_html(world["story"]))
    for status, problem in errors.MESSAGES.items():
        found[str(status)] = unmarked(errors.error_page(problem, status, "/x"))
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.django_db
def test_scripts_say_nothing_in_plain_english(
    pseudo: None, world: dict[str, Any]
) -> None:
    for path in ("/stories/fog/", f"/stories/fog/updates/{world['update'].pk}/"):
        page = Client().get(path).content.decode()
        (given,) = re.findall(r'<meta name="reader-words" content="([^"]*)"', page)
        words = json.loads(html.unescape(given))["words"]
        for said in words.values():
            for form in said.values() if isinstance(said, dict) else (said,):
                assert form.startswith("[!! "), form
        assert len(words) > 20


# --- Another language


@pytest.mark.django_db
def test_all_texts_follow_a_story_to_another_language(catalogues: Any) -> None:
    catalogues("de", GERMAN)
    story = make_story("Fog", slug="fog")
    make_original(story)
    entry = make_update(story, "One.", at="1804", key_event=True)
    other = make_story("Ice", slug="ice")
    verbs.cross_post(entry, other)
    before = delivery.changes_after(story.pk, "").cursor
    verbs.edit_story(story, language="de")
    changes = delivery.changes_after(story.pk, before)
    assert 'id="story-head" lang="de"' in changes.html
    assert "MELDUNG" in changes.html
    assert "MELDUNG" in get("/stories/fog/")
    assert 'lang="de"' in get("/stories/ice/")
    stored = list(Posting.objects.values_list("pk", "html"))
    forget_pages()
    for pk, saved in stored:
        posting = Posting.objects.get(pk=pk)
        assert fragments.entry_html(posting) == saved


@pytest.mark.servers
def test_an_open_page_follows_to_another_language(
    newsrooms: Newsrooms, reader: Any
) -> None:
    with newsrooms.open("sqlite") as room:
        server = room.server()
        room.call(actions.make_story, "Fog", "fog", updates=3)
        window = reader()
        window.open(f"{server.url}/stories/fog/")
        expect(window.page.locator("#live")).to_have_attribute(
            "data-state", "live", timeout=30_000
        )
        room.call(actions.edit_story, "fog", language="ar")
        page = window.page.locator("html[lang=ar][dir=rtl]")
        expect(page).to_have_count(1, timeout=15_000)
        expect(window.page.locator("#story-head")).to_have_attribute("lang", "ar")
