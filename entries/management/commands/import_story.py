"""The command `import_story`: create a story from a file."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.urls import reverse

from entries import exchange
from entries.database import errors
from entries.exchange import (
    Document,
    ExchangeError,
    ImageFolder,
    ImportOptions,
    Loaded,
)
from entries.models import Entry, Image, Story
from entries.text import gmt, rendering
from entries.verbs import Refused

PROGRESS_EVERY = {"entries": 100, "pictures": 10}
MAX_NAMES = 10  # in a list


class Command(BaseCommand):
    """Import a story from text or JSON."""

    help = (
        "Import a story: a text in the form of a running story (PHOTO, LATEST, "
        "FEATURE, UPDATE 1800 GMT:, ORIGINAL ENTRY:, headed sections), or JSON that "
        "export_story wrote. Nothing in the file is dropped: what is not understood "
        "stays in the text, with a warning that gives its line number. Times in other "
        "zones (1100 BST, 9:10 pm CET) are converted to GMT, and an update whose time "
        "is missing or impossible becomes a draft at its neighbour's time. The "
        "story becomes a draft unless --publish is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.epilog = (
            "A text may also have what export_story writes: lines HEADLINE:, SERIES:, "
            "DATE: 2026-03-14, STATE: closed 2026-03-14 1804 GMT, LANGUAGE:, "
            "STANDFIRST: and SUMMARY: at its top; "
            "HEADLINE: and BYLINE: right below a stamp; and MARKUP: Markdown where its "
            "entries are not plain prose. "
            "Exit codes: 0 imported (or understood, with --dry-run), 1 not possible, "
            "2 wrong usage, 3 this very file was imported before."
        )
        add = parser.add_argument
        add("file", type=Path, metavar="FILE", help="text (any encoding) or JSON")
        add("--headline", default="", help="instead of the one in the file")
        add("--slug", default="", help="the story's address; else from the headline")
        add("--series", default="", metavar="NAME", help="made if there is none")
        add(
            "--date",
            type=date_option,
            metavar="YYYY-MM-DD",
            help=(
                "the story's first day, that of its earliest updates; without it the "
                "latest that leaves nothing in the future"
            ),
        )
        add(
            "--images",
            type=folder_option,
            metavar="DIR",
            help=(
                "where the named pictures are (any case, with or without extension); "
                "photo.*, lead.* or <slug>.* is the lead picture. Others are missing "
                "pictures: the desk shows their names, readers nothing"
            ),
        )
        add(
            "--publish",
            action="store_true",
            help=(
                "publish the story in the state that the file gives. If it gives none, "
                "the story is closed if its last update is more than a day old, and "
                "else live"
            ),
        )
        add(
            "--state",
            default="",
            choices=["draft", "live", "closed", "withdrawn"],
            help=(
                "instead of the one in the file; all but draft publish the story. It "
                "is closed as of its last update, unless the file says when it ended"
            ),
        )
        add("--again", action="store_true", help="also if it was imported before")
        add(
            "--dry-run",
            action="store_true",
            help="say what was understood; write nothing",
        )
        add("--json", action="store_true", help="say it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the file; report expected failures in one sentence."""
        try:
            self.run(options)
        except (ExchangeError, Refused) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            if sentence := errors.command_message(error):
                raise CommandError(sentence) from error
            raise

    def run(self, options: dict[str, Any]) -> None:
        """Import the file, or report on it. Raises ExchangeError and Refused."""
        if options["publish"] and options["state"] == Story.State.DRAFT:
            message = "--publish and --state draft contradict each other: give one."
            raise CommandError(message, returncode=2)
        content = exchange.read_file(options["file"])
        import_options = ImportOptions(
            headline=rendering.one_line(options["headline"]),
            slug=options["slug"],
            series=rendering.one_line(options["series"]),
            publish=options["publish"],
            state=options["state"],
            folder=ImageFolder(options["images"]),
        )
        name = options["file"].name
        if not options["dry_run"] and not options["again"]:
            _check_not_imported(content)
        document = exchange.read_document(
            content, name, import_options, options["date"]
        )
        # In JSON, the data says the same as most of them.
        notes = [*(() if options["json"] else document.notes), document.state_note]
        for note in filter(None, notes):
            self.stderr.write(note)
        if options["dry_run"]:
            self.report(document, import_options, options["json"])
            return
        loaded = exchange.load(
            document, import_options, self.progress(options["verbosity"])
        )
        warnings = [*document.warnings, *loaded.remarks]
        if options["json"]:
            story = loaded.story
            ended = story.closed_at and story.closed_at.isoformat()
            data = exchange.report(document) | {
                "slug": story.slug,
                "story": story.pk,
                "state": story.state,
                "closed_at": ended,
            }
            data["warnings"] = list(map(str, sorted(set(warnings))))
            self.print_json(data)
        else:
            self.print_warnings(warnings)
            self.print_loaded(loaded)

    def progress(self, verbosity: int) -> exchange.Progress:
        """Return a function that prints the progress of a long import."""

        def report(done: int, total: int, what: str) -> None:
            every = PROGRESS_EVERY[what]
            if verbosity and total > every and (done % every == 0 or done == total):
                self.stderr.write(f"  {done:,} of {total:,} {what}")

        return report

    def print_json(self, data: dict[str, Any]) -> None:
        """Print data as JSON."""
        self.stdout.write(json.dumps(data, ensure_ascii=False, indent=2))

    def print_warnings(self, warnings: Iterable[object]) -> None:
        """Print warnings to standard error, by line."""
        for warning in sorted(set(map(str, warnings)), key=_line_number):
            self.stderr.write(self.style.WARNING(warning))

    def report(
        self, document: Document, import_options: ImportOptions, as_json: bool
    ) -> None:
        """Print what was understood of the file."""
        problems = exchange.too_long(document)
        if as_json:
            data = exchange.report(document)
            data["warnings"] += map(str, problems)
            self.print_json(data)
            return
        self.print_warnings([*document.warnings, *problems])
        for line in _summary(document, import_options):
            self.stdout.write(line)

    def print_loaded(self, loaded: Loaded) -> None:
        """Print the outcome, missing images, and the URLs of the story."""
        story = loaded.story
        entries = story.entries.count()
        self.stdout.write(
            self.style.SUCCESS(
                f"Imported “{story.headline}” with {entries:,} "
                f"{'entry' if entries == 1 else 'entries'}; it is "
                f"{_state(story.state, story.closed_at)}."
            )
        )
        missing = Image.objects.filter(entries__story=story, stem="").distinct()
        names = sorted(missing.values_list("name", flat=True))
        if story.lead_image and story.lead_image.missing:
            names.append(story.lead_image.name)
        if names:
            more = (
                f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
            )
            self.stdout.write(f"Missing pictures: {', '.join(names[:MAX_NAMES])}{more}")
        desk = reverse("admin:entries_story_change", args=[story.pk])
        for path in (story.get_absolute_url(), desk):
            self.stdout.write(f"{settings.SITE_URL}{path}")


def _check_not_imported(content: bytes) -> None:
    if story := exchange.imported_before(content):
        raise CommandError(
            f"This file was imported before, as “{story.headline}”: "
            f"{settings.SITE_URL}{story.get_absolute_url()} (--again makes another).",
            returncode=3,
        )


def _summary(document: Document, import_options: ImportOptions) -> Iterable[str]:
    """Yield lines that summarize a document for an editor."""
    yield f"Headline: {import_options.headline or document.headline}"
    published = import_options.publishes(document)
    state = document.state if published else Story.State.DRAFT
    yield f"It will be {_state(state, document.closed_at)}."
    if series := import_options.series or document.series:
        yield f"Series: {series}"
    if document.photo:
        yield f"Photo: {document.photo}"
    for title in document.latest:
        yield f"Latest: {title}"
    for feature in document.features:
        yield f"{feature.label}: {feature.text or feature.title}"
    updates = document.updates
    for update in updates:
        first = next(iter(exchange.texts(update.items)), "")
        stamp = f"{update.at:%Y-%m-%d %H%M} GMT" if update.at else "No time"
        draft = " (draft)" if update.state == Entry.State.DRAFT else ""
        yield f"{stamp}{draft}: {_shorten(first)}"
    original = next(iter(exchange.texts(document.original.items)), "")
    if document.original.items:
        yield f"Original entry: {_shorten(original)}"
    for item in document.original.items:
        if item.kind == exchange.Kind.HEADING:
            yield f"  Section: {item.text}"
    count = len(document.warnings)
    yield f"{len(updates)} updates, {count} warning{'' if count == 1 else 's'}."


def _state(state: str, closed_at: datetime | None) -> str:
    if state == Story.State.DRAFT:
        return "a draft"
    if state == Story.State.CLOSED and closed_at:
        return f"closed, ended {gmt.format_full(closed_at)}"
    return str(state)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:69]}…"


def _line_number(warning: str) -> tuple[int, str]:
    number = warning.removeprefix("line ").partition(":")[0]
    return (int(number) if number.isdigit() else 0, warning)


def date_option(text: str) -> date:
    """Parse the value of an option: a date."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is not a date like 2026-03-14") from error
    if not 1900 <= day.year < 2200:
        raise ArgumentTypeError(f"“{text}” is not a date between 1900 and 2199")
    return day


def folder_option(text: str) -> Path:
    """Parse the value of an option: a folder."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"“{text}” is not a folder")
    return path
