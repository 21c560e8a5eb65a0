"""Words that people see at the desk can be translated: in scripts and templates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from entries.desk import audit_log
from entries.desk.script_words import SCRIPT_MESSAGES, SCRIPT_PLURALS
from entries.public.script_words import READER_MESSAGES, READER_PLURALS

pytestmark = pytest.mark.pure
ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
SCRIPTS = sorted((ROOT / "static/entries").glob("*.js"))
# Names of keys, events, errors, headers and classes, in strings of scripts.
NAMES = re.compile(
    r"(Arrow(Up|Down|Left|Right)?|Escape|Enter|Tab|Control|Shift|Ctrl.[BIK]|Home|End|Files"
    r"|Slash|DOMContentLoaded|\w+Error|[A-Z]+|(HX|X|Desk|Content|Last|Live|Retry)(-\w+)+"
    r"|ETag|Apple-\S+)"
)
TOKENS = re.compile(
    r"""
    //[^\n]* | /\*.*?\*/                        # comments
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'  # strings
    | `(?:[^`\\]|\\.)*`
    | (?<=[(=:,;!&|?{}\n])\s*/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/
    """,
    re.VERBOSE | re.DOTALL,
)


def sentences(script: str) -> Iterator[str]:
    """Yield the strings of a script that look like words for people.

    They begin with a capital letter, as every label and sentence does.
    """
    for token in TOKENS.findall(script):
        text = re.sub(r"\$\{[^}]*\}", "", token[1:-1]).strip()
        if token[0] not in "\"'`" or NAMES.fullmatch(text):
            continue
        label = re.match(r"[A-Z][a-z]", text)
        sentence = re.search(r"[a-z]{2,} [a-z]{2,}[.…](\s|$)", text)
        filled = re.search(r"\$\{[^}]*\} [a-z]{2,}( [a-z]{2,})*`", token)
        if label or sentence or filled:
            yield text


def test_scripts_get_their_words_from_the_page():
    found = {}
    for path in SCRIPTS:
        words = list(sentences(path.read_text()))
        if words:
            found[path.name] = words
    assert found == {}


def test_every_word_that_a_script_asks_for_is_there():
    asked, known = {"gmt"}, {*SCRIPT_MESSAGES, *READER_MESSAGES, "gmt", "gmt_dated"}
    known |= {*SCRIPT_PLURALS, *READER_PLURALS}
    for path in SCRIPTS:
        asked |= set(re.findall(r'\b(?:words|say|form)\("(\w+)"', path.read_text()))
    assert {"sending", "share", "new"} <= asked
    assert asked <= known


class Words(HTMLParser):
    """What a template says itself, in text and in attributes that people perceive."""

    SAID = ("title", "aria-label", "placeholder", "alt", "data-done", "data-empty")
    SILENT = ("kbd", "code", "script", "style")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in self.SILENT
        self.found += [value or "" for name, value in attrs if name in self.SAID]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in self.SILENT

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.found.append(data)


def said(template: str) -> list[str]:
    """Return the words of a template that no translation can replace."""
    text = re.sub(r"\{#.*?#\}|\{% comment.*?endcomment %\}", "", template, flags=re.S)
    text = re.sub(
        r"\{% block (?:bodyclass|masthead) %\}.*?\{% endblock[^%]*%\}",
        "",
        text,
        flags=re.S,
    )
    text = re.sub(r"\{% blocktrans.*?endblocktrans\w* %\}", "", text, flags=re.S)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.S)
    text = re.sub(r"\b(Ctrl|Alt|Shift)\+|\b(Esc|Enter)\b", "", text)
    parser = Words()
    parser.feed(text)
    return [found.strip() for found in parser.found if re.search(r"[a-z]{2}", found)]


def test_templates_say_nothing_outside_translations():
    found = {}
    for path in TEMPLATES.rglob("*.*"):
        if words := said(path.read_text()):
            found[str(path.relative_to(TEMPLATES))] = words
    assert found == {}


# --- Messages from Python

SAYING = ("Refused", "EntryConflict", "BodyError", "text_response", "add_error")
SAYING += ("success", "info", "error", "log_action", "log_once")
LOGGING = ("log_action", "log_once")
CODE = [*(ROOT / "entries").rglob("*.py")]
SPARED = ("management", "migrations", "demo", "exchange", "operations", "delivery")


def calls() -> Iterator[tuple[Path, str, ast.Call]]:
    """Yield the calls of functions that tell people something."""
    for path in CODE:
        if path.relative_to(ROOT / "entries").parts[0] in SPARED:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                of = getattr(getattr(node.func, "value", None), "id", "")
                if name in SAYING and of != "logger":
                    yield path, name, node


def test_messages_to_editors_are_translated():
    found = []
    for path, name, call in calls():
        for argument in call.args:
            if not isinstance(argument, ast.Constant | ast.JoinedStr):
                continue
            own = re.sub(r"\{[^}]*\}", "", ast.unparse(argument).lstrip("f"))
            if name not in LOGGING and re.search("[a-z] [a-z]", own):
                found.append(f"{path.relative_to(ROOT)}:{argument.lineno}")
    assert found == []


def test_what_the_log_says_is_known_for_translation(monkeypatch):
    monkeypatch.setattr(audit_log, "gettext", lambda message: "")
    found = []
    for _path, name, call in calls():
        for argument in call.args if name in LOGGING else ():
            if isinstance(argument, ast.Constant) and argument.value:
                found.append(str(argument.value))
            elif isinstance(argument, ast.JoinedStr):
                whole = ast.unparse(argument)[2:-1]
                found.append(re.sub(r"\{[^}]*\}", "x", whole))
    assert len(found) > 10
    own = [text for text in found if not text.startswith("People: ")]
    assert [text for text in own if audit_log.translated(text)] == []


def test_a_line_of_the_log_is_translated_with_its_names(monkeypatch):
    german = {"Moved %(entry)s to %(story)s.": "%(entry)s nach %(story)s verschoben."}
    monkeypatch.setattr(audit_log, "gettext", german.get)
    moved = audit_log.translated("Moved UPDATE 1804 GMT to ice-on-the-sound.")
    assert moved == "UPDATE 1804 GMT nach ice-on-the-sound verschoben."
    assert audit_log.translated("Something older.") == "Something older."


def test_a_mark_in_another_story_is_translated_with_the_story(monkeypatch):
    german = {"Pinned.": "Angeheftet.", "In %(story)s.": "In „%(story)s“."}
    monkeypatch.setattr(audit_log, "gettext", german.get)
    assert audit_log.translated("Pinned. In ice.") == "Angeheftet. In „ice“."
