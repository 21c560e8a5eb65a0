"""Run the linters, Django's checks, and the test suite on both databases.

`python -m tests [--all] [pytest arguments]` provides what the suite needs: Chromium,
Firefox, WebKit, and PostgreSQL in a temporary folder. `--all` runs every random seed.
`python -m tests --lint` only runs the linters, and `--format` rewrites the files.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import engines, lint
from tests.browser import NAMES, runs
from tests.servers import environment, postgres

ROOT = Path(__file__).resolve().parent.parent
INSTALL_TIMEOUT_SECONDS = 600
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("manage.py", "check"),
    ("manage.py", "makemigrations", "--check", "--dry-run"),
)
# Tests that use no database, and those that use both, run in the first pass only.
SECOND_PASS = (
    *("-m", "not pure and not servers", "--postgres"),
    *("--dist", "worksteal"),
)
NOTHING_COLLECTED = 5
# More workers than processors, since tests often wait for servers and browsers.
WORKERS = ("-n", str((os.cpu_count() or 1) + 2))
# Tests of a module run in one worker, since they share servers and a browser.
FIRST_PASS = ("--dist", "loadscope", "--no-loadscope-reorder")


def say(words: str) -> None:
    """Print a line, flushed so that it precedes the output of the next step."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def can_run(path: str) -> bool:
    """Return whether a browser starts."""
    found = path and shutil.which(path)
    return bool(found) and runs([str(found), "--version"])


def playwright_chromium() -> str:
    """Return the path of playwright's browser, whether or not it is installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def find_chromium() -> str:
    """Return the path of a Chromium that starts; empty if there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        if can_run(name):
            return str(shutil.which(name))
    own = playwright_chromium()
    return own if can_run(own) else ""


def install_chromium() -> None:
    """Try to install Chromium, with playwright or else with apt."""
    say("No Chromium found: installing one.")
    attempt([sys.executable, "-m", "playwright", "install", "chromium"])
    if not find_chromium():
        install(["chromium"])


def install(packages: Sequence[str]) -> None:
    """Try to install packages of Debian or Ubuntu."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return
    attempt(["apt-get", "update", "--quiet"])
    attempt(["apt-get", "install", "--yes", "--quiet", *packages])


def attempt(command: Sequence[str]) -> None:
    """Run a command, and ignore its failure."""
    try:
        subprocess.run(
            command, timeout=INSTALL_TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"{' '.join(command)}: {error}")


def chromium() -> str:
    """Return the path of Chromium, installing it if necessary; exit if that fails."""
    if not (path := find_chromium()):
        install_chromium()
        path = find_chromium()
    if not path:
        sys.exit(
            "The tests need Chromium, and it could not be installed. Install the "
            "package “chromium” (or Google Chrome), or run `playwright install "
            "--with-deps chromium`, or name a browser in CHROMIUM; then try again."
        )
    return path


def other_engines() -> None:
    """Install what Firefox and WebKit need; exit if that fails."""
    if packages := engines.missing():
        say(f"Installing Firefox and WebKit: {' '.join(packages)}")
        install(packages)
        install(["chromium-headless-shell"])  # Debian has it, and it is the fastest
    if packages := engines.missing():
        sys.exit(
            "The tests need Firefox and WebKitGTK, and they could not be installed. "
            f"Install these packages: {' '.join(packages)} (or name a Firefox in "
            "FIREFOX); then try again."
        )


def step(name: str, command: Sequence[str], env: dict[str, str]) -> bool:
    """Run a command, print its outcome, and return whether it succeeded."""
    say(f"\n== {name}")
    began = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=env).returncode
    ok = code in (0, NOTHING_COLLECTED) if "pytest" in command else code == 0
    word = "done" if ok else f"FAILED with exit code {code}"
    say(f"== {name}: {word} in {time.monotonic() - began:.0f} s")
    return ok


def run(arguments: list[str], folder: Path) -> list[str]:
    """Run all steps, and return the names of those that failed."""
    pytest = [sys.executable, "-m", "pytest", *WORKERS]
    with postgres(folder / "postgres") as url:
        env = os.environ | environment(folder / "data")
        other_engines()
        env |= {"CHROMIUM": chromium(), "TEST_POSTGRES_URL": url}
        steps = {" ".join(tool): lint.command(tool) for tool in lint.LINT} | {
            " ".join(command): [sys.executable, *command] for command in COMMANDS
        }
        failed = [name for name in steps if not step(name, steps[name], env)]
        for name, options in (("SQLite", FIRST_PASS), ("PostgreSQL", SECOND_PASS)):
            suite = f"the suite on {name}"
            cache = folder / name
            options = (*options, "-o", f"cache_dir={cache}")
            if not step(suite, [*pytest, *arguments, *options], env):
                failed.append("\n  ".join([suite, *failed_tests(cache)]))
    return failed


def failed_tests(cache: Path) -> list[str]:
    """Return the names of the tests that failed, from pytest's cache."""
    path = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(path.read_text())) if path.exists() else []


def main() -> None:
    """Run everything, and exit with 1 if any step failed."""
    arguments = sys.argv[1:]
    if arguments in (["--lint"], ["--format"]):
        tools = lint.LINT if arguments == ["--lint"] else lint.FORMAT
        sys.exit(0 if lint.run(tools) else 1)
    if "--all" in arguments:
        arguments.remove("--all")
        os.environ["TEST_ALL_SEEDS"] = "1"
    # Hundreds of processes would compile the same files again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", "")
    with TemporaryDirectory(prefix="liveblog-tests-") as folder:
        failed = run(arguments, Path(folder))
    if failed:
        sys.exit("\nFAILED:\n" + "\n".join(failed))
    say("\nAll checks and tests passed.")


if __name__ == "__main__":
    main()
