"""The desk speaks its user's language; the texts in it keep that of their story."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from babel import Locale
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import trans_real

from entries import verbs
from entries.desk import audit_log
from entries.desk.access import desk_url
from entries.desk.pulse import snapshots
from entries.models import Posting, Profile, Series, Story
from entries.text import time_input
from entries.verbs import Permissions, Refused
from liveblog.accounts import ResetForm
from tests import catalogues
from tests.builders import make_series, make_story, make_update, make_user, signed_in
from tests.test_permissions import ADDRESSES, World, world  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


class Marked:
    """A catalogue that puts marks around every message, and knows all of them."""

    def gettext(self, message: str) -> str:
        return f"[!! {message} !!]" if message else ""

    def ngettext(self, one: str, many: str, number: int) -> str:
        return self.gettext(one if number == 1 else many)

    def pgettext(self, context: str, message: str) -> str:
        return self.gettext(message)

    def npgettext(self, context: str, one: str, many: str, number: int) -> str:
        return self.ngettext(one, many, number)


@contextmanager
def marked(code: str) -> Iterator[None]:
    """Let a language put marks around every message, instead of translating it."""
    real = trans_real.translation(code)
    stand_in = type("StandIn", (Marked, type(real)), {})
    made = stand_in.__new__(stand_in)
    vars(made).update(vars(real))
    trans_real._translations[code] = made
    try:
        yield
    finally:
        trans_real._translations[code] = real
        time_input._english_words.cache_clear()


def chosen(name: str, code: str, *groups: str, chief: bool = False) -> Client:
    """Return the client of a new account that has chosen a language of the desk."""
    client = signed_in(name, *(groups or ("Editors",)), chief=chief)
    user = User.objects.get(username=name)
    verbs.set_desk_language(user, code, by=Permissions.of(user))
    return client


def head(client: Client, path: str = "/admin/", **headers: str) -> str:
    """Return the start tag of the page."""
    page = client.get(path, headers=headers).content.decode()
    found = re.search(r"<html[^>]*>", page)
    assert found, page[:300]
    return found[0]


def test_the_desk_is_in_the_site_s_language_until_its_user_chooses_another():
    client = signed_in("ann", "Editors")
    assert 'lang="en" dir="ltr"' in head(client)
    page = client.get(reverse("account")).content.decode()
    assert ">The site’s language (English)</option>" in page
    answer = client.post(reverse("account"), {"desk_language": "ar"}, follow=True)
    assert 'lang="ar" dir="rtl"' in answer.content.decode()
    assert 'lang="ar" dir="rtl"' in head(client)
    with override_settings(SITE_LANGUAGE="de"):
        assert 'lang="ar"' in head(client)
        client.post(reverse("account"), {"desk_language": ""})
        assert 'lang="de"' in head(client)
    with override_settings(SITE_LANGUAGE="ja"):  # the desk is not translated into it
        assert 'lang="en"' in head(client)


@pytest.mark.parametrize("path", ["/admin/", "/admin/lists/", "/admin/login/"])
def test_neither_headers_nor_cookies_choose_the_language(path: str):
    client = Client() if "login" in path else signed_in("ann", chief=True)
    client.cookies["django_language"] = "de"
    assert 'lang="en"' in head(client, path, accept_language="de")


def test_every_language_offered_has_a_catalogue():
    page = signed_in("ann").get(reverse("account")).content.decode()
    offered = re.findall(r'<option value="([\w-]+)"', page)
    assert {*offered} == catalogues.DESK | {catalogues.SOURCE}


def test_people_set_their_own_language_and_chiefs_that_of_others():
    ann, ben = make_user("ann", "Editors"), make_user("ben", "Editors")
    chief = make_user("the-chief", chief=True)
    with pytest.raises(Refused):
        verbs.set_desk_language(ben, "de", by=Permissions.of(ann))
    assert not Profile.objects.filter(user=ben).exists()
    verbs.set_desk_language(ben, "de", by=Permissions.of(chief))
    assert Profile.objects.get(user=ben).desk_language == "de"
    for wrong in ("ja", "xx", "de-AT"):
        with pytest.raises(Refused, match="Choose a language from the list"):
            verbs.set_desk_language(ann, wrong, by=Permissions.of(ann))


def test_another_s_language_cannot_be_set_on_one_s_own_page():
    ben = make_user("ben", "Editors")
    client = signed_in("ann", "Editors")
    client.post(reverse("account"), {"desk_language": "de", "user": ben.pk})
    assert 'lang="de"' in head(client)
    assert not Profile.objects.filter(user=ben).exists()
    answer = client.post(reverse("account"), {"desk_language": "tlh"})
    assert answer.status_code == 422
    assert 'lang="de"' in head(client)


def account_form(page: str) -> dict[str, str]:
    """Return what a browser would send of the admin's form of an account."""
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
    return {k: v for k, v in fields.items() if not k.startswith(("csrf", "_"))}


def test_administrators_set_the_language_in_the_account_s_form():
    ben = make_user("ben", "Editors")
    chief = signed_in("the-chief", chief=True)
    url = reverse("admin:auth_user_change", args=[ben.pk])
    sent = account_form(chief.get(url).content.decode()) | {"is_active": "on"}
    chief.post(url, sent | {"desk_language": "fr"})
    assert Profile.objects.get(user=ben).desk_language == "fr"
    # A page opened before then does not undo it.
    chief.post(url, sent | {"first_name": "Ben"})
    ben.refresh_from_db()
    assert (ben.first_name, ben.profile.desk_language) == ("Ben", "fr")


def test_a_chief_s_old_page_leaves_a_language_chosen_meanwhile():
    ann = verbs.save_person(User(), name="Ann Lee", mail="a@b.example", role="Editors")
    chief = signed_in("the-chief", chief=True)
    sent = {"name": "Ann Lee", "mail": "a@b.example", "role": "Moderators"}
    sent |= {"initial-desk_language": "", "desk_language": ""}
    verbs.set_desk_language(ann, "es", by=Permissions.of(ann))
    chief.post(reverse("person", args=[ann.pk]), sent)
    assert Profile.objects.get(user=ann).desk_language == "es"
    chief.post(reverse("person", args=[ann.pk]), sent | {"desk_language": "de"})
    assert Profile.objects.get(user=ann).desk_language == "de"


def test_an_invitation_is_in_the_language_of_whom_it_invites():
    chief = signed_in("the-chief", chief=True)
    sent = {"name": "Ann Lee", "mail": "ann@example.org", "role": "Editors"}
    with override_settings(EMAIL_HOST="mail.example"), marked("de"):
        chief.post(reverse("person_add"), sent | {"desk_language": "de"})
    (message,) = mail.outbox
    assert message.subject.startswith("[!! ")
    assert "[!! " in message.body


# --- What several users see


def poll(client: Client, story: Story, have: str = "0.0.live.x") -> str:
    path = desk_url(story, "timeline")
    answer = client.get(path, {"have": have}, headers={"HX-Request": "true"})
    return answer.content.decode()


def test_a_change_is_rendered_for_each_language_of_the_desk():
    story = make_story("Fog over the harbour")
    make_update(story, "Not yet public.", state="draft")
    ann, ben = signed_in("ann", "Editors"), chosen("ben", "de", "Editors")
    snapshots._slots.clear()
    with marked("de"):
        english, german = poll(ann, story), poll(ben, story)
        again = poll(ann, story)
    assert "[!! " not in english
    assert "[!! Draft !!]" in german
    assert re.sub("csrf.*", "", again) == re.sub("csrf.*", "", english)


def test_the_answer_that_nothing_changed_needs_no_language(
    django_assert_max_num_queries: Any,
):
    story = make_story("Fog over the harbour")
    client = chosen("ben", "de")
    page = client.get(desk_url(story)).content.decode()
    have = re.search(r"\?have=([^\"]+)\"", page)
    assert have
    path = f"{desk_url(story, 'timeline')}?have={have[1]}"
    with django_assert_max_num_queries(2):
        assert client.get(path, headers={"HX-Request": "true"}).status_code == 204


def test_the_language_ends_with_the_response():
    client = chosen("ben", "de")
    before = translation.get_language()
    client.get("/admin/")
    client.get("/admin/no/such/page/")
    assert translation.get_language() == before


def test_refusals_and_errors_are_in_the_language_of_the_user():
    story = make_story("Fog over the harbour")
    client = chosen("ben", "de")
    htmx = {"HX-Request": "true"}
    with marked("de"):
        texts = [
            client.post(desk_url(story), {"body": "", "action": "publish"}),
            client.get(desk_url(story, "time"), {"at": "half past"}, headers=htmx),
            client.get(desk_url(4711)),
            client.get("/admin/people/"),
            client.get(desk_url(4711), headers=htmx),
        ]
    assert [one.status_code for one in texts[2:]] == [404, 403, 404]
    for answer in texts:
        assert "[!! " in answer.content.decode()


def test_what_a_german_editor_publishes_is_what_an_english_one_would():
    """Nothing that readers see is in the language of whoever pressed the button."""
    found = []
    for name, code in (("ann", ""), ("ben", "de")):
        story = make_story("Fog over the harbour", slug=f"fog-{name}")
        client = chosen(name, code)
        with marked("de"):
            for typed in ("A first.", "A second."):
                sent = {"body": typed, "action": "publish"}
                client.post(desk_url(story), sent)
            update = story.entries.get(body="A first.")
            edit = desk_url(story, "edit", update.pk)
            sent = {"body": "A third.", "version": 1, "action": "save"}
            sent |= {"how": "correction", "correction": "It was not the first."}
            client.post(edit, sent)
            client.post(desk_url(story, "act", update.pk), {"do": "key"})
            page = Client().get(story.get_absolute_url()).content.decode()
        rows = Posting.objects.filter(story=story).order_by("pk")
        html = "".join(row.html for row in rows).replace(story.slug, "slug")
        assert "A third." in html
        assert "[!! " not in html + page
        found.append(re.sub(r"\d+", "0", html))  # ids and times
    assert found[0] == found[1]


def test_the_log_is_read_in_the_reader_s_language():
    story = make_story("Fog over the harbour")
    update = make_update(story, "A first.")
    german, english = chosen("ben", "de"), signed_in("ann", "Editors")
    german.post(desk_url(story, "act", update.pk), {"do": "pin"})
    path = desk_url(story, "history")
    assert "Pinned." in english.get(path).content.decode()
    with marked("de"):
        assert "[!! Pinned. !!]" in german.get(path).content.decode()
    line = audit_log.log_of_entry(update).first()
    assert line
    assert line.change_message == "Pinned."


# --- Series and new stories


def new_story(client: Client, **fields: str) -> Story:
    url = reverse("admin:entries_story_add")
    answer = client.post(url, {"headline": "Mist", **fields})
    assert answer.status_code == 302, answer.content.decode()
    return Story.objects.latest("pk")


def test_a_new_story_has_the_language_of_its_series_by_default():
    series = make_series("Yawmiyyat")
    series.language = "ar"
    verbs.save_series(series)
    client = signed_in("ann", "Editors")
    assert new_story(client, series=str(series.pk)).language == "ar"
    assert new_story(client, series=str(series.pk), language="fa").language == "fa"
    assert new_story(client).language == "en"
    with override_settings(SITE_LANGUAGE="pt-br"):
        assert new_story(client).language == "pt-BR"
        assert verbs.create_story("Fog").language == "pt-BR"
    assert verbs.create_story("Fog", series=series).language == "ar"


def test_a_language_is_chosen_by_its_own_name_or_typed_as_a_code():
    client = signed_in("ann", "Editors")
    page = client.get(reverse("admin:entries_story_add")).content.decode()
    assert '<option value="ar" lang="ar" dir="rtl">العربية (ar)</option>' in page
    assert '<option value="de" lang="de" dir="ltr">Deutsch (de)</option>' in page
    sent = {"language": "de", "language-other": "sr_latn"}
    story = new_story(client, **sent)
    assert story.language == "sr-Latn"
    details = desk_url(story, "details")
    page = client.get(details).content.decode()
    assert re.search(r'<option value="sr-Latn"[^>]* selected', page)
    url = reverse("admin:entries_story_add")
    wrong = client.post(url, {"headline": "Rain", "language-other": "klingonish"})
    shown = wrong.content.decode()
    assert "“klingonish” isn&#x27;t a language code" in shown
    assert '<option value="klingonish"' in shown  # nothing that was typed is lost


def test_a_series_is_given_its_language_in_the_admin():
    client = signed_in("the-chief", chief=True)
    sent = {"name": "Yawmiyyat", "slug": "yawmiyyat", "language-other": "AR_eg"}
    client.post(reverse("admin:entries_series_add"), sent)
    assert Series.objects.get().language == "ar-EG"
    wrong = client.post(reverse("admin:entries_series_add"), sent | {"language": "x"})
    assert wrong.status_code == 200
    with pytest.raises(Refused, match="isn't a language code"):
        verbs.save_series(Series(name="A", slug="a", language="arabic"))


# --- No label is left in English

# Names of things that are the same in every language, or no words at all.
DJANGO = {"Search", "True", "False", "None"}  # alternative texts of its icons
NAMES = {
    "TOTP",
    "device",
    "devices",
    "Dezember",
    "GMT",
    "Ctrl",
    "Alt",
    "Esc",
    "Enter",
    "Shift",
    "Markdown",
    "Instagram",
    "TikTok",
}
_DATES = Locale("de")
NAMES |= {*_DATES.days["format"]["wide"].values()}
NAMES |= {*_DATES.months["format"]["wide"].values()}
LABELS = ("title", "aria-label", "placeholder", "alt", "data-done", "data-empty")


class Shown(HTMLParser):
    """What a page shows, but for texts that name a language of their own."""

    VOID = {"input", "br", "img", "meta", "link", "hr", "source", "wbr", "use", "track"}

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[bool] = []  # whether each open element is to be read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        silent = tag in ("script", "style", "code", "kbd", "textarea", "svg")
        # Names of permissions are rows that Django writes in English.
        silent |= "permissions" in (given.get("name") or "")
        other = "lang" in given and tag != "html"
        read = all(self.open) and not silent and not other
        if tag not in self.VOID:
            self.open.append(not silent and not other)
        if read:
            self.found += [given[name] or "" for name in LABELS if name in given]
            if tag == "input" and given.get("type") in ("submit", "button"):
                self.found.append(given.get("value") or "")
            if given.get("name") == "desk-words":
                words = json.loads(given["content"] or "")["words"]
                for word in words.values():  # one for each number, if it is counted
                    self.found += word.values() if isinstance(word, dict) else [word]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if all(self.open):
            self.found.append(data)


def plain_words(page: str, known: set[str]) -> set[str]:
    """Return the words of a page that are neither translated nor a person's own."""
    parser = Shown()
    parser.feed(page)
    # Django names the rows of a many-to-many relation so.
    left = "\n".join(text for text in parser.found if "relationship" not in text)
    while "[!! " in left:
        shorter = re.sub(r"\[!! (?:(?!\[!! | !!\]).)*? ?!!\]", "", left, flags=re.S)
        if shorter == left:
            break
        left = shorter
    return set(re.findall(r"[A-Za-z]{3,}", left)) - known - NAMES - DJANGO


def written_by_people() -> set[str]:
    """Return every word in the database: of texts, names and addresses."""
    values: list[object] = [settings.SITE_NAME, settings.SITE_URL]
    for model in apps.get_models():
        if model not in (ContentType, Permission, LogEntry):
            for row in model._default_manager.values_list():
                values += [value for value in row if isinstance(value, str)]
    return words_of(values)


def words_of(values: list[Any]) -> set[str]:
    return set(re.findall(r"[A-Za-z]{3,}", " ".join(map(str, values))))


def test_every_page_of_the_desk_is_in_its_user_s_language(world: World):  # noqa: F811
    clients = {
        "chief": chosen("cleo", "de", chief=True),
        "editor": chosen("edda", "de", "Editors"),
        "contributor": chosen("cora", "de", "Contributors"),
    }
    known, english, read = written_by_people(), {}, 0
    for client in clients.values():
        client.raise_request_exception = False
    with marked("de"):
        for name, needs in ADDRESSES.items():
            path = world.path(name)
            third = name.startswith(("admin:axes_", "admin:otp_", "admin:jsi18n"))
            if third or not path.startswith("/admin/"):
                continue
            asked = [("get", None)] if needs.get else []
            asked += [("post", data) for _, data in needs.posts]
            for role, client in clients.items():
                for method, data in asked:
                    for headers in ({}, {"HX-Request": "true"}):
                        with transaction.atomic():
                            send = getattr(client, method)
                            answer = send(path, data, headers=headers)
                            transaction.set_rollback(True)
                        kind = answer.headers.get("Content-Type", "")
                        if not kind.startswith("text/html"):
                            continue
                        page = answer.content.decode()
                        read += "[!! " in page
                        typed = words_of([*(data or {}).values()])
                        if words := plain_words(page, known | typed):
                            english[f"{role} {method} {name} {data}"] = words
    assert read > 200
    assert not english, "\n".join(f"{k}: {v}" for k, v in english.items())


# --- The language of the texts at the desk


class Elements(HTMLParser):
    """The language and direction in which a page has each of its texts and fields."""

    VOID = Shown.VOID

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str, str]] = [("", "", "")]
        self.texts: list[tuple[str, str, str]] = []
        self.fields: dict[str, tuple[str, str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given, (_, lang, way) = dict(attrs), self.open[-1]
        lang = given.get("lang") or lang
        way = given.get("dir") or ("auto" if tag == "bdi" else way)
        if tag in ("input", "textarea") and given.get("type") != "hidden":
            self.fields[given.get("id") or given.get("name") or ""] = (lang, way)
        if tag not in self.VOID:
            self.open.append((tag, lang, way))

    def handle_endtag(self, tag: str) -> None:
        while tag not in self.VOID and len(self.open) > 1:
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1][0] != "title":
            self.texts.append((data.strip(), *self.open[-1][1:]))

    def languages_of(self, words: str) -> set[tuple[str, str]]:
        return {(lang, way) for text, lang, way in self.texts if words in text}


def read(client: Client, path: str) -> Elements:
    parser = Elements()
    parser.feed(client.get(path).content.decode())
    return parser


ARABIC = "ضباب فوق الميناء"


@pytest.fixture
def arabic() -> Story:
    story = make_story(ARABIC, language="ar", slug="dabab")
    make_update(story, f"{ARABIC} الثلاثاء.")
    return story


def own(found: set[tuple[str, str]]) -> bool:
    """Return whether texts are in the language and direction of the Arabic story."""
    return bool(found) and found <= {("ar", "rtl"), ("ar", "auto")}


def test_texts_carry_the_language_of_their_story_and_labels_that_of_the_user(
    arabic: Story,
):
    english = make_story("Rain over the quay", slug="rain")
    update = make_update(english, "Rain is late.")
    verbs.cross_post(update, arabic)
    submitted = make_update(arabic, f"{ARABIC} مسودة", state="submitted")
    verbs.add_link("latest", story=english, target_story=arabic)
    client = signed_in("ann", "Editors", "Moderators")
    changed = arabic.entries.exclude(pk=submitted.pk).get()
    edit = {"body": f"{ARABIC} الأربعاء.", "version": 1, "action": "save"}
    client.post(desk_url(arabic, "edit", changed.pk), edit)
    pages = [
        "/admin/",
        "/admin/moderate/",
        "/admin/entries/entry/queue/",
        "/admin/entries/story/",
        "/admin/entries/entry/",
        desk_url(arabic),
        desk_url(english, "links"),
        desk_url(arabic, "versions", changed.pk),
        f"{desk_url(english, 'cross', update.pk)}?q=ضباب",
        f"{desk_url(english, 'find')}?q=ضباب",
    ]
    for path in pages:
        page = read(client, path)
        assert own(page.languages_of(ARABIC)), (path, page.languages_of(ARABIC))
    desk = read(client, desk_url(arabic))
    assert desk.languages_of("Rain is late.") == {("en", "auto")}  # cross-posted here
    assert desk.languages_of("Publish") <= {("en", "ltr")}


def test_fields_for_texts_have_the_language_of_the_story(arabic: Story):
    client = chosen("ben", "de", "Editors")
    details = read(client, desk_url(arabic, "details")).fields
    for name in ("id_headline", "id_standfirst", "id_summary"):
        assert details[name] == ("ar", "rtl")
    assert details["id_slug"][0] == "de"
    desk = read(client, desk_url(arabic)).fields
    for name in ("composer-headline", "composer-body", "composer-byline"):
        assert desk[name] == ("ar", "rtl"), name
    entry = arabic.entries.get()
    edit = read(client, desk_url(arabic, "edit", entry.pk)).fields
    for name in ("headline", "body", "byline", "correction"):
        assert edit[f"edit-{entry.pk}-{name}"] == ("ar", "rtl"), name


def test_fields_of_a_new_story_have_the_language_that_is_chosen():
    client = chosen("ben", "de", "Editors")
    url = reverse("admin:entries_story_add")
    assert read(client, url).fields["id_original"] == ("en", "ltr")
    parser = Elements()
    parser.feed(client.post(url, {"language": "fa"}).content.decode())
    for name in ("id_headline", "id_standfirst", "id_original"):
        assert parser.fields[name] == ("fa", "rtl")
    series = make_series("Yawmiyyat")
    Series.objects.update(language="ar")
    parser = Elements()
    parser.feed(client.post(url, {"series": series.pk}).content.decode())
    assert parser.fields["id_headline"] == ("ar", "rtl")


def test_the_language_of_a_series_comes_with_an_exported_story(tmp_path: Path):
    series = make_series("Yawmiyyat")
    series.language = "ar"
    verbs.save_series(series)
    story = make_story(ARABIC, series="Yawmiyyat", language="fa", slug="dabab")
    out = StringIO()
    call_command("export_story", story.slug, "--format", "json", stdout=out)
    data = json.loads(out.getvalue())
    assert data["story"]["series"]["language"] == "ar"
    data["story"] |= {"slug": "again"}
    del data["story"]["language"]
    Story.objects.all().delete()
    Series.objects.all().delete()
    file = tmp_path / "story.json"
    file.write_text(json.dumps(data))
    call_command("import_story", file)
    again = Story.objects.get(slug="again")
    assert again.language == "ar"  # by default that of its series
    assert again.series
    assert again.series.language == "ar"
    data["story"]["series"]["language"] = "arabic"
    file.write_text(json.dumps(data))
    with pytest.raises(CommandError, match=r"series\.language: .* isn't a language"):
        call_command("import_story", file, "--again")


def test_a_password_reset_is_in_the_language_of_its_account():
    ben = make_user("ben", "Editors")
    User.objects.update(email="ben@example.org")
    verbs.set_desk_language(ben, "de", by=Permissions.of(ben))
    form = ResetForm({"email": "ben@example.org"})
    assert form.is_valid()
    with marked("de"):
        form.save(email_template_name="registration/password_reset_email.txt")
    (message,) = mail.outbox
    assert message.subject.startswith("[!! ")
    assert "[!! " in message.body
