"""Verbs for stories: create, edit, announce, go live, close, withdraw, delete."""

from collections.abc import Callable, Collection, Container, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import F, Max, Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext

from entries.models import (
    Entry,
    Image,
    Posting,
    QuietRule,
    Series,
    Story,
    StorySlug,
    StoryVersion,
)
from entries.models.fields import max_length
from entries.pages import fragments
from entries.text import gmt, languages, rendering, urls
from entries.verbs.conditions import check_still_image, checked_language
from entries.verbs.ledger import (
    Ledger,
    Refused,
    StaleRead,
    act_on_due,
    open_ledger,
)
from entries.verbs.permissions import SYSTEM, Permissions
from entries.verbs.references import (
    change_successor_heads,
    change_with_references,
    entries_in,
    update_references,
)

State = Story.State
MAX_SLUG_LENGTH = max_length(Story, "slug")
ARCHIVED_AFTER = timedelta(days=1)  # without updates, an imported story is over
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


class StoryConflict(Refused):
    """Somebody else has changed the headline, standfirst or summary meanwhile."""


def create_story(
    headline: str,
    *,
    slug: str = "",
    key: UUID | None = None,
    imported: bool = False,
    by: Permissions = SYSTEM,
    **fields: Any,
) -> Story:
    """Create a draft story; without a slug, one is derived from the headline.

    Without a language, it has that of its series or of the site.

    Raises Refused if the headline is empty or another story has, or had, the slug, and
    IntegrityError if the form identified by `key` has created a story before.
    """
    with open_ledger():
        by.check_has("add_story")
        if not fields.get("language"):
            fields["language"] = Series.language_of(fields.get("series"))
        story = Story(headline=headline, key=key, imported=imported)
        _assign(story, fields)
        story.slug = slug or free_slug(headline, language=story.language)
        _check_slug(story)
        story.save()
        StorySlug.objects.create(slug=story.slug, story=story)
    return story


def free_slug(headline: str, taken: Collection[str] = (), language: str = "") -> str:
    """Return a slug for a headline, with a number if a story has, or had, it.

    `taken` are slugs that must not be used either.
    """
    base = urls.slug(headline, language=language) or "story"
    alike = StorySlug.objects.filter(slug__startswith=base)
    taken = {*taken, *alike.values_list("slug", flat=True)}
    return urls.free_name(base, taken.__contains__)


def slug_errors() -> dict[str, str]:
    """Return what to tell editors about a slug, by the code of its fault."""
    rule = gettext("Use small letters, digits and hyphens, %(number)s at most.")
    return {
        "invalid": rule % {"number": MAX_SLUG_LENGTH},
        "unique": gettext("Another story has, or had, this slug: choose another."),
    }


def _check_slug(story: Story) -> None:
    if slugify(story.slug)[:MAX_SLUG_LENGTH] != story.slug:
        raise Refused(slug_errors()["invalid"], "slug")
    if StorySlug.objects.filter(slug=story.slug).exclude(story=story.pk).exists():
        raise Refused(slug_errors()["unique"], "slug")


def _assign(story: Story, fields: dict[str, Any]) -> None:
    if unknown := set(fields) - EDITABLE:
        raise TypeError(f"not a field of a story's head: {min(unknown)}")
    if fields.get("language", story.language) != story.language:
        fields = fields | {"language": checked_language(fields["language"])}
    for name, value in fields.items():
        setattr(story, name, value)
    check_still_image(story.lead_image, "lead_image")
    if not rendering.one_line(story.headline):
        raise Refused(gettext("Give the story a headline."), "headline")
    try:
        story.summary_html = fragments.summary_html(story.summary, story.language)
    except rendering.BodyError as error:
        raise Refused(str(error), "summary") from error


def edit_story(
    story: Story,
    *,
    slug: str | None = None,
    version: int | None = None,
    author: User | None = None,
    restored: StoryVersion | None = None,
    expected: Mapping[str, Any] | None = None,
    by: Permissions = SYSTEM,
    **fields: Any,
) -> Story:
    """Change the head of a story, and rerender every reference to it.

    Old slugs redirect to the new one. The previous text is saved as a version.
    `version` is the one the editor has read, None to skip the check; `restored` is an
    earlier version to restore. `expected` are the values of fields without versions
    that the editor has read.

    Raises Refused for an invalid value, StoryConflict if the text has changed since
    `version`.
    """

    def act(ledger: Ledger) -> None:
        by.check_has("change_story")
        before = _head_values(story)
        if restored:
            fields.update(_earlier_text(restored))
        if version is not None and story.version != version:
            _check_story_version(story, version, before, fields)
        typed = fields if slug is None else {"slug": slug, **fields}
        _check_expected(before, expected or {}, typed)
        _assign(story, fields)
        if slug is not None and slug != story.slug:
            story.slug = slug
            _check_slug(story)
            _save_slug(story, before["slug"])
        after = _head_values(story)
        changed = {name for name in after if after[name] != before[name]}
        if not changed:
            return
        if story.lead_image:  # its caption must not change meanwhile
            for image in Image.objects.locked([story.lead_image.name]):
                check_still_image(image, "lead_image")
        if changed & set(StoryVersion.FIELDS):
            _save_version(story, before, author)
        story.save()
        _record_edit(ledger, story, changed, before["continues_in"])

    def rerenders_all() -> bool:
        saved = Story.objects.filter(pk=story.pk).values_list("language", flat=True)
        return fields.get("language", story.language) not in saved

    return change_with_references(
        story, act, fields.get("continues_in"), whole=rerenders_all
    )


def _check_expected(
    now: dict[str, Any], expected: Mapping[str, Any], fields: dict[str, Any]
) -> None:
    """Raise Refused if an edit would replace a value that its editor has not read."""
    for name, value in expected.items():
        if name in fields and now[name] not in (value, fields[name]):
            message = gettext(
                "A colleague changed this to “%(value)s” meanwhile. Save again to "
                "replace it."
            )
            raise Refused(message % {"value": now[name] or "–"}, name)


def _save_slug(story: Story, before: str) -> None:
    """Save a story's new slug; delete the old one if it was never public."""
    StorySlug.objects.get_or_create(slug=story.slug, story=story)
    if story.live_at is None and story.announced_at is None:
        StorySlug.objects.filter(slug=before, story=story).delete()


def _record_edit(
    ledger: Ledger, story: Story, changed: set[str], successor: Story | None
) -> None:
    """Record a changed head, and rerender the references to it.

    `successor` is the story that coverage continued in before.
    """
    # The summary of an announced story is as private as that of a draft.
    private = {"continues_in", *(["summary"] if story.announced else [])}
    if changed - private:
        ledger.head_changed(story)
    else:
        ledger.desk_changed(story)
    # For readers only if one of both is public, and not before coverage begins.
    if "continues_in" in changed and not story.announced:
        ends = [one for one in (successor, story.continues_in) if one]
        if any(one.public for one in ends):
            ledger.head_changed(story)
        if story.state == State.CLOSED:
            change_successor_heads(ledger, {one.pk for one in ends})
    if "language" in changed:
        ledger.reindex_entries(story)
    if changed & {"first_day", "slug"}:
        _save_own_postings(ledger, story)
    if changed & {
        "first_day",
        "headline",
        "language",
        "lead_image",
        "series",
        "slug",
    }:
        # All its texts have labels in its language.
        own = entries_in(story) if "language" in changed else ()
        update_references(ledger, [story], own)


def _earlier_text(version: StoryVersion) -> dict[str, str]:
    """Return the fields of a version, read under the lock."""
    found = StoryVersion.objects.filter(pk=version.pk, erased=False)
    fields: dict[str, str] | None = found.values(*StoryVersion.FIELDS).first()
    if fields is None:
        raise Refused(gettext("These earlier words have been erased."))
    return fields


def _check_story_version(
    story: Story, version: int, now: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Raise StoryConflict if an edit would overwrite somebody else's text.

    A text that is still as it was in `version`, which the editor has read, is theirs
    to change.
    """
    found = StoryVersion.objects.filter(story=story, number=version, erased=False)
    read = found.values(*StoryVersion.FIELDS).first() or {}
    if any(
        fields[name] != now[name] and read.get(name) != now[name]
        for name in set(StoryVersion.FIELDS) & set(fields)
    ):
        raise StoryConflict(
            gettext(
                "Somebody else has changed the headline, standfirst or summary "
                "meanwhile. Compare, and save again to replace their version."
            )
        )


def _save_version(story: Story, before: dict[str, Any], author: User | None) -> None:
    fields = {name: before[name] for name in StoryVersion.FIELDS}
    StoryVersion.objects.create(
        story=story, number=story.version, changed_by=author, **fields
    )
    story.version += 1


def _head_values(story: Story) -> dict[str, Any]:
    return {name: getattr(story, name) for name in (*EDITABLE, "slug")}


def announce(
    story: Story, begins_at: datetime | None, *, by: Permissions = SYSTEM
) -> Story:
    """Announce a draft story: readers see its head, and when coverage begins.

    Nothing else of it is visible until it goes live, at that time or when an editor
    decides. For an announced story the time is changed.

    Raises Refused without a time in the future, and for a story that was live before.
    """

    def act(ledger: Ledger) -> None:
        by.check_has("change_story")
        if story.state not in Story.UNPUBLISHED:
            raise Refused(
                gettext("Only a draft story can be announced. This one is %(state)s.")
                % {"state": languages.in_sentence(story.get_state_display())}
            )
        if begins_at is None:
            raise Refused(gettext("Enter when coverage begins."), "begins")
        begins, now = gmt.whole_minute(begins_at), timezone.now()
        if begins <= now:
            raise Refused(
                gettext(
                    "Coverage must begin in the future. To start now, press Go live."
                ),
                "begins",
            )
        if story.announced and story.begins_at == begins:
            return
        story.begins_at = begins
        story.announced_at = story.announced_at or now
        story.state = State.ANNOUNCED
        story.save()
        ledger.head_changed(story)
        ledger.desk_changed(story)
        update_references(ledger, [story])

    return change_with_references(story, act)


def go_live(
    story: Story, at: datetime | None = None, *, by: Permissions = SYSTEM
) -> Story:
    """Make a draft or announced story live, with everything published in it.

    `at` is when its coverage began, for imports. An imported story whose last update is
    old began with its first one.
    """
    return _go_live(story, at, by)


def _go_live(
    story: Story,
    at: datetime | None,
    by: Permissions,
    due: Callable[[Story], bool] = lambda story: True,
) -> Story:
    def act(ledger: Ledger) -> None:
        by.check_has("change_story")
        if story.state not in Story.UNPUBLISHED:
            raise Refused(gettext("Only a draft story can go live."))
        if not due(story):
            raise Refused(gettext("The time has been changed."))
        began = at or _archived_span(story)[0]
        story.state = State.LIVE
        story.live_at = began or timezone.now()
        story.first_day = story.first_day or _first_day(story)
        story.save()
        ledger.head_changed(story)
        ledger.save_postings(_published(story), backdated=bool(began))
        if began:  # what an import brings was written then
            story.active_at = None
            ledger.note_activity(story, _latest(story, began))
        else:
            ledger.note_activity(story)
        update_references(ledger, [story])

    return change_with_references(story, act)


def _latest(story: Story, at: datetime) -> datetime:
    """Return when the newest text was written, for imports."""
    newest: datetime | None = _published(story).aggregate(at=Max("entry__at"))["at"]
    return min(timezone.now(), max(at, newest or at))


def _archived_span(story: Story) -> tuple[datetime | None, datetime | None]:
    """Return the first and last time of an imported story whose last update is old."""
    if not story.imported:
        return None, None
    times = _published(story).order_by().aggregate(first=Min("at"), last=Max("at"))
    first, last = times["first"], times["last"]
    old = last and last < timezone.now() - ARCHIVED_AFTER
    return (first, last) if old else (None, None)


def due_stories() -> QuerySet[Story]:
    """Return the announced stories whose coverage begins now, by the database."""
    return Story.objects.announced().filter(begins_at__lte=Now())


def begin_due_stories() -> int:
    """Make announced stories live whose coverage begins now; return how many."""
    return act_on_due(due_stories(), _begin)


def _begin(story: Story) -> Story:
    return _go_live(story, None, SYSTEM, _is_due)


def _is_due(story: Story) -> bool:
    return due_stories().filter(pk=story.pk).exists()


def _published(story: Story) -> QuerySet[Posting]:
    return (
        story.postings.published()
        .select_related("entry__story__series")
        .order_by(F("entry__at").asc(nulls_first=True), "entry_id")
    )


def _first_day(story: Story) -> date:
    first = _published(story).aggregate(at=Min("entry__at"))["at"]
    return (first or timezone.now()).astimezone(UTC).date()


def close_story(
    story: Story,
    continues_in: Story | None = None,
    at: datetime | None = None,
    *,
    alone: bool = False,
    by: Permissions = SYSTEM,
) -> Story:
    """Close a live story; `continues_in` is the story that coverage continues in.

    Without it, the story chosen before is kept, unless `alone`. `at` is when the story
    was closed, for imports. An imported story whose last update is old ended with it.
    """

    def successor(story: Story) -> Story | None:
        return None if alone else continues_in or story.continues_in

    return _set_state(story, by, (State.LIVE,), State.CLOSED, successor, at)


def reopen_story(story: Story, *, by: Permissions = SYSTEM) -> Story:
    """Make a closed story live again."""
    return _set_state(story, by, (State.CLOSED,), State.LIVE)


def withdraw_story(story: Story, *, by: Permissions = SYSTEM) -> Story:
    """Withdraw a story, so that each of its URLs responds with 410 Gone."""
    return _set_state(story, by, Story.PUBLIC, State.WITHDRAWN)


def restore_story(story: Story, *, by: Permissions = SYSTEM) -> Story:
    """Restore a withdrawn story to its previous state: announced, live or closed."""
    return _set_state(story, by, (State.WITHDRAWN,), "")


def was_ever_visible(story: Story) -> bool:
    """Return whether a story, or any of its entries, was ever visible."""
    numbered = Posting.objects.filter(entry__story=story).exclude(seq=None)
    seen = story.live_at is not None or story.announced_at is not None
    return seen or numbered.exists()


def keep_live(story: Story, *, by: Permissions = SYSTEM) -> Story:
    """Restart the quiet time of a live story, which keeps it live without updates."""
    with open_ledger(story.pk) as ledger:
        locked = ledger.story(story.pk)
        story.__dict__.update(locked.__dict__)
        ledger.stories[story.pk] = story
        by.check_has("change_story")
        if story.state != State.LIVE:
            raise Refused(gettext("Only a live story can be kept live."))
        ledger.note_activity(story)
    return story


def quiet_stories() -> list[Story]:
    """Return the live stories that must be shown as quiet, or need a reminder."""
    now = timezone.now()
    # An hour is the least that a rule may say; the rules themselves are read below.
    silent = Story.objects.live().filter(quiet_since=None)
    silent = silent.filter(active_at__lte=now - timedelta(hours=1))
    found = silent.select_related("series")
    return [s for s in found if _is_quiet(s, now) or _needs_reminder(s, now)]


def _silence(story: Story, now: datetime) -> timedelta:
    """Return how long a live story has had no updates."""
    return now - (story.active_at or story.live_at or now)


def _is_quiet(story: Story, now: datetime) -> bool:
    running = story.state == State.LIVE and not story.quiet_since
    return running and _silence(story, now) >= QuietRule.of(story.series).end


def _needs_reminder(story: Story, now: datetime) -> bool:
    remind = QuietRule.of(story.series).remind
    running = story.state == State.LIVE and not story.reminded_at
    return running and remind is not None and _silence(story, now) >= remind


def mark_quiet_stories() -> int:
    """Apply the rules for stories without updates; return how many have changed.

    Editors are reminded first. Later readers see since when there were no updates, or
    the story is closed.
    """
    return act_on_due(quiet_stories(), _mark_quiet)


def _mark_quiet(story: Story) -> bool:
    now = timezone.now()
    if _is_quiet(story, now) and QuietRule.of(story.series).closes:
        is_due = partial(_is_quiet, now=now)
        _set_state(story, SYSTEM, (State.LIVE,), State.CLOSED, due=is_due)
        return True
    with open_ledger(story.pk) as ledger:
        locked = ledger.story(story.pk)
        before = (locked.reminded_at, locked.quiet_since)
        if _needs_reminder(locked, now):
            locked.reminded_at = now
        if _is_quiet(locked, now) and not QuietRule.of(locked.series).closes:
            locked.quiet_since = locked.newest_at or locked.live_at or now
            ledger.head_changed(locked)
        if before == (locked.reminded_at, locked.quiet_since):
            return False
        locked.save(update_fields=["reminded_at", "quiet_since"])
        ledger.desk_changed(locked)
    return True


def delete_story(story: Story, *, by: Permissions = SYSTEM) -> None:
    """Delete a story that was never visible.

    Links to it become unresolved if they have a title. Others are deleted, since they
    would show a headline that was never public. Raises Refused for a story that was
    visible, which can be withdrawn instead.
    """

    def act(ledger: Ledger) -> None:
        by.check_has("delete_story")
        if was_ever_visible(story):
            raise Refused(gettext("Readers have seen it: withdraw it instead."))
        links = story.linked_from.all()
        entries = Entry.objects.filter(links__in=links)
        ids = set(entries.values_list("pk", flat=True)) | entries_in(story)
        if ids - ledger.entries:
            raise StaleRead
        links.filter(title="").delete()
        story.delete()

    change_with_references(story, act, whole=lambda: True)


def _set_state(
    story: Story,
    by: Permissions,
    origins: Container[str],
    state: str,
    successor: Callable[[Story], Story | None] = lambda story: story.continues_in,
    at: datetime | None = None,
    due: Callable[[Story], bool] = lambda story: True,
) -> Story:
    """Set a story's state; an empty `state` is the one before its withdrawal."""

    def act(ledger: Ledger) -> None:
        by.check_has("change_story")
        if story.state not in origins or not due(story):
            name = languages.in_sentence(story.get_state_display())
            raise Refused(gettext("This story is %(state)s.") % {"state": name})
        before, successors = story.public, {story.continues_in_id}
        story.state = state or _state_before_withdrawal(story)
        story.quiet_since = story.reminded_at = None
        if story.state == State.CLOSED:
            ended = at or _archived_span(story)[1] or timezone.now()
            story.closed_at = story.closed_at or ended
            story.continues_in = successor(story)
            if story.continues_in:  # refuse if it has been deleted meanwhile
                ledger.story(story.continues_in.pk)
        elif story.state == State.LIVE:
            story.closed_at = None
            ledger.note_activity(story)
        story.save()
        ledger.head_changed(story)
        change_successor_heads(ledger, successors | {story.continues_in_id})
        if story.public == before:
            ledger.site_changed()  # references in other stories do not change
        else:
            _update_visibility(ledger, story)
            update_references(ledger, [story])

    return change_with_references(story, act, successor(story))


def _state_before_withdrawal(story: Story) -> str:
    if story.closed_at:
        return State.CLOSED
    return State.LIVE if story.live_at else State.ANNOUNCED


def _update_visibility(ledger: Ledger, story: Story) -> None:
    """Make the postings of a story visible or invisible, like the story.

    Postings that become visible get new numbers: some never had one, and a page that
    was rendered while the story was being withdrawn lacks them.
    """
    if story.begun:
        ledger.save_postings(_published(story))
    else:
        ledger.hide_postings(story)


def _save_own_postings(ledger: Ledger, story: Story) -> None:
    own = story.postings.exclude(seq=None).select_related("entry__story__series")
    ledger.save_postings(own.order_by("entry__at", "entry_id"))
