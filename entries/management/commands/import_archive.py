"""The command `import_archive`: create stories from an archive of any system."""

import json
import time
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from entries.database import errors
from entries.exchange import ExchangeError, archives, report
from entries.exchange.archives import Status, StoryOutcome, What
from entries.exchange.archives.image_files import ArchiveImages
from entries.management.commands.import_story import date_option, folder_option
from entries.text import rendering

PROGRESS_SECONDS: Final = 2.0
STORY: Final = What("story", "stories")
UPDATE: Final = What("update", "updates")


class Command(BaseCommand):
    """Import the stories of an archive."""

    help = (
        "Import many stories from a file or a folder: exports of other systems, or our "
        "own text form and JSON. The format is recognized by the content. A "
        "story is imported once, so a run that was interrupted can be repeated, and "
        "goes on. What has no place here is counted, and listed by --json. Stories "
        "become drafts unless --publish is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.epilog = (
            "docs/archives.md says how to export from each system. Exit codes: 0 all "
            "stories are imported (or understood, with --dry-run), 1 some are not, 2 "
            "wrong usage."
        )
        add = parser.add_argument
        names = [each.name for each in archives.ARCHIVE_FORMATS]
        add("path", type=Path, metavar="PATH", help="a file, or a folder with files")
        add(
            "--from",
            dest="format",
            default="",
            choices=names,
            metavar="FORMAT",
            help=f"the format: {', '.join(names)}",
        )
        add("--series", default="", metavar="NAME", help="for all stories")
        add(
            "--images",
            type=folder_option,
            metavar="DIR",
            help=(
                "where the pictures are, in any folders below; those in PATH are found "
                "as well. Others are missing pictures, which readers do not see"
            ),
        )
        add(
            "--timezone",
            type=_parse_zone,
            metavar="ZONE",
            help="of times without one, for example Europe/London; else GMT",
        )
        add(
            "--date",
            type=date_option,
            metavar="YYYY-MM-DD",
            help="the first day of a story whose times have no date",
        )
        add(
            "--publish",
            action="store_true",
            help="publish the stories, in the state they had",
        )
        add("--dry-run", action="store_true", help="only read; write nothing")
        add("--json", action="store_true", help="report each story as JSON")
        add(
            "--processes",
            type=int,
            default=0,
            metavar="N",
            help="that render texts; by default as many as there are processors",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the archive; report expected failures in one sentence."""
        try:
            self.run(options)
        except ExchangeError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sentence = "Stopped. Run the command again, and it goes on where it was."
            raise CommandError(sentence, returncode=130) from None
        except DatabaseError as error:
            if sentence := errors.command_message(error):
                raise CommandError(sentence) from error
            raise

    def run(self, options: dict[str, Any]) -> None:
        """Import the archive. Raises CommandError if a story failed."""
        archive = archives.open_archive(options["path"], options["format"])
        roots = [path for path in (options["path"], options["images"]) if path]
        images = ArchiveImages(path for path in roots if path.is_dir())
        outcomes = archives.import_archive(
            archive,
            archives.ArchiveOptions(
                time_zone=options["timezone"],
                day=options["date"],
                folder=images.by_name,
            ),
            archives.ImportSettings(
                publish=options["publish"],
                series=rendering.one_line(options["series"]),
                dry_run=options["dry_run"],
                images=images,
                processes=options["processes"],
            ),
        )
        self.report(outcomes, _Progress(self, archive, options), options["json"])

    def report(
        self, outcomes: Iterable[StoryOutcome], progress: "_Progress", as_json: bool
    ) -> None:
        """Print what becomes of each story, and a summary."""
        tally: Counter[Status] = Counter()
        others: list[dict[str, Any]] = []
        comma = ""
        if as_json:
            self.stdout.write('{"stories": [', ending="")
        for outcome in outcomes:
            tally[outcome.status] += 1
            if not as_json:
                self.print_outcome(outcome)
            elif outcome.status == Status.LEFT_OUT:
                others.append(_other_content(outcome))
            else:
                self.stdout.write(f"{comma}\n{_json(_data(outcome))}", ending="")
                comma = ","
            progress.advance(outcome)
        del tally[Status.LEFT_OUT]
        if as_json:
            counts = {status.name.lower(): tally[status] for status in Status}
            end = f'"left_out": {_json(others)}, "counts": {_json(counts)}'
            self.stdout.write(f"\n], {end}}}")
        done = ", ".join(f"{tally[s]:,} {s}" for s in Status if tally[s])
        self.stderr.write(f"{STORY.counted(tally.total())}: {done or 'none'}.")
        if failed := tally[Status.FAILED]:
            raise CommandError(
                f"{failed:,} not imported: correct what their messages say, and run "
                "the command again. It leaves out what is imported."
            )

    def print_outcome(self, outcome: StoryOutcome) -> None:
        """Print what became of a story, with its warnings on standard error."""
        for warning in outcome.warnings:
            self.stderr.write(self.style.WARNING(f"{outcome.name}: {warning}"))
        if outcome.error:
            self.stderr.write(self.style.ERROR(f"{outcome.name}: {outcome.error}"))
            return
        things = [what.counted(number) for what, number in outcome.counts.items()]
        if outcome.status == Status.LEFT_OUT:
            self.stdout.write(
                f"{outcome.name}, beside its stories: {', '.join(things)}"
            )
            return
        left_out = f" Left out: {', '.join(things)}." if things else ""
        count = len(outcome.document.updates) if outcome.document else 0
        updates = UPDATE.counted(count)
        url = f" {_url(outcome)}" if outcome.story else ""
        self.stdout.write(
            f"“{outcome.name}”, {updates}: {outcome.status}.{left_out}{url}"
        )


class _Progress:
    """Reports on standard error how many stories are done, and the time left."""

    def __init__(
        self, command: Command, archive: archives.Archive, options: dict[str, Any]
    ) -> None:
        self.command, self.total = command, archive.count() + len(archive.refused)
        self.silent = not options["verbosity"]
        self.done = self.quick = 0
        self.began = self.reported = time.monotonic()

    def advance(self, outcome: StoryOutcome) -> None:
        """Count a story; from time to time, report."""
        self.done += 1
        # Those that are known already take no time, and say nothing about the others.
        self.quick += outcome.status in (Status.BEFORE, Status.FAILED)
        now = time.monotonic()
        if self.silent or now - self.reported < PROGRESS_SECONDS:
            return
        self.reported = now
        total = max(self.total, self.done)
        slow = max(self.done - self.quick, 1)
        left = (now - self.began) / slow * (total - self.done)
        self.command.stderr.write(
            f"  {self.done:,} of {STORY.counted(total)}, {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _data(outcome: StoryOutcome) -> dict[str, Any]:
    document, story = outcome.document, outcome.story
    understood = report(document) if document else {}
    return understood | {
        "warnings": outcome.warnings,
        "headline": outcome.name,
        "status": outcome.status.value,
        "format": outcome.format,
        "key": outcome.key,
        "slug": story.slug if story else None,
        "story": story.pk if story else None,
        "url": _url(outcome) if story else None,
        "state": story.state if story else None,
        "left_out": _left_out(outcome),
        "error": outcome.error or None,
    }


def _other_content(outcome: StoryOutcome) -> dict[str, Any]:
    data = {"file": outcome.name, "format": outcome.format}
    return data | {"left_out": _left_out(outcome)}


def _left_out(outcome: StoryOutcome) -> list[dict[str, Any]]:
    texts: dict[What, list[str]] = {}
    for each in outcome.left_out:
        texts.setdefault(each.what, []).append(each.text)
    return [
        {"what": what.noun(len(each)), "count": len(each), "texts": each}
        for what, each in texts.items()
    ]


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1)


def _url(outcome: StoryOutcome) -> str:
    path = outcome.story.get_absolute_url() if outcome.story else ""
    return f"{settings.SITE_URL}{path}"


def _parse_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:
        raise ArgumentTypeError(
            f"“{text}” is not a time zone like Europe/London"
        ) from error
