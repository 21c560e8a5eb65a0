"""The verbs that change a story's head and state."""

from collections.abc import Callable, Container
from datetime import UTC, date, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F, Min, Q, QuerySet
from django.utils import timezone
from django.utils.text import slugify

from entries import rendering
from entries.ledger import Ledger, Refused, changing
from entries.models import Entry, Image, Posting, Story, StorySlug, StoryVersion

State = Story.State
EDITABLE = frozenset(
    {
        "headline",
        "series",
        "standfirst",
        "summary",
        "language",
        "lead_image",
        "first_day",
        "continues_in",
    }
)


class Changed(Refused):
    """Somebody else has changed the words of the story's head meanwhile."""


def create_story(headline: str, *, slug: str = "", **fields: Any) -> Story:
    """Make a draft story; without `slug` one is made from the headline.

    Raises Refused where the headline is empty or the slug is, or was, another
    story's.
    """
    if not headline.strip():
        raise Refused("Give the story a headline.", "headline")
    with changing():
        story = Story(headline=headline.strip())
        _assign(story, fields)
        story.slug = slug or _free_slug(headline)
        _check_slug(story)
        story.save()
        StorySlug.objects.create(slug=story.slug, story=story)
    return story


def _free_slug(headline: str) -> str:
    base = slugify(headline)[:100].strip("-") or "story"
    taken = set(
        StorySlug.objects.filter(slug__startswith=base).values_list("slug", flat=True)
    )
    number, slug = 1, base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _check_slug(story: Story) -> None:
    if slugify(story.slug) != story.slug:
        raise Refused("Use small letters, digits and hyphens.", "slug")
    if StorySlug.objects.filter(slug=story.slug).exclude(story=story.pk).exists():
        raise Refused("Another story has, or had, this slug: choose another.", "slug")


def _assign(story: Story, fields: dict[str, Any]) -> None:
    if unknown := set(fields) - EDITABLE:
        raise TypeError(f"not a field of a story's head: {min(unknown)}")
    for name, value in fields.items():
        setattr(story, name, value)
    if not story.headline.strip():
        raise Refused("Give the story a headline.", "headline")
    try:
        story.summary_html = rendering.render(story.summary)
    except rendering.BodyError as error:
        raise Refused(str(error), "summary") from error


def edit_story(
    story: Story,
    *,
    slug: str | None = None,
    version: int | None = None,
    author: User | None = None,
    **fields: Any,
) -> Story:
    """Change the head of a story, and every line elsewhere that names it.

    An old slug goes on leading here; the words before are kept as a version.
    `version` is the one the editor began from, None where nobody read it before.

    Raises Refused for a value that cannot stand, Changed where another came between.
    """

    def act(ledger: Ledger) -> None:
        before = _values(story)
        if version is not None and story.version != version:
            _check_words(before, fields)
        _assign(story, fields)
        if slug is not None and slug != story.slug:
            story.slug = slug
            _check_slug(story)
            StorySlug.objects.get_or_create(slug=slug, story=story)
        after = _values(story)
        changed = {name for name in after if after[name] != before[name]}
        if not changed:
            return
        if story.lead_image:  # its caption and this head take turns
            list(Image.objects.held([story.lead_image.name]))
        if changed & set(StoryVersion.WORDS):
            _keep_version(story, before, author)
        story.save()
        ledger.head(story)
        if changed & {"first_day", "slug"}:
            _post_own(ledger, story)
        if changed & {"headline", "series", "slug"}:
            _tell_others(ledger, story)

    return _restate(story, act)


def _check_words(now: dict[str, Any], fields: dict[str, Any]) -> None:
    """Let those pass who would leave the words as somebody else has made them."""
    if any(name in fields and fields[name] != now[name] for name in StoryVersion.WORDS):
        raise Changed(
            "Somebody else has changed the headline, standfirst or summary meanwhile. "
            "Compare, and save again: what is written here then stands."
        )


def _keep_version(story: Story, before: dict[str, Any], author: User | None) -> None:
    words = {name: before[name] for name in StoryVersion.WORDS}
    StoryVersion.objects.create(
        story=story, number=story.version, changed_by=author, **words
    )
    story.version += 1


def _values(story: Story) -> dict[str, Any]:
    return {name: getattr(story, name) for name in (*EDITABLE, "slug")}


def go_live(story: Story, at: datetime | None = None) -> Story:
    """Show a draft story to readers, with all that is published in it.

    `at` is when its coverage began, for stories that come from elsewhere.
    """

    def act(ledger: Ledger) -> None:
        if story.state != State.DRAFT:
            raise Refused("Only a draft story can go live.")
        story.state = State.LIVE
        story.live_at = at or timezone.now()
        story.first_day = story.first_day or _first_day(story)
        story.save()
        ledger.head(story)
        for posting in _published(story):
            ledger.post(posting)
        _tell_others(ledger, story)

    return _restate(story, act)


def _published(story: Story) -> QuerySet[Posting]:
    return (
        story.postings.visible()
        .select_related("entry__story__series")
        .order_by(F("entry__at").asc(nulls_first=True), "entry_id")
    )


def _first_day(story: Story) -> date:
    first = _published(story).aggregate(at=Min("entry__at"))["at"]
    return (first or timezone.now()).astimezone(UTC).date()


def close(
    story: Story, continues_in: Story | None = None, at: datetime | None = None
) -> Story:
    """End a live story; `continues_in` is where its coverage goes on.

    `at` is when it ended, for stories that come from elsewhere.
    """
    return _turn(story, (State.LIVE,), State.CLOSED, continues_in, at)


def reopen(story: Story) -> Story:
    """Let a closed story run again."""
    return _turn(story, (State.CLOSED,), State.LIVE)


def withdraw_story(story: Story) -> Story:
    """Take a whole story away: every address of it answers that it is gone."""
    return _turn(story, Story.PUBLIC, State.WITHDRAWN)


def restore_story(story: Story) -> Story:
    """Bring a withdrawn story back, as it was: live or closed."""
    return _turn(story, (State.WITHDRAWN,), "")


def touch(story: Story) -> Story:
    """Tell readers that what a story shows of other rows (its series) changed."""

    def act(ledger: Ledger) -> None:
        ledger.head(story)
        _tell_others(ledger, story)

    return _restate(story, act)


def _turn(
    story: Story,
    origins: Container[str],
    state: str,
    continues_in: Story | None = None,
    at: datetime | None = None,
) -> Story:
    """Turn a story to a state; empty means what it was before its withdrawal."""

    def act(ledger: Ledger) -> None:
        if story.state not in origins:
            raise Refused(f"This story is {story.state}.")
        before = story.public
        story.state = state or (State.CLOSED if story.closed_at else State.LIVE)
        if story.state == State.CLOSED:
            story.closed_at = story.closed_at or at or timezone.now()
            story.continues_in = continues_in or story.continues_in
        elif story.state == State.LIVE:
            story.closed_at = None
        story.save()
        ledger.head(story)
        if story.public == before:
            ledger.site()  # lines elsewhere read as they did
        else:
            _tell_others(ledger, story)

    return _restate(story, act)


class _Moved(Exception):
    """A line that names the story was added before all locks were held."""


def _restate(story: Story, act: Callable[[Ledger], None]) -> Story:
    """Act on a story under its lock and those of whatever names it.

    The story is refreshed in place first. Who names it is read before the locks
    can be taken in their order; if that changed meanwhile, all begins again.
    """
    while True:
        try:
            stories = {story.pk, *_leading_to(story)}
            with changing(*stories, entries=_naming(story)) as ledger:
                story.__dict__.update(ledger.story(story.pk).__dict__)
                ledger.stories[story.pk] = story
                act(ledger)
        except _Moved:
            continue
        return story


def _naming(story: Story) -> set[int]:
    """Return the entries whose HTML, in whatever story, names this one."""
    elsewhere = Posting.objects.filter(
        Q(entry__links__target_story=story)
        | Q(entry__story=story) & ~Q(story=story)
        | Q(entry__postings__story=story) & ~Q(story=story)
    )
    return set(elsewhere.values_list("entry_id", flat=True))


def _leading_to(story: Story) -> set[int]:
    """Return the ended stories whose coverage continues in this one."""
    return set(story.continues.values_list("pk", flat=True))


def _post_own(ledger: Ledger, story: Story) -> None:
    own = story.postings.exclude(seq=None).select_related("entry__story__series")
    for posting in own.order_by("entry__at", "entry_id"):
        ledger.post(posting)


def _tell_others(ledger: Ledger, story: Story) -> None:
    """Draw anew what names the story elsewhere, and every rail."""
    ledger.site()
    naming, leading = _naming(story), _leading_to(story)
    if naming - ledger.entries or leading - set(ledger.stories):
        raise _Moved
    for entry in Entry.objects.filter(pk__in=naming).order_by("pk"):
        ledger.redraw(entry)
    for pk in sorted(leading):
        ledger.head(ledger.story(pk))
