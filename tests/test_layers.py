"""The house as drawn: who may import whom, and how long a module may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# From the ground up. Whoever stands on one floor imports from those below it alone:
# siblings do not know each other.
FLOORS: tuple[set[str], ...] = (
    {"addresses", "clock", "embedded", "errors", "patience", "wiping"},
    {"dialect", "images", "timefield"},
    {"ingesting", "rendering"},
    {"models"},
    {
        "caching",
        "drawing",
        "history",
        "listing",
        "paging",
        "searching",
        "story_data",
        "structured_data",
    },
    {"parts"},
    {"delivery", "pages"},
    {"ledger"},
    {"conditions", "folders", "naming", "rights", "texts"},
    {"bulk", "erasing", "publishing", "stories", "linking"},
    {"backups", "exchange", "feeds", "sitemaps"},
    {"about", "admin", "checks", "demo", "probes", "templatetags", "views"},
    {"apps", "management", "urls"},
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
# Imported in one place, so that there is one place to look.
KEPT_TO = {"bleach": {"rendering"}, "nh3": {"rendering"}, "PIL": {"embedded", "images"}}


def modules(package: str = "entries") -> list[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    return [path for path in files if "migrations" not in path.parts]


def named(path: Path) -> str:
    """Return the noun a file belongs to: `entries/admin/forms.py` is `admin`."""
    first = path.relative_to(ROOT / "entries").parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Return the full names of all that a file imports, wherever in it."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def neighbours(path: Path) -> set[str]:
    """Return the nouns of `entries` that a file imports, its own left out."""
    ours = {name.split(".")[1] for name in imports(path) if name[:8] == "entries."}
    return ours - {named(path)}


def test_every_module_has_its_floor():
    nouns = {named(path) for path in modules()} - {"__init__"}
    assert nouns <= set(FLOOR), "give it a place in FLOORS, and in README's map"


def test_a_module_imports_from_the_floors_below_alone():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        for name in sorted(neighbours(path))
        if FLOOR.get(name, len(FLOORS)) >= FLOOR.get(named(path), 0)
    ]
    assert wrong == []


def test_nothing_below_knows_the_project_above():
    knowing = [
        path
        for path in modules()
        if any(name.split(".")[0] == "liveblog" for name in imports(path))
    ]
    assert knowing == []


def test_delivery_is_entered_through_its_door():
    """Its parts are its own: others import from `entries.delivery` itself."""
    parts = {path.stem for path in modules() if named(path) == "delivery"}
    inside = {f"entries.delivery.{part}" for part in parts - {"__init__"}}
    for path in (*modules(), *modules("liveblog")):
        if "delivery" in path.parts:
            continue
        past = {name for name in imports(path) if name.startswith(tuple(inside))}
        assert not past, path


def test_cleaners_and_picture_decoders_are_used_in_one_place():
    for path in modules():
        for package in {name.split(".")[0] for name in imports(path)} & set(KEPT_TO):
            assert named(path) in KEPT_TO[package], path
