"""The verbs that change links, and what readers are told of a picture."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import Exists, F, Max, OuterRef, Q

from entries.models import Entry, Link, Posting, Story
from entries.models.links import LinkQuerySet
from entries.pages import fragments
from entries.text import rendering
from entries.verbs.conditions import check_not_erased
from entries.verbs.ledger import Ledger, Refused, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions

_LinkState = tuple[Any, ...]  # the entry of a link, or None; and what is told of it
_validate_url = URLValidator(schemes=["http", "https"])
# What leads back from the other end of a link between two stories.
REVERSE_KINDS: Final[dict[str, str]] = {
    Link.Kind.SEE: Link.Kind.SEE,
    Link.Kind.LATEST: Link.Kind.LATEST,
    Link.Kind.PREVIOUS: Link.Kind.NEXT,
    Link.Kind.NEXT: Link.Kind.PREVIOUS,
}


class LinkConflict(Refused):
    """Somebody else has changed the link meanwhile; `link` is what it is now."""

    def __init__(self, link: Link) -> None:
        super().__init__(
            f"Somebody else has made it “{link}” meanwhile. Compare, and save again: "
            "what is written here then stands."
        )
        self.link = link


def add_link(
    kind: str, *, story: Story | None = None, entry: Entry | None = None, **fields: Any
) -> Link:
    """Add a link from a story, from an entry, or (neither) from the site itself.

    `fields`: one of `target_story`, `target_series`, `target_url`, or none yet;
    `title`, `label`, `order`; of a feature also `image`, `starts_at`, `ends_at`.
    """
    return save_link(Link(kind=kind, story=story, entry=entry, **fields))


def check_link(link: Link) -> None:
    """Raise Refused where a link says nothing, or its outside address is none."""
    if link.unresolved and not rendering.one_line(link.title):
        raise Refused("Give the link a title or a target.", "title")
    if (link.starts_at or link.ends_at) and link.kind != Link.Kind.FEATURE:
        raise Refused("Only a feature begins and ends.", "starts_at")
    if link.starts_at and link.ends_at and link.starts_at >= link.ends_at:
        raise Refused("It would end before it begins.", "ends_at")
    if link.target_url:
        try:
            _validate_url(link.target_url)
            Link._meta.get_field("target_url").run_validators(link.target_url)
        except ValidationError as error:
            raise Refused(
                "Write the whole address, like https://news.example/page, in 500 "
                "characters at most.",
                "target_url",
            ) from error


def save_link(
    link: Link,
    *,
    seen: str | None = None,
    placed: bool = False,
    line: bool = False,
    by: Permissions = SYSTEM,
) -> Link:
    """Save a new or changed link and tell the readers of whatever shows it.

    `seen` is the `Link.fingerprint` that its moderator had read, None where nobody had.
    Its place among others stays, unless it is `placed` too; a `line` is saved only
    while its entry's text has it. Raises Refused where `check_link` does, for a link
    that is gone and for one of a text that was erased, LinkConflict where another
    moderator came between.
    """
    check_link(link)

    def act() -> None:
        by.check_has("change_link", *([] if link.pk else ["add_link"]))
        if link.entry:
            check_not_erased(link.entry)
        if line and not _text_has_line(link):
            raise Refused("The text has no such line any more.")
        if link.pk:
            order = _compare(link, seen).order
            link.order = link.order if placed else order
        link.active = True
        link.save()
        if _toggle_due(Link.objects.filter(pk=link.pk)):
            link.active = False

    _apply(link, act)
    return link


def _text_has_line(link: Link) -> bool:
    """Whether the text of a link's entry, which is locked, has its line."""
    return bool(link.entry and link.text in fragments.see_titles(link.entry.body))


def _compare(link: Link, seen: str | None) -> Link:
    """Lock a link that is there, and return what has become of it."""
    now = Link.objects.select_for_update().filter(pk=link.pk).first()
    if now is None:
        raise Refused("Somebody else has removed this link.")
    if seen is not None and now.fingerprint not in (seen, link.fingerprint):
        raise LinkConflict(now)
    return now


def add_link_both_ways(link: Link, *, by: Permissions = SYSTEM) -> Link:
    """Add a link and the one that leads back, unless that is there.

    From a story a line leads back to another line of its kind, or to the next one
    from what was previous; from an entry it leads back to the entry's own story.
    """
    home = link.entry.story if link.entry else link.story
    other = link.target_story
    if home is None or other is None or link.kind not in REVERSE_KINDS:
        raise Refused("Nothing leads back from there.", "both")
    back = Link(kind=REVERSE_KINDS[link.kind], story=other, target_story=home)
    # Every story of both is locked before the first, in the order of all verbs.
    with open_ledger(home.pk, other.pk, entry=link.entry):
        save_link(link, by=by)
        same = other.links.filter(kind=back.kind, target_story=home)
        if not same.exists():
            back.order = next_order(other.links.filter(kind=back.kind))
            save_link(back, by=by)
    return link


def next_order(links: LinkQuerySet) -> int:
    """Return the order of one more of them."""
    last = links.aggregate(last=Max("order"))["last"]
    return 0 if last is None else last + 1


def order_links(links: Sequence[Link], *, by: Permissions = SYSTEM) -> None:
    """Give links of one place this order."""
    entry = links[0].entry if links else None
    ids = [link.pk for link in links]
    with open_ledger(*_stories_around(links), entry=entry) as ledger:
        by.check_has("change_link")
        before = visible_link_states(ids, hold=True)
        for number, pk in enumerate(ids):
            Link.objects.filter(pk=pk).update(order=number)
        _record_changes(
            ledger, [entry] if entry else [], before ^ visible_link_states(ids)
        )


def remove_link(link: Link, *, line: bool = False, by: Permissions = SYSTEM) -> None:
    """Remove a link; what stood in a text as its line is plain words again.

    A `line` is removed only where its entry's text has lost it.
    """

    def act() -> None:
        by.check_has("change_link", "delete_link")
        if line and _text_has_line(link):
            raise Refused("The text has this line again.")
        link.delete()

    _apply(link, act)


def remove_links(links: Iterable[Link], *, by: Permissions = SYSTEM) -> None:
    """Remove several links, under all their locks at once."""
    links = sorted(links, key=lambda link: link.pk)  # locked in this order by all
    ids = [link.pk for link in links]
    entries = {link.entry_id for link in links if link.entry_id}
    with open_ledger(*_stories_around(links), entries=entries) as ledger:
        by.check_has("delete_link")
        before = visible_link_states(ids, hold=True)
        for link in links:
            link.delete()
        found = Entry.objects.filter(pk__in=ledger.entries).order_by("pk")
        _record_changes(ledger, found, before)


def _apply(link: Link, act: Any) -> None:
    was = list(Link.objects.filter(pk=link.pk))
    with open_ledger(*_stories_around([link, *was]), entry=link.entry) as ledger:
        before = visible_link_states([one.pk for one in was], hold=True)
        act()
        now = visible_link_states([link.pk] if link.pk else [])
        _record_changes(ledger, [link.entry] if link.entry else [], before ^ now)


def _stories_around(links: Iterable[Link]) -> set[int]:
    """Return the stories to lock with links: where they stand, and lead.

    So a link and the renaming, or the going live, of either take turns.
    """
    ends = (pk for link in links for pk in (link.story_id, link.target_story_id))
    return {pk for pk in ends if pk}


def visible_link_states(ids: Sequence[int], *, hold: bool = False) -> set[_LinkState]:
    """Return what readers are told of links as they are now, each with its entry.

    Those that are there are locked for `hold`: in one order, by all who change some.
    """
    if hold:
        list(Link.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    public = Q(story__state__in=Story.PUBLIC)
    read = Exists(Posting.objects.visible().filter(entry=OuterRef("entry")))
    found = Link.objects.filter(public | read | Q(story=None, entry=None), pk__in=ids)
    return {
        (
            link.entry_id,
            (link.pk, link.kind, link.title, link.text, link.label, link.url),
            (link.order, link.image_id, link.starts_at, link.ends_at),
        )
        for link in found.visible().with_targets()
    }


def _record_changes(
    ledger: Ledger, entries: Iterable[Entry], changed: set[_LinkState]
) -> None:
    """Draw the entries anew whose lines changed; what shows no line moves the site."""
    redrawn = {entry.pk for entry in entries if ledger.rerender_entry(entry)}
    if any(entry_id not in redrawn for entry_id, *_ in changed):
        ledger.site_changed()  # a rail, or data that holds more than the lines do


def _toggle_due(links: LinkQuerySet) -> int:
    """Let those of the links begin or end whose time it is; return how many."""
    return links.due().update(active=~F("active"))


def toggle_due_features() -> int:
    """Let features begin and end, and move every rail; return how many did.

    Any number of processes may call it: whoever comes second finds the rows turned.
    """
    due = list(Link.objects.due())
    if not due:
        return 0
    ids = [link.pk for link in due]
    with open_ledger(*_stories_around(due)) as ledger:
        before = visible_link_states(ids, hold=True)
        done = _toggle_due(Link.objects.filter(pk__in=ids))
        _record_changes(ledger, [], before ^ visible_link_states(ids))
    return done
