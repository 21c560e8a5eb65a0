"""The vendored scripts are the files that the licence notes name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", re.M)


def listed() -> dict[str, str]:
    return dict(ROW.findall((VENDOR / "README.md").read_text()))


def test_vendored_scripts_and_the_list_match():
    assert set(listed()) == {path.name for path in VENDOR.glob("*.js*")}


def test_vendored_scripts_match_their_hashes():
    for name, digest in listed().items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_licences_are_beside_the_scripts():
    assert "Permission to use" in (VENDOR / "LICENSE-htmx").read_text()
    for name in ("text-expander", "emojilib"):
        licence = (VENDOR / f"LICENSE-{name}").read_text()
        assert "Permission is hereby granted, free of charge" in licence
