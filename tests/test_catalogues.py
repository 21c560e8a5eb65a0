"""The catalogues in locale/: valid, and with translations that show nothing wrong."""

from __future__ import annotations

import shutil
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils.translation import to_locale

from entries.management.commands.compilemessages import compiled
from tests import catalogues

LANGUAGES = catalogues.languages()
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: {forms}\\n"

"""
GERMAN = HEADER.format(language="de", forms="nplurals=2; plural=(n != 1);")


def catalogue(*pairs: tuple[str | tuple[str, ...], str | tuple[str, ...]]) -> Catalog:
    """Return a German catalogue with some translations."""
    found = Catalog(locale="de")
    for original, text in pairs:
        found.add(original, text)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for catalogues in which the command works."""
    monkeypatch.setattr(settings, "LOCALE_PATHS", [tmp_path])
    return tmp_path


def write(folder: Path, language: str, text: str) -> Path:
    path = folder / language / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_can_be_compiled(language: str):
    assert compiled(catalogues.path_of(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_no_guessed_and_no_old_texts(language: str):
    found = catalogues.read(language)
    assert not [m.id for m in catalogues.messages(found).values() if m.fuzzy]
    assert not found.obsolete


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_counts_as_its_language_does(language: str):
    assert not catalogues.plural_fault(language, catalogues.read(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_placeholders_and_tags_of_its_text(language: str):
    assert not catalogues.faults(catalogues.read(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_the_one_that_translators_write(language: str):
    path = catalogues.path_of(language).with_suffix(".mo")
    anew = loaded(compiled(path.with_suffix(".po")))
    assert loaded(path.read_bytes()) == anew, "run manage.py compilemessages"


def loaded(content: bytes) -> tuple[dict[object, str], list[int]]:
    """Return the texts of a compiled catalogue, and how it counts."""
    found = GNUTranslations(BytesIO(content))
    texts = {key: text for key, text in vars(found)["_catalog"].items() if key}
    return texts, [vars(found)["plural"](count) for count in range(1000)]


@pytest.mark.parametrize(
    ("original", "text"),
    [
        ("%(n)s updates", "Updates"),
        ("%(n)s updates", "%(N)s Updates"),
        ("%(n)s updates", "%(n)s von %(n)s Updates"),
        ("%s of %s", "%s von"),
        ("100%%", "100%"),
        ("{count} readers", "{zahl} Leser"),
        ("<b>%(n)s</b> live", "%(n)s live"),
        ("<b>%(n)s</b> live", "<i>%(n)s</i> live"),
        ('<a href="/x/">See</a>', '<a href="/y/">Siehe</a>'),
        ("fish &amp; chips", "Fisch & Pommes"),
        ("Live ", "Live"),
        ("Live", "\nLive"),
        ("Loading…", "Lädt..."),
        ("Text:", "Text"),
        ("Text", "Text:"),
        (("%(n)s update", "%(n)s updates"), ("%(n)s Update", "Updates")),
        (("%(n)s update", "%(n)s updates"), ("%(n)s Update", "%(x)s Updates")),
    ],
)
def test_a_translation_that_would_show_something_wrong_is_found(
    original: str | tuple[str, ...], text: str | tuple[str, ...]
):
    assert catalogues.faults(catalogue((original, text)))


@pytest.mark.parametrize(
    ("original", "text"),
    [
        ("%(n)s of %(all)s", "von %(all)s: %(n)s"),
        ('<b title="Live">x</b>', '<b title="Läuft">x</b>'),
        ("Text:", "文本："),
        ("like https://example.org/…", "كـ \u2066https://example.org/…\u2069"),
        (("%(n)s update", "%(n)s updates"), ("ein Update", "%(n)s Updates")),
        (("One update", "%(n)s updates"), ("%(n)s Update", "%(n)s Updates")),
        ("not translated yet: %s", ""),
    ],
)
def test_a_translation_may_differ_where_its_language_does(
    original: str | tuple[str, ...], text: str | tuple[str, ...]
):
    assert not catalogues.faults(catalogue((original, text)))


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("tr", "nplurals=1; plural=0;"),
        ("fa", "nplurals=2; plural=(n != 1);"),
        ("ja", "nplurals=2; plural=(n != 1);"),
        ("uk", "nplurals=2; plural=(n > 1);"),
        ("de", "nplurals=1; plural=(n != 1);"),
    ],
)
def test_plural_forms_of_another_language_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, forms: str
):
    monkeypatch.setattr(catalogues, "LOCALE", tmp_path)
    write(tmp_path, language, HEADER.format(language=language, forms=forms))
    assert catalogues.plural_fault(language, catalogues.read(language))


def test_texts_are_found_in_code_and_in_templates_of_every_kind():
    found = catalogues.source()
    assert found[None, "Coverage begins %(time)s"] == {"entries/pages/fragments.py"}
    assert "templates/error.html" in set().union(*found.values())
    plurals = [text for _, text in found if isinstance(text, tuple)]
    assert ("%(n)d day", "%(n)d days") in plurals


def test_readers_files_are_told_from_those_of_the_desk():
    readers = ("templates/entries/story.html", "templates/404.html")
    for file in (*readers, "entries/public/feeds.py", "entries/models/links.py"):
        assert catalogues.is_for_readers(file)
    desk = ("templates/admin/base_site.html", "templates/registration/logged_out.html")
    for file in (*desk, "entries/desk/board.py", "entries/text/time_input.py"):
        assert not catalogues.is_for_readers(file)


def test_compiling_writes_what_gettext_reads(folder: Path):
    plural = 'msgid "{n} day"\nmsgid_plural "{n} days"\nmsgstr[0] "{n} Tag"\n'
    path = write(
        folder,
        "de",
        GERMAN
        + 'msgid "Live"\nmsgstr "Läuft"\n\nmsgctxt "verb"\nmsgid "Live"\n'
        + 'msgstr "Leben"\n\nmsgid "Draft"\nmsgstr ""\n\n'
        + f'{plural}msgstr[1] "{{n}} Tage"\n\n#, fuzzy\nmsgid "Pin"\nmsgstr "Nadel"\n',
    )
    call_command("compilemessages", verbosity=0)
    found = GNUTranslations(BytesIO(path.with_suffix(".mo").read_bytes()))
    assert found.gettext("Live") == "Läuft"
    assert found.pgettext("verb", "Live") == "Leben"
    assert found.gettext("Draft") == "Draft"
    assert found.gettext("Pin") == "Pin"
    assert found.ngettext("{n} day", "{n} days", 2) == "{n} Tage"
    assert compiled(path) == path.with_suffix(".mo").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        'msgid "a\nmsgstr "b"\n',
        'msgid "a"\nmsgstr "b" c"\n',
        'msgid "a"\nmsgstr b\n',
        'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "a"\nmsgstr[1] "b"\nmsgstr[2] "c"\n',
    ],
)
def test_a_catalogue_that_is_not_valid_is_refused_by_name(folder: Path, text: str):
    write(folder, "de", GERMAN + text)
    with pytest.raises(CommandError, match=r"de/LC_MESSAGES/django.po.* is not valid"):
        call_command("compilemessages", verbosity=0)


def test_compiling_a_language_without_a_catalogue_says_so(folder: Path):
    with pytest.raises(CommandError, match="No catalogue found for xx"):
        call_command("compilemessages", locale=["xx"], verbosity=0)


@pytest.mark.skipif(not shutil.which("xgettext"), reason="needs GNU gettext")
def test_a_new_catalogue_has_the_forms_of_its_language(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    template = "{% blocktranslate count n=2 %}a day{% plural %}{{ n }} days"
    (folder / "page.xml").write_text(template + "{% endblocktranslate %}")
    call_command("makemessages", locale=["ar"], verbosity=0)
    begun = (folder / "ar" / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    assert begun.startswith("# Arabic translation of the live blog. Not yet read by")
    assert "#: page.xml\n" in begun
    assert 'msgstr[5] ""' in begun
    call_command("makemessages", verbosity=0)
    again = (folder / "ar" / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    assert again == begun


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete_and_has_no_more_than_the_source(language: str):
    missing = catalogues.missing(language)
    assert not missing, f"{len(missing)} not translated: {sorted(map(str, missing))}"
    assert not catalogues.messages(catalogues.read(language)).keys() - (
        catalogues.source().keys()
    )


def test_every_language_of_the_site_has_a_compiled_catalogue():
    codes = {to_locale(code) for code, _ in settings.LANGUAGES}
    assert codes - {catalogues.SOURCE} == set(LANGUAGES)
    for language in LANGUAGES:
        assert catalogues.path_of(language).with_suffix(".mo").is_file()
