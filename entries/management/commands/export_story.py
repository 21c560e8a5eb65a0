"""The command `export_story`: write a story to a file."""

import json
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from entries import exchange
from entries.database import errors
from entries.models import Story
from entries.operations import data_folder
from entries.pages.story_data import FullStoryData, story_data, story_images


class Command(BaseCommand):
    """Export a story as JSON, text or HTML."""

    help = (
        "Write a story to standard output, or to a file. json: all of it, drafts and "
        "earlier versions too, to be imported without loss; with --output its pictures "
        "are written into a folder beside the file, for import_story --images. text: "
        "what is published, in the form that import_story reads. html: what is "
        "published, as one page that needs no other file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.epilog = "Exit codes: 0 done, 1 not possible, 2 wrong usage."
        parser.add_argument(
            "slug", metavar="SLUG", nargs="?", help="one the story has or had"
        )
        parser.add_argument(
            "--format", choices=["json", "text", "html"], default="json"
        )
        parser.add_argument("--output", type=Path, metavar="FILE")
        parser.add_argument(
            "--schema",
            action="store_true",
            help="write the JSON Schema of the json format instead of a story",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the story to standard output or a file."""
        if options["schema"]:
            self.stdout.write(json.dumps(FullStoryData.model_json_schema(), indent=2))
            return
        if not options["slug"]:
            raise CommandError("Name the story by its slug.", returncode=2)
        story = _story(options["slug"])
        content = self.content(story, options["format"])
        output: Path | None = options["output"]
        if output is None:
            self.stdout.write(content, ending="")
            return
        try:
            if output.is_file() or not output.exists():
                data_folder.write_atomically(output.resolve(), content)
            else:  # a device or a pipe
                output.write_text(content, encoding="utf-8", newline="\n")
            if options["format"] == "json":
                self.write_images(story, output)
        except OSError as error:
            reason = errors.command_message(error) or f"{error.strerror or error}."
            raise CommandError(f"“{output}” cannot be written: {reason}") from error

    def content(self, story: Story, format_: str) -> str:
        """Return the story in one of the formats."""
        if format_ == "html":
            return exchange.story_html(story)
        if format_ == "json":
            data = story_data(story, public=False)
            return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        written = exchange.story_text(story)
        if written.notes:
            left = ", ".join(written.notes)
            self.stderr.write(f"The text has no place for: {left}. JSON keeps all.")
        return written.text

    def write_images(self, story: Story, output: Path) -> None:
        """Copy images (as JPEG) and recordings into a folder beside the file."""
        images = [image for image in story_images(story) if image.stem]
        if not images:
            return
        folder = output.with_name(f"{output.stem}-pictures")
        folder.mkdir(exist_ok=True)
        for image in images:
            source = settings.IMAGES_DIR / image.path
            target = folder / f"{image.name}{source.suffix}"
            try:
                shutil.copyfile(source, target)
            except OSError:
                target.unlink(missing_ok=True)
                raise
        self.stderr.write(f"{len(images)} pictures are in “{folder}”.")


def _story(slug: str) -> Story:
    story = Story.objects.select_related("series", "lead_image").by_slug(slug)
    if story is None:
        raise CommandError(f"There is no story “{slug}”.")
    return story
