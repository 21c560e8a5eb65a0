"""The layers: which module may import which, and that names are defined once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From the bottom up, as README's map and the folders of `entries/` show them. A module
# imports from the layers below it; packages of one layer do not know each other.
LAYERS: tuple[set[str], ...] = (
    {"text", "images", "database"},
    {"models"},
    {"pages"},
    {"delivery"},
    {"verbs"},
    {"exchange", "operations"},
    {"public"},
    {"desk"},
    {"admin", "demo", "templatetags"},
    {"management", "apps"},
)
LAYER = {name: layer for layer, names in enumerate(LAYERS) for name in names}
# Packages whose `__init__` is their public interface: others import only that.
INTERFACES = ("delivery", "verbs")
# Imported in one module, so that there is one place to look.
KEPT_TO = {
    "bleach": {"text/rendering"},
    "nh3": {"text/rendering"},
    "PIL": {"images/ingest", "images/metadata"},
    "pi_heif": {"images/ingest"},
}


def modules(package: str = "entries") -> list[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    return [path for path in files if "migrations" not in path.parts]


def package_of(path: Path) -> str:
    """Return the package a file belongs to: `entries/admin/lists.py` is `admin`."""
    return path.relative_to(ROOT / "entries").parts[0].removesuffix(".py")


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
    """Return the packages of `entries` that a file imports, its own left out."""
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("entries.")}
    return ours - {package_of(path)}


def test_every_package_has_its_layer():
    packages = {package_of(path) for path in modules()} - {"__init__"}
    assert packages == set(LAYER), "give it a row in LAYERS, and in README's map"


def test_readme_shows_the_same_layers():
    readme = (ROOT / "README.md").read_text().split("## Where things are")[1]
    rows = [line for line in readme.splitlines() if line.startswith("| ")]
    shown = {
        name.strip("`/"): int(number)
        for number, names in (row.split("|")[1:3] for row in rows)
        if number.strip().isdigit()
        for name in names.split()
    }
    assert shown == {name: layer + 1 for name, layer in LAYER.items()}


def test_a_module_imports_only_from_the_layers_below():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        for name in sorted(neighbours(path))
        if LAYER.get(name, len(LAYERS)) >= LAYER.get(package_of(path), 0)
    ]
    assert wrong == []


def test_no_module_imports_the_project():
    wrong = [
        path
        for path in modules()
        if any(name.split(".")[0] == "liveblog" for name in imports(path))
    ]
    assert wrong == []


@pytest.mark.parametrize("package", INTERFACES)
def test_a_package_is_used_through_its_interface(package: str):
    stems = {path.stem for path in modules() if package_of(path) == package}
    inside = tuple(f"entries.{package}.{stem}." for stem in stems - {"__init__"})
    for path in (*modules(), *modules("liveblog")):
        if package in path.parts:
            continue
        past = {name for name in imports(path) if f"{name}.".startswith(inside)}
        assert not past, path


def test_cleaners_and_image_decoders_are_used_in_one_place():
    for path in modules():
        name = str(path.relative_to(ROOT / "entries").with_suffix(""))
        for package in {name.split(".")[0] for name in imports(path)} & set(KEPT_TO):
            assert name in KEPT_TO[package], path
