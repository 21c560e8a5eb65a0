"""Permissions: what a user may do.

Views read `can_…` to decide which controls to show. Verbs call `check_…` once their
rows are locked. These checks reload the permissions, which the user may have lost since
the page was rendered.
"""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Q
from django.utils.translation import gettext, gettext_lazy

from entries.models import Entry, Story
from entries.verbs.ledger import Refused

NOT_ALLOWED: Final = gettext_lazy(
    "Your account may not do this. Ask the chief of the desk."
)
# What an editor has done with somebody's text: an update's, and an original entry's.
_WITHDRAWN: Final = (
    gettext_lazy("An editor has withdrawn this update. Ask an editor to change it."),
    gettext_lazy("An editor has withdrawn this text. Ask an editor to change it."),
)
_SCHEDULED: Final = (
    gettext_lazy("An editor has scheduled this update. Ask an editor to change it."),
    gettext_lazy("An editor has scheduled this text. Ask an editor to change it."),
)
_PUBLISHED: Final = (
    gettext_lazy("An editor has published this update. Ask an editor to change it."),
    gettext_lazy("An editor has published this text. Ask an editor to change it."),
)
State = Entry.State


class Forbidden(Refused):
    """The account does not have (or no longer has) the permission for a verb."""


def _require(allowed: bool, message: str = "") -> None:
    if not allowed:
        raise Forbidden(message or str(NOT_ALLOWED))


@dataclass(frozen=True)
class Permissions:
    """The permissions of a user, their own and those of their groups.

    `codenames` are those of this application. A superuser may do everything.
    """

    user: User
    codenames: frozenset[str]
    superuser: bool = False

    @classmethod
    def of(cls, user: User | AnonymousUser) -> "Permissions":
        """Return a user's permissions. Raises PermissionDenied if not signed in."""
        if isinstance(user, AnonymousUser):
            raise PermissionDenied
        superuser = user.is_active and user.is_superuser
        names = set() if superuser else user.get_all_permissions()
        split = (name.partition(".") for name in names)
        codenames = frozenset(code for app, _, code in split if app == "entries")
        return cls(user, codenames, superuser)

    def has(self, codename: str) -> bool:
        """Return whether they have a permission."""
        return self.superuser or codename in self.codenames

    @property
    def can_view_unpublished(self) -> bool:
        """Whether they may see drafts, submissions and scheduled or withdrawn texts."""
        return self.has("view_entry")

    @property
    def can_write(self) -> bool:
        """Whether they may write new entries."""
        return self.has("add_entry")

    @property
    def can_edit(self) -> bool:
        """Whether they may change entries that others wrote."""
        return self.has("change_entry")

    @property
    def can_publish(self) -> bool:
        """Whether they may publish without review by an editor."""
        return self.can_write and self.can_edit

    @property
    def can_edit_stories(self) -> bool:
        """Whether they may change a story's head and state."""
        return self.has("change_story")

    @property
    def can_upload(self) -> bool:
        """Whether they may add images."""
        return self.has("add_image")

    @property
    def can_cross_post(self) -> bool:
        """Whether they may place updates in other stories."""
        return self.has("change_posting")

    @property
    def can_edit_links(self) -> bool:
        """Whether they may change links."""
        return self.has("change_link")

    @property
    def can_erase(self) -> bool:
        """Whether they may erase texts for good, which no group grants."""
        return self.has("erase_entry")

    def owns(self, entry: Entry) -> bool:
        """Return whether it is their own text, not yet scheduled or published."""
        own = self.can_write and entry.author_id == self.user.pk
        return own and not entry.published_at and entry.state != State.SCHEDULED

    def can_change(self, entry: Entry) -> bool:
        """Return whether they may change the text of an entry."""
        return entry.erased_at is None and (self.can_edit or self.owns(entry))

    def can_see(self, entry: Entry, story: Story) -> bool:
        """Return whether they may see an entry in a story.

        A published entry of a story that has not begun, or was withdrawn, is as private
        as a draft.
        """
        visible = entry.published and story.begun
        wrote = self.user.pk in (entry.author_id, entry.taken_from_id)
        return visible or self.can_view_unpublished or bool(self.user.pk and wrote)

    def can_delete(self, entry: Entry) -> bool:
        """Return whether they may delete an entry, if it was never public."""
        return self.has("delete_entry") or self.can_change(entry)

    def can_take_over(self, entry: Entry) -> bool:
        """Return whether they may make a colleague's draft their own."""
        mine = entry.author_id == self.user.pk
        return self.can_publish and entry.state == State.DRAFT and not mine

    def reload(self) -> "Permissions":
        """Return their current permissions: none, if the account was deactivated."""
        user = User.objects.filter(pk=self.user.pk, is_active=True, is_staff=True)
        held = Permission.objects.filter(
            Q(Exists(user.filter(is_superuser=True)))
            | Q(pk__in=user.values("user_permissions"))
            | Q(pk__in=user.values("groups__permissions")),
            content_type__app_label="entries",
        )
        codenames = held.values_list("codename", flat=True)
        return Permissions(self.user, frozenset(codenames))

    def check_has(self, *codenames: str) -> None:
        """Raise Forbidden unless they have one of these permissions now."""
        _require(any(map(self.reload().has, codenames)))

    def check_chief(self) -> None:
        """Raise Forbidden unless they are now the chief of the desk: a superuser."""
        chiefs = User.objects.filter(is_active=True, is_staff=True, is_superuser=True)
        _require(chiefs.filter(pk=self.user.pk).exists())

    def check_post(self, state: str) -> None:
        """Raise Forbidden unless they may now add an entry in a state."""
        now = self.reload()
        direct = state in (State.PUBLISHED, State.SCHEDULED)
        _require(now.can_publish if direct else now.can_write)

    def check_publish(self) -> None:
        """Raise Forbidden unless they may now publish what others wrote."""
        _require(self.reload().can_publish)

    def check_edit(self) -> None:
        """Raise Forbidden unless they may now change entries that others wrote."""
        self.check_has("change_entry")

    def check_change(self, entry: Entry) -> None:
        """Raise Forbidden unless they may now change a locked entry."""
        now = self.reload()
        _require(now.can_change(entry), now.refusal_message(entry))

    def check_link_lines(self, entry: Entry) -> None:
        """Raise Forbidden unless they may now link “See” lines of a locked entry."""
        now = self.reload()
        allowed = now.can_change(entry) or now.can_edit_links
        _require(allowed, now.refusal_message(entry))

    def check_delete(self, entry: Entry) -> None:
        """Raise Forbidden unless they may now delete a locked entry."""
        now = self.reload()
        _require(now.can_delete(entry), now.refusal_message(entry))

    def check_see(self, entry: Entry, story: Story) -> None:
        """Raise Forbidden unless they may now see an entry in a story."""
        _require(self.reload().can_see(entry, story))

    def refusal_message(self, entry: Entry) -> str:
        """Return why they may not change an entry.

        For a contributor it says what an editor has done with their text.
        """
        if self.can_write and entry.taken_from_id == self.user.pk and self.user.pk:
            return gettext("An editor has taken over this draft.")
        if not (self.can_write and entry.author_id == self.user.pk):
            return str(NOT_ALLOWED)
        if entry.published_at and not entry.published:
            return str(_WITHDRAWN[entry.original])
        if entry.state == State.SCHEDULED:
            return str(_SCHEDULED[entry.original])
        return str(_PUBLISHED[entry.original])


class _System(Permissions):
    """The permissions of commands, imports and the scheduler: all of them."""

    def reload(self) -> Permissions:
        return self

    def check_chief(self) -> None:
        pass


SYSTEM: Final = _System(User(), frozenset(), superuser=True)
