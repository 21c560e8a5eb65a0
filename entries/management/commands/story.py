"""The command `story`: change the state of a story from a script."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from entries import verbs
from entries.database import errors
from entries.models import Story
from entries.text import gmt
from entries.verbs import Refused

State = Story.State


class _Action(NamedTuple):
    """What an action leads to, which states it starts from, and what does it."""

    states: tuple[str, ...]
    origins: tuple[str, ...]
    run: Callable[[Story, dict[str, Any]], object]
    takes: str = ""  # options


def _close(story: Story, options: dict[str, Any]) -> None:
    successor = options["continues_in"]
    verbs.close_story(story, successor and _story(successor), options["at"])


_ACTIONS: Final = {
    "live": _Action(
        (State.LIVE,),
        Story.UNPUBLISHED,
        lambda story, options: verbs.go_live(story, options["at"]),
        "at",
    ),
    "close": _Action((State.CLOSED,), (State.LIVE,), _close, "at continues_in"),
    "reopen": _Action(
        (State.LIVE,), (State.CLOSED,), lambda story, _: verbs.reopen_story(story)
    ),
    "withdraw": _Action(
        (State.WITHDRAWN,), Story.PUBLIC, lambda story, _: verbs.withdraw_story(story)
    ),
    "restore": _Action(
        Story.PUBLIC, (State.WITHDRAWN,), lambda story, _: verbs.restore_story(story)
    ),
}
_NO_CHANGE: Final = 3


class Command(BaseCommand):
    """Change the state of a story: go live, close, reopen, withdraw, restore."""

    help = (
        "Change the state of a story, as the desk does. live: publish a draft or an "
        "announced story. close: end a live one. reopen: make a closed one live again. "
        "withdraw: its pages say that it was withdrawn. restore: put a withdrawn one "
        "back as it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.epilog = (
            "Exit codes: 0 done, 1 not possible, 2 wrong usage, 3 it was so already."
        )
        add = parser.add_argument
        add("slug", metavar="SLUG", help="one the story has or had")
        add("action", choices=_ACTIONS)
        add(
            "--at",
            type=_parse_time,
            metavar="TIME",
            help=(
                "when it began (live) or ended (close), in GMT: 2016-12-20T18:04. "
                "Without it now; for an imported story whose last update is more than "
                "a day old, the time of its first or last update"
            ),
        )
        add(
            "--continues-in",
            metavar="SLUG",
            help="the story that coverage continues in (close)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Change the state; report expected failures in one sentence."""
        action: _Action = _ACTIONS[options["action"]]
        for name in ("at", "continues_in"):
            if options[name] and name not in action.takes.split():
                option = name.replace("_", "-")
                message = f"--{option} says nothing for {options['action']}."
                raise CommandError(message, returncode=2)
        story = _story(options["slug"])
        _check(story, action, options)
        try:
            action.run(story, options)
        except Refused as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            if sentence := errors.command_message(error):
                raise CommandError(sentence) from error
            raise
        self.stdout.write(self.style.SUCCESS(f"“{story.headline}” is {_state(story)}."))


def _story(slug: str) -> Story:
    story = Story.objects.by_slug(slug)
    if story is None:
        raise CommandError(f"There is no story “{slug}”.")
    return story


def _check(story: Story, action: _Action, options: dict[str, Any]) -> None:
    """Raise CommandError if a story is in that state already, or the action is not its.

    The verb checks again under its locks.
    """
    if story.state in action.states:
        message = f"“{story.headline}” is {_state(story)} already."
        raise CommandError(message, returncode=_NO_CHANGE)
    if story.state not in action.origins:
        possible = [
            name for name, one in _ACTIONS.items() if story.state in one.origins
        ]
        raise CommandError(
            f"“{story.headline}” is {_state(story)}. Possible: {', '.join(possible)}."
        )
    began, at = story.live_at, options["at"]
    if at and began and options["action"] == "close" and at < began:
        raise CommandError(
            f"“{story.headline}” began {gmt.format_full(began)}. Give a later --at."
        )


def _state(story: Story) -> str:
    if story.state == State.DRAFT:
        return "a draft"
    if story.state == State.CLOSED and story.closed_at:
        return f"closed, ended {gmt.format_full(story.closed_at)}"
    return str(story.state)


def _parse_time(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
        at = given.replace(tzinfo=given.tzinfo or UTC).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        example = "2016-12-20T18:04"
        raise ArgumentTypeError(f"“{text}” is not a time like {example}") from error
    if at.year < 1900:
        raise ArgumentTypeError(f"“{text}” is before 1900")
    if at > timezone.now():
        raise ArgumentTypeError(f"“{text}” is in the future")
    return at
