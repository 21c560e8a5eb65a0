"""What the catalogues in locale/ must contain, and how a translation can be wrong.

`python -m tests.catalogues` lists what is missing or wrong, by language.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from gettext import c2py
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
SOURCE = "en"
# The desk and the admin are complete in these languages, the reader's pages in all.
DESK = frozenset({"ar", "de", "es", "fr"})

Key = tuple[str | None, str | tuple[str, ...]]  # context; text, or singular and plural

_FUNCTIONS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_READERS = re.compile(
    r"templates/(?!admin/|registration/)"
    r"|entries/(?:public|pages)/|entries/database/errors|entries/templatetags/(?:gmt|site)"
    r"|entries/models/(?:links|stories)|entries/text/(?:gmt|media|quotes|rendering)"
)
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}")
_MARKUP = re.compile(r"</?[a-z][^>]*>|&#?\w+;")
_LINK_TEXT = re.compile(r"\s+(?:alt|aria-label|title)=(?:\"[^\"]*\"|'[^']*')")
_ENDS = {":": ":：", "…": "…"}
_DIRECTION = re.compile("[\u200e\u200f\u2066-\u2069]")
_COUNTS = [*range(1000), *range(1000, 1_000_000, 997)]


def is_for_readers(file: str) -> bool:
    """Return whether the texts of a source file appear on readers' pages."""
    return _READERS.match(file) is not None


@cache
def source() -> dict[Key, set[str]]:
    """Return the texts that the code marks for translation, with their files."""
    found: dict[Key, set[str]] = {}
    for folder in ("entries", "liveblog", "templates"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".html", ".txt", ".xml"):
                for key in _marked(path):
                    found.setdefault(key, set()).add(str(path.relative_to(ROOT)))
    return found


def _marked(path: Path) -> Iterator[Key]:
    code = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        # Like makemessages; Python's tokenizer would stumble over the indentation.
        code = re.sub(r"(?m)^\s+", "", templatize(code, origin=str(path)))
    options = {"encoding": "utf-8"}
    for _, text, _, context in extract(
        "python", BytesIO(code.encode()), _FUNCTIONS, options=options
    ):
        yield context, text if isinstance(text, str) else tuple(text)


def languages() -> list[str]:
    """Return the languages that have a catalogue, as `locale/` names them."""
    return sorted(path.parts[-3] for path in LOCALE.glob("*/LC_MESSAGES/django.po"))


def path_of(language: str) -> Path:
    """Return the path of a catalogue."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    """Return a catalogue. Raises PoFileError if it isn't valid."""
    with path_of(language).open("rb") as file:
        return read_po(file, abort_invalid=True)


def messages(catalogue: Catalog) -> dict[Key, Message]:
    """Return the entries of a catalogue."""
    return {
        (message.context, message.id): message for message in catalogue if message.id
    }


def wanted(language: str) -> set[Key]:
    """Return the texts that a language must translate."""
    return {
        key
        for key, files in source().items()
        if language in DESK or any(map(is_for_readers, files))
    }


def missing(language: str) -> set[Key]:
    """Return the texts that a language must translate, and has not."""
    done = {
        key
        for key, message in messages(read(language)).items()
        if all([message.string] if isinstance(message.id, str) else message.string)
    }
    return wanted(language) - done


def faults(catalogue: Catalog) -> list[str]:
    """Return sentences about translations that would show, or do, something wrong."""
    found = []
    alone = _counts_of_one(catalogue)
    for message in messages(catalogue).values():
        if isinstance(message.id, str):
            pairs = [((message.id,), str(message.string), False)]
        else:
            if len(message.string) != catalogue.num_plurals and any(message.string):
                found.append(f"{message.id[0]!r} has {len(message.string)} forms")
            pairs = [
                (message.id, text, n in alone) for n, text in enumerate(message.string)
            ]
        for originals, text, may_omit in pairs:
            if text and (what := _fault(originals, text, may_omit=may_omit)):
                found.append(f"{text!r} for {originals[-1]!r}: {what}")
    return found


def _counts_of_one(catalogue: Catalog) -> set[int]:
    """Return the plural forms of one number, which need not name it (“two updates”)."""
    form_of = c2py(catalogue.plural_expr)
    number = Counter(form_of(count) for count in _COUNTS)
    return {form for form, counts in number.items() if counts == 1}


def _fault(originals: tuple[str, ...], text: str, *, may_omit: bool) -> str:
    """Return what is wrong with a translation of one form; "" if nothing is."""
    names = Counter(_PLACEHOLDER.findall(text))
    allowed = [Counter(_PLACEHOLDER.findall(one)) for one in originals]
    if names not in allowed and not (may_omit and names < allowed[-1]):
        return f"it has the placeholders {sorted(names.elements())}"
    original, text = originals[-1], _DIRECTION.sub("", text)
    if _markup(text) != _markup(original):
        return f"it has the tags and entities {sorted(_markup(text).elements())}"
    space = re.compile(r"\A\s*|\s*\Z")
    if space.findall(text) != space.findall(original):
        return "it begins or ends with other spaces"
    for sign, forms in _ENDS.items():
        if original.rstrip().endswith(sign) != text.rstrip().endswith(tuple(forms)):
            return f"only one of both ends with “{sign}”"
    return ""


def _markup(text: str) -> Counter[str]:
    """Return the tags of a text, without what they say, and its entities."""
    return Counter(_LINK_TEXT.sub("", part) for part in _MARKUP.findall(text))


def plural_fault(language: str, catalogue: Catalog) -> str:
    """Return how Plural-Forms differs from CLDR; "" if it does not.

    Forms for fractions, and for the millions of French or Spanish, may be there or not:
    nothing here is counted in them.
    """
    form_of = c2py(catalogue.plural_expr)
    category_of = Locale.parse(language).plural_form
    pairs = {(form_of(count), category_of(count)) for count in _COUNTS}
    forms, categories = {form for form, _ in pairs}, {name for _, name in pairs}
    if not len(pairs) == len(forms) == len(categories):
        return f"Plural-Forms differs from CLDR: {sorted(pairs)}"
    if not forms <= set(range(catalogue.num_plurals)):
        return f"Plural-Forms has {catalogue.num_plurals} forms, and uses {forms}"
    return ""


def main() -> None:
    """List what is missing or wrong; exit with 1 if anything is."""
    lines = []
    for language in languages():
        catalogue = read(language)
        lines += [
            f"{language}: {what}"
            for what in (plural_fault(language, catalogue), *faults(catalogue))
            if what
        ]
        gaps = sorted(map(str, missing(language)))
        lines += [f"{language}: not translated: {key}" for key in gaps]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
