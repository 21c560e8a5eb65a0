"""What people type is found in any script and spelling, by readers and at the desk."""

from __future__ import annotations

import re
import unicodedata
from importlib import import_module
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from entries import verbs
from entries.models import Image, Link, SearchText, Series, Snippet, Story
from entries.models.search import FullText
from entries.pages import search
from entries.text.words import query_words
from entries.verbs import EntryText
from tests.builders import (
    gmt,
    make_series,
    make_story,
    make_update,
    make_user,
    signed_in,
)

pytestmark = pytest.mark.django_db
NFD = "NFD"


def nfd(text: str) -> str:
    return unicodedata.normalize(NFD, text)


# A language, a text in it, what finds it, and what does not.
FOUND = [
    ("fr", "Nîmes se réveille sous l’eau", ["Nîmes", nfd("Nîmes"), "nimes", "NIMES"]),
    ("fr", nfd("Nîmes se réveille"), ["Nîmes", nfd("Nîmes"), "nimes", "réveille"]),
    ("fr", nfd("Évacuation du quartier"), ["Évacuation", "evacuation", "évacuations"]),
    ("fr", "Les œuvres sont à l’abri", ["œuvres", "oeuvres", "l'abri", "abri"]),
    ("hi", "दिल्ली में बारिश जारी है", ["दिल्ली", "बारिश", "दिल्ली बारिश"]),
    ("hi", "हिन्दी और ज़रूर काम", ["हिंदी", "हिन्दी", "ज़रूर", "जरूर", nfd("ज़रूर")]),
    ("hi", "क्\u200dष का प्रयोग", ["क्ष", "प्रयोग"]),
    ("tr", "İstanbul'da yağmur", ["İstanbul", "istanbul", "ISTANBUL", "ıstanbul"]),
    ("tr", "ISPARTA ve Diyarbakır", ["Isparta", "ısparta", "diyarbakir", "DİYARBAKIR"]),
    ("en", "Rain over istanbul tonight", ["İstanbul", nfd("İstanbul"), "ISTANBUL"]),
    ("ru", nfd("Синий трамвай ещё стоит"), ["синий", nfd("синий"), "еще", "ещё"]),
    ("ru", "Трамваи стоят в зелёном поле", ["трамвай", "зеленом", "ТРАМВАИ"]),
    ("uk", "П’ять будинків у Києві", ["п'ять", "пʼять", "п’ять", "пять", "Києві"]),
    ("vi", nfd("Hà Nội ngập nước"), ["Hà Nội", nfd("Hà Nội"), "ha noi", "nước"]),
    ("en", "The inter\u00adnational har\u200bbour", ["international", "harbour"]),
    ("en", "The harbour is shut", ["har\u00adbour", "har\u200bbour", "\ufeffharbour"]),
    ("ja", "昨夜の地震情報、M5の揺れ", ["地震", "情報", "地", "揺れ", "M5"]),
    ("zh", "上海港口今晨恢复作业", ["上海", "港口", "上海港口", "业", "上海 作业"]),
    ("ja", "ウクライナ・キーウで停電", ["キーウ", "ウクライナ・キーウ", "ｷｰｳ", "停電"]),
    ("th", "วันนี้ฝนตกหนักที่กรุงเทพ", ["ฝน", "ฝนตก", "กรุงเทพ", "หนัก"]),
    ("lo", "ຝົນຕົກໜັກຢູ່ວຽງຈັນ", ["ຝົນ", "ວຽງຈັນ"]),
    ("km", "ភ្លៀងធ្លាក់ខ្លាំងនៅភ្នំពេញ", ["ភ្លៀង", "ភ្នំពេញ"]),
    ("my", "ရန်ကုန်မှာမိုးရွာနေသည်", ["မိုး", "ရန်ကုန်"]),
    ("ko", "서울에서 큰 불이 났다", ["서울", nfd("서울"), "서울에서", "불"]),
    ("it", "L’Aquila trema ancora", ["L'Aquila", "L’Aquila", "aquila", "LAquila"]),
    ("it", "L'Aquila trema ancora", ["L'Aquila", "L’Aquila", "l`aquila", "lʼaquila"]),
    ("ar", "عَادَ المُدَرِّسون إلى المدرسة", ["عاد", "المدرسون", "الى", "المدرسه"]),
    ("ar", "فـــتح أحمد الباب", ["فتح", "احمد", "أحمد", "آحمد"]),
    ("fa", "کتاب علی را می‌خوانم", ["كتاب", "علي", "می‌خوانم", "میخوانم", "می خوانم"]),
    ("fa", "دیروز نمیدانستم", ["نمی‌دانستم", "ديروز", "نمیدانستم"]),
    ("he", "שָׁלוֹם לצה״ל בתל־אביב", ["שלום", "לצה״ל", "אביב"]),
    ("he", "הודעת צה״ל", ['צה"ל', "צה״ל", "צהל"]),
    ("el", "Ο ΔΡΟΜΟΣ για την Αθήνα", ["δρόμος", "δρομοσ", "ΑΘΗΝΑ", "αθηνα"]),
    ("de", "Großbrand in der Münchner Straße", ["strasse", "STRAẞE", "muenchner"]),
    ("de", "Muenchner Häuser", ["Münchner", "haus", "haeuser", "Hauser"]),
    ("pl", "Pożar w Łodzi", ["łodzi", "lodzi", "POZAR"]),
    ("hr", "Đorđe u Ćupriji", ["đorđe", "dorde", "cupriji"]),
    ("da", "Brand på Ærø og i Århus", ["ærø", "aeroe", "aarhus", "arhus", "aero"]),
    ("ca", "Vam col·laborar-hi", ["col·laborar", "collaborar", "laborar"]),
    ("en", "COVID-19 cost 1,500 or 1 500 people", ["COVID-19", "covid19", "1500"]),
    ("en", "In the U.S., C++ and F# code", ["U.S.", "C++", "F#"]),
    ("en", "Write to press@orlen.example or #FloodWatch", [
        "press@orlen.example", "orlen.example", "#floodwatch", "floodwatch"]),
    ("en", "See https://orlen.example/water/level-2 now", [
        "https://orlen.example/water/level-2", "level-2", "orlen"]),
    ("en", "Ｆｕｌｌ　ｗｉｄｔｈ and ﬁne print", ["full width", "fine", "ﬁne"]),
    ("fa", "بیش از ۱۵۰۰ نفر", ["1500", "۱۵۰۰", "١٥٠٠"]),
    ("en", "A fire 🔥 near the tower", ["🔥", "fire 🔥"]),
    ("en", "Skerrin’s pilots anchored", ["Skerrin's", "skerrin", "pilot", "anchor"]),
    ("ta", "சென்னையில் கனமழை", ["சென்னையில்", "கனமழை"]),
    ("am", "አዲስ አበባ ዝናብ", ["አበባ"]),
    ("ka", "თბილისში წვიმს", ["თბილისში"]),
    ("hy", "Երևանում անձրև է", ["երևանում"]),
    ("bo", "ལྷ་སའི་ཆར་པ", ["ཆར་པ", "ལྷ"]),
    ("ja", "ガソリンの値上げ、パリで", ["ｶﾞｿﾘﾝ", "ガソリン", "ﾊﾟﾘ"]),
    ("ja", "ｶﾞｿﾘﾝの値上げ", ["ガソリン", "ｶﾞｿﾘﾝ"]),
    ("ja", "葛\U000e0100城市で停電", ["葛城", "葛\U000e0100城"]),
    ("zh", "唐纳德·特朗普抵达", ["唐纳德特朗普", "唐纳德·特朗普", "唐纳德・特朗普"]),
    ("he", 'הודעת צה"ל', ['צה"ל', "צה״ל", "צהל"]),
    ("az", "Prezident Əliyev gəldi", ["Eliyev", "əliyev"]),
    ("uk", "Ґанок затопило", ["ганок", "Ґанок"]),
    ("vi", "Tô Lâm thăm Hà Nội", ["Tô Lâm", "to lam"]),
]  # fmt: skip
IDS = [f"{language}-{index}" for index, (language, *_) in enumerate(FOUND)]
# Of each, one text that must not be found.
NOT_FOUND = [
    ("en", "She has had enough", ["Hà", nfd("Hà Nội"), "ha"]),
    ("zh", "地方的震动", ["地震"]),
    ("ja", "京都の東", ["東京"]),
    ("en", "The bridge is old", ['"old bridge"', "“old bridge”"]),
    ("en", "The pilots wait", ['"pilot"']),
    ("en", "Is it us or them", ["U.S.A."]),
    ("hi", "दल लाल है", ["दिल्ली"]),
    ("en", "Add ½ cup", ["12"]),
    ("vi", "Lâm Đồng có mưa", ["Tô Lâm"]),
    ("ja", "湾の港口", ["「港口湾」"]),
]


def urls(query: str) -> list[str]:
    return [result.url for result in search.search_public(query).found]


@pytest.mark.parametrize(("language", "text", "queries"), FOUND, ids=IDS)
def test_readers_find_an_update(language, text, queries):
    story = make_story("Title", slug="s", language=language)
    make_update(make_story("Another", slug="other"), "She has had twenty texts.")
    update = make_update(story, text)
    url = f"/stories/s/updates/{update.pk}/"
    assert {query: urls(query) for query in queries} == {q: [url] for q in queries}


@pytest.mark.parametrize(("language", "text", "queries"), NOT_FOUND)
def test_readers_do_not_find_other_words(language, text, queries):
    make_update(make_story("Title", slug="s", language=language), text)
    assert {query: urls(query) for query in queries} == {q: [] for q in queries}


@pytest.mark.parametrize(("language", "text", "queries"), FOUND, ids=IDS)
def test_matches_are_marked_in_the_original_text(language, text, queries):
    story = make_story("Title", slug="s", language=language)
    make_update(story, text)
    for query in queries:
        (result,) = search.search_public(query).found
        snippet = str(result.snippet)
        assert "<mark>" in snippet, query
        bare = re.sub("</?mark>", "", snippet)
        assert bare == escape(unicodedata.normalize("NFC", text))
        marked = re.findall("<mark>(.*?)</mark>", snippet)
        assert any(query_words(one) for one in marked)


def test_texts_with_the_typed_diacritics_come_first():
    story = make_story(slug="s", language="fr")
    bare = make_update(story, "Nimes, Nimes, et encore Nimes.")
    accented = make_update(story, "La ville de Nîmes et ses environs, au sud du pays.")
    bare_url, accented_url = (
        f"/stories/s/updates/{one.pk}/" for one in (bare, accented)
    )
    assert urls("Nîmes") == [accented_url, bare_url]
    assert urls("nimes") == [bare_url, accented_url]


def test_results_have_the_language_and_direction_of_their_text(client: Client):
    story = make_story("أخبار المدينة", slug="a", language="ar")
    make_update(story, "عاد المدرسون اليوم")
    page = client.get("/search/", {"q": "المدرسون"}).content.decode()
    assert re.search(r'<p class="snippet" dir="rtl" +lang="ar">', page)
    assert "<mark>المدرسون</mark>" in page


@pytest.fixture
def chief() -> Client:
    return signed_in("chief", chief=True)


# Of a title, what finds it in lists and pickers.
TITLES = [
    (text, [query for query in queries if query not in UNLISTED])
    for UNLISTED in [{
        # Their stems, and compounds as one word, are in the full-text index alone.
        *("évacuations", "пять", "LAquila", "haus", "haeuser", "Münchner", "aeroe"),
        *("muenchner", "aarhus", "collaborar", "covid19", "pilot", "трамвай"),
        *("1500", "צהל"),
    }]
    for _, text, queries in FOUND
    if len(text) < 60
]  # fmt: skip


@pytest.mark.parametrize(("title", "queries"), TITLES, ids=IDS[: len(TITLES)])
def test_the_newsroom_finds_titles_in_lists_and_pickers(chief, title, queries):
    other = make_story("She has had enough")
    story = make_story(title, slug="s")
    draft = make_update(story, title, state="draft")
    Image.objects.create(name="pier", caption=title, stem=f"aa/{'a' * 40}", widths=[1])
    Link.objects.create(kind="see", story=story, title=title)
    Snippet.objects.create(name="Title", body=title)
    find = reverse("admin:entries_story_find", args=[other.pk])
    row = f'id="row-{draft.pk}"'
    places = [
        (reverse("admin:entries_story_changelist"), {}, "field-"),
        (find, {"what": "see"}, "data-insert"),
        (reverse("admin:entries_story_search", args=[story.pk]), {}, row),
    ]
    once = [(find, {"what": "picture"}, "data-insert")]
    once += [
        (reverse(f"admin:entries_{model}_changelist"), {}, "field-")
        for model in ("image", "link", "snippet", "entry")
    ]
    asked = [(place, query) for place in places for query in queries]
    asked += [(place, queries[-1]) for place in once]
    for (path, more, shown), query in asked:
        page = chief.get(path, {"q": query, **more}).content.decode()
        assert shown in page, (path, query)
        assert "She has had enough" not in page.partition("<main")[2], (path, query)


def test_series_are_found_without_diacritics(chief):
    make_series("Crónica de Málaga")
    page = chief.get(reverse("admin:entries_series_changelist"), {"q": "cronica"})
    assert "Málaga" in page.content.decode()
    page = chief.get(reverse("admin:entries_series_changelist"), {"q": "cordoba"})
    assert "Málaga" not in page.content.decode()


def test_an_edited_title_is_found_by_its_new_words(chief):
    story = make_story("Vieux titre", slug="s")
    verbs.edit_story(story, headline="Évacuation à Nîmes")
    path = reverse("admin:entries_story_changelist")
    assert "Nîmes" in chief.get(path, {"q": "evacuation"}).content.decode()
    assert "Nîmes" not in chief.get(path, {"q": "vieux"}).content.decode()


SEE_LINES = [
    ("L’Aquila: the second night", "L'Aquila: the second night"),
    ("L'Aquila: the second night", "L’Aquila:\u00a0the second night"),
    ("Évacuation à Nîmes", nfd("Évacuation à Nîmes")),
    (nfd("Évacuation à Nîmes"), "Évacuation à Nîmes"),
    ("Évacuation à Nîmes", "EVACUATION A NIMES"),
    ("İstanbul’da yağmur", "Istanbul'da yağmur"),
    ("Storm – the first day", "Storm - the first day"),
    ("Storm—the first day", "Storm –\u2009the first day"),
    ("Harbour watch", "Har\u00adbour\u200b watch."),
    ("ウクライナ情勢", "ｳｸﾗｲﾅ情勢"),
    ("Überflutung in der Straße", "Uberflutung in der STRASSE"),
    ("علی و کتاب", "علي و كتاب"),
    ("Day ١٢", "Day 12"),
]


@pytest.mark.parametrize(("title", "typed"), SEE_LINES)
def test_a_typed_title_leads_to_its_story(chief, story, title, typed):
    other = make_story(title, slug="target")
    desk = reverse("admin:entries_story_change", args=[story.pk])
    data = {"action": "publish", "body": f"Done.\n\nSee {typed}"}
    chief.post(desk, data, headers={"HX-Request": "true"})
    assert Link.objects.get().target_story == other


def test_of_titles_that_differ_in_diacritics_the_typed_one_is_linked(chief, story):
    make_story("La cote", slug="cote")
    coast = make_story("La côte", slug="coast")
    desk = reverse("admin:entries_story_change", args=[story.pk])
    data = {"action": "publish", "body": f"Done.\n\nSee {nfd('LA CÔTE')}"}
    chief.post(desk, data, headers={"HX-Request": "true"})
    assert Link.objects.get().target_story == coast


def test_a_new_language_of_a_story_changes_the_stems_of_its_texts():
    story = make_story(slug="s", language="en")
    make_update(story, "Die Häuser brennen")
    assert urls("haus") == []
    verbs.edit_story(story, language="de")
    assert len(urls("haus")) == 1


def test_accounts_are_found_without_diacritics(chief):
    user = make_user("ldvorak", "Editors")
    user.first_name, user.last_name = "Lukáš", "Dvořák"
    user.save()
    path = reverse("admin:auth_user_changelist")
    for query in ("dvorak", nfd("DVOŘÁK"), "lukas dvořák"):
        page = chief.get(path, {"q": query}).content.decode()
        assert "ldvorak" in page, query
    assert "ldvorak" not in chief.get(path, {"q": "novak"}).content.decode()


def test_an_imported_title_leads_to_the_story_with_other_typography(tmp_path):
    target = make_story("L’Aquila – the second night", slug="target")
    file = tmp_path / "story.txt"
    title = "L'Aquila - the second night"
    file.write_text(f"UPDATE 1800 GMT:\n\nThe ground moved.\n\nSee {title}\n")
    call_command(
        *("import_story", str(file), "--headline", "Day 3", "--date", "2026-03-14"),
        stdout=StringIO(),
    )
    assert Link.objects.get().target_story == target


def test_the_board_finds_stories_without_diacritics(chief):
    make_story("Évacuation à Nîmes")
    assert "Nîmes" in chief.get("/admin/", {"q": "evacuation"}).content.decode()
    page = chief.get("/admin/", {"q": "inondation"}).content.decode()
    assert "Évacuation à Nîmes" not in page


def test_drafts_are_indexed_for_the_newsroom_alone(chief):
    story = make_story("Title", slug="s")
    make_update(story, "Évacuation cinnabar", state="draft")
    path = reverse("admin:entries_entry_changelist")
    assert "cinnabar" in chief.get(path, {"q": "evacuation"}).content.decode()
    assert urls("cinnabar") == []
    assert search.suggest_stories("cinnabar") == []


def test_texts_of_earlier_releases_are_indexed_by_a_migration_that_may_stop():
    """As after an upgrade: rows without tokens and folded texts, some done already."""
    story = make_story("Évacuation", slug="s", summary="Cinnabar everywhere")
    make_update(story, nfd("Nîmes"))
    verbs.post(story, EntryText("Ein Brief", at=gmt("1201"), byline="Zoë"))
    make_update(story, "Entwurf", state="draft")
    done = make_update(story, "Hà Nội")
    fields = ["headline", "body", "folded"]
    before = set(SearchText.objects.values_list("entry", "story", *fields))
    tokens = search_tokens()
    undone = SearchText.objects.exclude(entry=done)
    undone.filter(entry__state="draft").delete()
    undone.update(folded=None, vector=None)
    FullText.objects.exclude(text__entry=done).delete()
    Story.objects.update(folded=None)
    assert urls("nimes") == urls("evacuation") == []
    migration = import_module("entries.migrations.0023_index_texts")
    migration.fold_titles(apps, SimpleNamespace(connection=connection))
    migration.index_texts(apps, SimpleNamespace(connection=connection))
    assert len(urls("nimes")) == len(urls("evacuation")) == len(urls("cinnabar")) == 1
    after = set(SearchText.objects.values_list("entry", "story", *fields))
    assert after == before
    assert search_tokens() == tokens
    assert Story.objects.get().folded == "evacuation s"


def search_tokens() -> list[Any]:
    if connection.vendor == "sqlite":
        return sorted(FullText.objects.values_list("headline", "body"))
    return sorted(SearchText.objects.values_list("vector", flat=True))


LETTERS = st.characters(exclude_categories=("Cs", "Co", "Cn"))


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(LETTERS, max_size=60), data=st.data())
@example(text="½ № ﬃ Ⅻ ℃", data=None)
def test_any_word_of_a_text_finds_it(db: Any, text: str, data: Any) -> None:
    """Whatever is written, each of its words leads to it, alone and together."""
    Story.objects.all().delete()
    story = make_story("Title", slug="s")
    make_update(story, f"Start. {text}")
    body = search.SearchText.objects.exclude(entry=None).get().body
    words = [word for word in body.split() if query_words(word)]
    for word in words[:6]:
        query = word.replace('"', " ")
        if query_words(query):
            assert urls(query), (word, text)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=st.text(st.characters(exclude_categories=("Cs",)), max_size=80))
@example(query="'\\''")
@example(query='a" OR "b')
@example(query="~= =x en~ :* <-> ! & | ( ) * ^ - + { } [ ]")
def test_no_query_is_an_error(db: Any, query: str) -> None:
    urls(query)
    search.search_entries(query)
    search.suggest_stories(query)
    list(Series.objects.all()[:1])
