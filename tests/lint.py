"""Linters and formatters for Python, templates, JavaScript and CSS."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SCRIPTS = "static/entries"  # static/vendor is not ours
LINT: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("djangofmt", "check", "templates"),
    ("djangofmt", "--check", "templates"),
    ("oxlint", "--deny-warnings", SCRIPTS),
    ("oxfmt", "--check", SCRIPTS),
)
FORMAT: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "--fix", "."),
    ("ruff", "format", "."),
    ("djangofmt", "check", "--fix", "templates"),
    ("djangofmt", "templates"),
    ("oxfmt", SCRIPTS),
)


def command(tool: tuple[str, ...]) -> list[str]:
    """Return a tool's command line, from the environment that runs the tests."""
    return [str(BIN / tool[0]), *tool[1:]]


def run(tools: tuple[tuple[str, ...], ...]) -> bool:
    """Run some tools in turn; return whether all succeeded."""
    codes = [subprocess.run(command(tool), cwd=ROOT).returncode for tool in tools]
    return not any(codes)
