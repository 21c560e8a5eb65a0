"""Verbs for links: add, save, order and remove them; features begin and end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import Exists, F, Max, OuterRef, Q
from django.utils.translation import gettext

from entries.models import Entry, Link, Posting, Story
from entries.models.links import LinkQuerySet
from entries.pages import fragments
from entries.text import rendering
from entries.verbs.conditions import check_not_erased, check_still_image
from entries.verbs.ledger import Ledger, Refused, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions

_LinkState = tuple[Any, ...]  # the id of a link's entry or None, and what readers see
_validate_url = URLValidator(schemes=["http", "https"])


class LinkConflict(Refused):
    """Somebody else has changed the link meanwhile; `link` is their version."""

    def __init__(self, link: Link) -> None:
        super().__init__(
            gettext(
                "Somebody else has changed it to “%(link)s” meanwhile. Compare, and "
                "save again to replace their version."
            )
            % {"link": link}
        )
        self.link = link


def add_link(
    kind: str, *, story: Story | None = None, entry: Entry | None = None, **fields: Any
) -> Link:
    """Add a link to a story, to an entry, or (neither) to the site itself.

    `fields` are at most one of `target_story`, `target_series`, `target_url`; `title`,
    `label`, `order`; and for a feature also `image`, `starts_at`, `ends_at`.
    """
    return save_link(Link(kind=kind, story=story, entry=entry, **fields))


def check_link(link: Link) -> None:
    """Raise Refused for a link without title and target, or with invalid values."""
    check_still_image(link.image, "image")
    if link.unresolved and not rendering.one_line(link.title):
        raise Refused(gettext("Give the link a title or a target."), "title")
    if (link.starts_at or link.ends_at) and link.kind != Link.Kind.FEATURE:
        raise Refused(gettext("Only a feature begins and ends."), "starts_at")
    if link.starts_at and link.ends_at and link.starts_at >= link.ends_at:
        raise Refused(gettext("It would end before it begins."), "ends_at")
    if link.target_url:
        try:
            _validate_url(link.target_url)
            Link._meta.get_field("target_url").run_validators(link.target_url)
        except ValidationError as error:
            raise Refused(
                gettext(
                    "Write the whole address, like https://news.example/page, in 500 "
                    "characters at most."
                ),
                "target_url",
            ) from error


def save_link(
    link: Link,
    *,
    fingerprint: str | None = None,
    placed: bool = False,
    line: bool = False,
    by: Permissions = SYSTEM,
) -> Link:
    """Save a new or changed link, and rerender whatever shows it.

    `fingerprint` is the one that the editor has read, None to skip the check. A changed
    order is only saved with `placed`. With `line`, the link is refused unless the text
    of its entry still has its "See" line; permission to change the text is enough.

    Raises Refused for an invalid or deleted link and for an erased entry, LinkConflict
    if somebody else has changed the link meanwhile.
    """
    check_link(link)

    def act() -> None:
        _check_may(
            link, by, "change_link", *([] if link.pk else ["add_link"]), line=line
        )
        if link.entry:
            check_not_erased(link.entry)
        if line and not _text_has_line(link):
            raise Refused(gettext("The text has no such line any more."))
        if link.pk:
            order = _check_fingerprint(link, fingerprint).order
            link.order = link.order if placed else order
        link.active = True
        link.save()
        if _toggle_due(Link.objects.filter(pk=link.pk)):
            link.active = False

    _apply(link, act)
    return link


def _check_may(link: Link, by: Permissions, *codenames: str, line: bool) -> None:
    """Raise Forbidden unless a person may change a link, or the text with its line."""
    if line and link.entry:
        by.check_link_lines(link.entry)
    else:
        by.check_has(*codenames)


def _text_has_line(link: Link) -> bool:
    """Return whether the text of a link's locked entry has its "See" line."""
    return bool(link.entry and link.text in fragments.see_titles(link.entry.body))


def _check_fingerprint(link: Link, fingerprint: str | None) -> Link:
    """Lock and return the saved link. Raises LinkConflict if it has changed."""
    saved = Link.objects.select_for_update().filter(pk=link.pk).first()
    if saved is None:
        raise Refused(gettext("Somebody else has removed this link."))
    known = (fingerprint, link.fingerprint)
    if fingerprint is not None and saved.fingerprint not in known:
        raise LinkConflict(saved)
    return saved


def add_link_both_ways(link: Link, *, by: Permissions = SYSTEM) -> Link | None:
    """Add a link and, unless it exists, a link back, which is returned.

    The link back has the same kind (but next for previous, and vice versa). It leads to
    the story that the link is in, or to the story of its entry.
    """
    home = link.entry.story if link.entry else link.story
    other = link.target_story
    if home is None or other is None or link.kind not in Link.REVERSE_KINDS:
        raise Refused(gettext("This kind of target cannot have a link back."), "both")
    back = Link(kind=Link.REVERSE_KINDS[link.kind], story=other, target_story=home)
    # Lock the stories of both links now, in the order that all verbs use.
    with open_ledger(home.pk, other.pk, entry=link.entry):
        save_link(link, by=by)
        same = other.links.filter(kind=back.kind, target_story=home)
        if same.exists():
            return None
        back.order = next_order(other.links.filter(kind=back.kind))
        return save_link(back, by=by)


def next_order(links: LinkQuerySet) -> int:
    """Return the order for a new link after these."""
    last = links.aggregate(last=Max("order"))["last"]
    return 0 if last is None else last + 1


def order_links(
    links: Sequence[Link],
    *,
    was: Sequence[int] | None = None,
    by: Permissions = SYSTEM,
) -> None:
    """Save the order of links of one kind in one place.

    With `was`, the ids in the order that the editor has read, this is refused if
    somebody else has changed that. Links added after them, or removed, do not count.
    """
    entry = links[0].entry if links else None
    ids = [link.pk for link in links]
    with open_ledger(*_stories_around(links), entry=entry) as ledger:
        by.check_has("change_link")
        before = visible_link_states(ids, lock=True)
        if links and was is not None:
            _check_order(links[0], was)
        for number, pk in enumerate(ids):
            Link.objects.filter(pk=pk).update(order=number)
        _record_changes(
            ledger, [entry] if entry else [], before ^ visible_link_states(ids)
        )


def _check_order(link: Link, was: Sequence[int]) -> None:
    """Raise Refused unless the links like this one are in the order that was read."""
    same = Link.objects.filter(story=link.story_id, entry=link.entry_id, kind=link.kind)
    now = list(same.values_list("pk", flat=True))
    known = [pk for pk in was if pk in now]
    if now[: len(known)] != known:
        raise Refused(gettext("Somebody else has changed the order since."))


def remove_link(link: Link, *, line: bool = False, by: Permissions = SYSTEM) -> None:
    """Remove a link; its "See" line becomes plain text.

    With `line`, this is refused if the text of its entry still has that line.
    """

    def act() -> None:
        _check_may(link, by, "change_link", "delete_link", line=line)
        if line and _text_has_line(link):
            raise Refused(gettext("The text has this line again."))
        link.delete()

    _apply(link, act)


def remove_links(
    links: Iterable[Link],
    *,
    fingerprints: Mapping[int, str] | None = None,
    by: Permissions = SYSTEM,
) -> None:
    """Remove several links in one transaction.

    `fingerprints` are those that the editor has read, by the ids of the links. Raises
    Refused if somebody else has changed one of these since.
    """
    links = sorted(links, key=lambda link: link.pk)  # the order of all locks
    ids = [link.pk for link in links]
    entries = {link.entry_id for link in links if link.entry_id}
    with open_ledger(*_stories_around(links), entries=entries) as ledger:
        by.check_has("delete_link")
        before = visible_link_states(ids, lock=True)
        read = fingerprints or {}
        for saved in Link.objects.filter(pk__in=read):
            if saved.fingerprint != read[saved.pk]:
                raise Refused(gettext("Somebody else has changed this link since."))
        for link in links:
            link.delete()
        found = Entry.objects.filter(pk__in=ledger.entries).order_by("pk")
        _record_changes(ledger, found, before)


def _apply(link: Link, act: Callable[[], None]) -> None:
    """Take the locks for a link, call `act`, and rerender whatever shows the link."""
    saved = list(Link.objects.filter(pk=link.pk))
    with open_ledger(*_stories_around([link, *saved]), entry=link.entry) as ledger:
        before = visible_link_states([one.pk for one in saved], lock=True)
        act()
        now = visible_link_states([link.pk] if link.pk else [])
        _record_changes(ledger, [link.entry] if link.entry else [], before ^ now)


def _stories_around(links: Iterable[Link]) -> set[int]:
    """Return the ids of the stories to lock with links: their own and their targets.

    A locked target cannot be renamed or go live in the meantime.
    """
    ends = (pk for link in links for pk in (link.story_id, link.target_story_id))
    return {pk for pk in ends if pk}


def visible_link_states(ids: Sequence[int], *, lock: bool = False) -> set[_LinkState]:
    """Return what readers see of links, each with the id of its entry.

    With `lock`, lock the rows first, in the order that all verbs use.
    """
    if lock:
        list(Link.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    public = Q(story__state__in=Story.BEGUN)  # an announced story shows no links
    visible = Exists(Posting.objects.visible().filter(entry=OuterRef("entry")))
    found = Link.objects.filter(
        public | visible | Q(story=None, entry=None), pk__in=ids
    )
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
    """Rerender the entries of changed links; other changes concern the whole site."""
    rendered = {entry.pk for entry in entries if ledger.rerender_entry(entry)}
    if any(entry_id not in rendered for entry_id, *_ in changed):
        ledger.site_changed()  # the rail, or data that entries do not show


def _toggle_due(links: LinkQuerySet) -> int:
    """Begin or end the links that are due; return how many."""
    return links.due().update(active=~F("active"))


def toggle_due_features() -> int:
    """Begin and end the features that are due; return how many.

    Several processes may run this at once: the second finds no rows left to change.
    """
    due = list(Link.objects.due())
    if not due:
        return 0
    ids = [link.pk for link in due]
    with open_ledger(*_stories_around(due)) as ledger:
        before = visible_link_states(ids, lock=True)
        done = _toggle_due(Link.objects.filter(pk__in=ids))
        _record_changes(ledger, [], before ^ visible_link_states(ids))
    return done
