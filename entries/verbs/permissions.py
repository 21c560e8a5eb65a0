"""What one person may do: a courtesy in views, a condition in verbs.

Views ask `can_…` to decide what to offer. Verbs ask `check_…` under their locks, of
rights and rows as they are then: only this answer counts.
"""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Q

from entries.models import Entry, Story
from entries.verbs.ledger import Refused

NOT_ALLOWED: Final = "Your account may not do this. Ask the chief of the desk."
State = Entry.State


class Forbidden(Refused):
    """A person may not, or may no longer, do what they asked for."""


def check(allowed: bool, sentence: str = NOT_ALLOWED) -> None:
    """Raise Forbidden unless something is allowed."""
    if not allowed:
        raise Forbidden(sentence)


@dataclass(frozen=True)
class Rights:
    """What one person may do, by the permissions that their account holds.

    `held` are the code names of this application's permissions; a superuser (`chief`)
    needs none.
    """

    user: User
    held: frozenset[str]
    chief: bool = False

    @classmethod
    def of(cls, user: User | AnonymousUser) -> "Rights":
        """Return the rights of a signed-in user. Raises PermissionDenied otherwise."""
        if isinstance(user, AnonymousUser):
            raise PermissionDenied
        chief = user.is_active and user.is_superuser
        names = set() if chief else user.get_all_permissions()
        parts = (name.partition(".") for name in names)
        held = frozenset(code for app, _, code in parts if app == "entries")
        return cls(user, held, chief)

    def may(self, permission: str) -> bool:
        """Whether they hold a permission, by its code name."""
        return self.chief or permission in self.held

    @property
    def can_read(self) -> bool:
        """Whether they may see what is not published."""
        return self.may("view_entry")

    @property
    def can_write(self) -> bool:
        """Whether they may add texts."""
        return self.may("add_entry")

    @property
    def can_edit(self) -> bool:
        """Whether they may change anybody's texts."""
        return self.may("change_entry")

    @property
    def can_publish(self) -> bool:
        """Whether their own texts go to readers without anybody's review."""
        return self.can_write and self.can_edit

    @property
    def can_run(self) -> bool:
        """Whether they may change a story and its state."""
        return self.may("change_story")

    @property
    def can_upload(self) -> bool:
        """Whether they may add pictures."""
        return self.may("add_image")

    @property
    def can_describe(self) -> bool:
        """Whether they may change what is said of a picture."""
        return self.may("change_image")

    @property
    def can_cross_post(self) -> bool:
        """Whether they may place updates in other stories."""
        return self.may("change_posting")

    @property
    def can_link(self) -> bool:
        """Whether they may change links."""
        return self.may("change_link")

    @property
    def can_erase(self) -> bool:
        """Whether they may remove texts for good; no group brings this."""
        return self.may("erase_entry")

    def owns(self, entry: Entry) -> bool:
        """Whether a contributor may still work on a text of their own."""
        mine = self.can_write and entry.author_id == self.user.pk
        return mine and not entry.published_at and entry.state != State.SCHEDULED

    def can_change(self, entry: Entry) -> bool:
        """Whether they may change the text of an entry."""
        return entry.erased_at is None and (self.can_edit or self.owns(entry))

    def can_see(self, entry: Entry, story: Story) -> bool:
        """Whether they may see an entry in a story: what readers see there, and more.

        What is published in a draft story, or in a withdrawn one, is as private as a
        draft.
        """
        shown = entry.published and story.public
        return shown or self.can_read or entry.author_id == self.user.pk

    def fresh(self) -> "Rights":
        """Return their rights as the database has them now; none if deactivated."""
        user = User.objects.filter(pk=self.user.pk, is_active=True, is_staff=True)
        held = Permission.objects.filter(
            Q(Exists(user.filter(is_superuser=True)))
            | Q(pk__in=user.values("user_permissions"))
            | Q(pk__in=user.values("groups__permissions")),
            content_type__app_label="entries",
        )
        return Rights(self.user, frozenset(held.values_list("codename", flat=True)))

    def check_may(self, *permissions: str) -> None:
        """Raise Forbidden unless they hold one of some permissions now."""
        check(any(map(self.fresh().may, permissions)))

    def check_post(self, state: str) -> None:
        """Raise Forbidden unless they may add an entry in that state."""
        now = self.fresh()
        to_readers = state in (State.PUBLISHED, State.SCHEDULED)
        check(now.can_publish if to_readers else now.can_write)

    def check_publish(self) -> None:
        """Raise Forbidden unless they may publish a text that waits."""
        check(self.fresh().can_publish)

    def check_edit(self) -> None:
        """Raise Forbidden unless they may change anybody's texts."""
        self.check_may("change_entry")

    def check_change(self, entry: Entry) -> None:
        """Raise Forbidden unless they may change an entry, which is locked.

        A contributor whose text an editor has taken over reads what became of it.
        """
        now = self.fresh()
        check(now.can_change(entry), now.why_not(entry))

    def why_not(self, entry: Entry) -> str:
        """Say why they may not change an entry."""
        if not (self.can_write and entry.author_id == self.user.pk):
            return NOT_ALLOWED
        done = "scheduled" if entry.state == State.SCHEDULED else "published"
        if entry.published_at and not entry.published:
            done = "withdrawn"
        kind = "text" if entry.original else "update"
        return f"An editor has {done} this {kind}. Ask an editor to change it."


class _System(Rights):
    """The rights of commands, imports and the scheduler."""

    def fresh(self) -> Rights:
        """Return the same: nobody can take them away."""
        return self


SYSTEM: Final = _System(User(), frozenset(), chief=True)
