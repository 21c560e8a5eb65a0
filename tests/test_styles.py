"""What style sheets and scripts may use, for right-to-left and older browsers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.pure
ENTRIES = Path(settings.BASE_DIR) / "static" / "entries"
STYLES = sorted(ENTRIES.glob("*.css"))
SCRIPTS = sorted(ENTRIES.glob("*.js"))
# Only logical properties follow the direction of the text.
PHYSICAL = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border|scroll-margin|scroll-padding)-"
    r"(?:left|right|top|bottom)[\w-]*|left|right|border-(?:top|bottom)-(?:left|right)"
    r"-radius)\s*:|(?:text-align|float|clear)\s*:\s*(?:left|right)"
)
INSET = re.compile(r"(?<![\w-])(?:inset|margin|padding)\s*:([^;]*);")
ALLOWED = {"left: var(--x, 50%);"}  # a point in a picture, whatever the language


def rules(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def nested_has(text: str) -> list[str]:
    """Return each `:has()` that contains another one."""
    found = []
    for start in (match.end() for match in re.finditer(r":has\(", text)):
        depth, end = 1, start
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        if ":has(" in text[start:end]:
            found.append(text[start:end])
    return found


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_follow_the_direction_of_the_text(path: Path) -> None:
    text = rules(path)
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    assert PHYSICAL.findall(text) == []
    for value in INSET.findall(text):
        # Four values name the left and right edges; then they must be equal.
        parts = re.findall(r"(?:[^\s()]|\([^()]*\))+", value)
        assert len(parts) < 4 or parts[1] == parts[3], value


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_work_in_every_supported_browser(path: Path) -> None:
    text = rules(path)
    assert "light-dark(" not in text  # Chrome 123, Safari 17.5
    assert nested_has(text) == []  # invalid everywhere: the rule is dropped


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_work_in_every_supported_browser(path: Path) -> None:
    text = path.read_text()
    assert "AbortSignal.timeout" not in text  # Safari 16
    # Firefox 121
    assert not re.search(
        r"(?:querySelector(?:All)?|matches|closest)\([^)]*:has\(", text
    )


def test_no_arrival_makes_a_browser_match_all_entries_anew() -> None:
    """Such selectors are only where an entry is never tried against them."""
    text = rules(ENTRIES / "site.css")
    # Without scripting, nothing arrives.
    text = re.sub(
        r"@media[^{]*\(scripting: none\) {.*?\n}\n", "", text, flags=re.DOTALL
    )
    for selector in re.findall(r"[^{};]*:nth-[^{}]*(?={)", text):
        for one in selector.split(","):
            assert not re.search(r"(?:^|[\s>+~]):nth-", one.strip()), one
    assert not re.search(r"\.entry[^{},]*[+~]|[+~]\s*\.entry", text)


def test_no_arrival_makes_a_browser_search_all_entries_anew() -> None:
    """What a `:has()` is tried against contains few elements, or only its children."""
    text = rules(ENTRIES / "site.css")
    subjects = re.findall(
        r"(?:^|[\s>+~,])([\w.#*-]*)(?::not\()?:has\(\s*([^\s)])", text
    )
    assert ("header", ".") in subjects
    holders = r"[.#](?:story|column|timeline|updates|pinned)|(?!header)\w*"
    for subject, argument in subjects:
        assert argument in ">+~" or not re.fullmatch(holders, subject), subject
