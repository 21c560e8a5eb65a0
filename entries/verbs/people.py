"""Verbs for people of the newsroom: add, edit, deactivate and reactivate."""

from collections.abc import Collection
from typing import Final

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from entries.models import Entry, Image, Presence, Profile
from entries.text import languages as language_tags
from entries.text import rendering, urls
from entries.verbs.conditions import check_still_image
from entries.verbs.ledger import Refused, open_ledger
from entries.verbs.permissions import SYSTEM, Permissions

CHIEF: Final = gettext_noop("Chief")  # not a group: may do everything
ROLES: Final = (
    gettext_noop("Contributors"),
    gettext_noop("Editors"),
    gettext_noop("Moderators"),
    CHIEF,
)
_FIELDS: Final = ("first_name", "last_name", "email", "is_staff", "is_superuser")


def save_person(
    user: User,
    *,
    name: str,
    mail: str,
    role: str,
    byline: str = "",
    title: str = "",
    languages: str = "",
    desk_language: str | None = None,
    portrait: Image | None = None,
    by: Permissions = SYSTEM,
) -> User:
    """Save a person's account and profile; a new account gets its username.

    `role` is one of ROLES, `title` the role that readers see, `languages` BCP 47 tags
    separated by commas, `desk_language` a code of DESK_LANGUAGES, empty for the
    site's, or None to leave it as it is. Raises Refused for invalid values.
    """
    name, mail = rendering.one_line(name), mail.strip()
    if not name:
        raise Refused(gettext("Enter a name."), "name")
    if role not in ROLES:
        raise Refused(gettext("Choose what they do."), "role")
    try:
        tags = [
            language_tags.canonical_tag(tag)
            for tag in languages.split(",")
            if tag.strip()
        ]
    except language_tags.LanguageError as error:
        raise Refused(str(error), "languages") from error
    _check_desk_language(desk_language or "")
    with transaction.atomic():
        by.check_chief()
        if user.pk and user.pk == by.user.pk and role != CHIEF:
            raise Refused(gettext("You can’t take your own rights away."), "role")
        changed = _lock_person(user)
        _check_mail(user, mail)
        user.first_name, _, user.last_name = name.partition(" ")
        user.first_name, user.last_name = user.first_name[:150], user.last_name[:150]
        user.email, user.is_staff = mail, True
        user.is_superuser = role == CHIEF
        if user.pk is None:
            user.username = _free_username(mail.partition("@")[0] or name)
            user.set_unusable_password()
        user.save(update_fields=changed)
        _set_role(user, role)
        profile = Profile.objects.filter(user=user).first() or Profile(user=user)
        profile.byline = rendering.one_line(byline)
        profile.role = rendering.one_line(title)
        profile.portrait, profile.languages = _locked(portrait), ",".join(tags)
        if desk_language is not None:
            profile.desk_language = desk_language
        _save_profile(profile)
    _credit_earlier_entries(profile)
    return user


def _lock_person(user: User) -> Collection[str] | None:
    """Lock an account; return the fields that the form of a person may change.

    Return None for a new account, which is saved whole. Raises Refused if it has been
    deleted.
    """
    if user.pk is None:
        return None
    if not User.objects.select_for_update(no_key=True).filter(pk=user.pk).first():
        raise Refused(gettext("This account has been deleted."))
    return _FIELDS


def _locked(portrait: Image | None) -> Image | None:
    """Lock a portrait, so that it is not changed or deleted meanwhile."""
    if portrait is None:
        return None
    found = Image.objects.locked([portrait.name]).first()
    if found is None:
        raise Refused(gettext("There is no picture of that name."), "portrait")
    check_still_image(found, "portrait")
    return found


def _check_mail(user: User, mail: str) -> None:
    same = User.objects.filter(email__iexact=mail).exclude(pk=user.pk)
    if mail and same.exists():
        raise Refused(gettext("Somebody else has this mail address."), "mail")


def _free_username(wish: str) -> str:
    base = urls.slug(wish) or "person"
    return urls.free_name(base, lambda s: User.objects.filter(username=s).exists())


def _set_role(user: User, role: str) -> None:
    """Move a person from the group of their old role to that of the new one."""
    user.groups.remove(*Group.objects.filter(name__in=ROLES))
    if role != CHIEF:
        user.groups.add(Group.objects.get_or_create(name=role)[0])


def set_desk_language(user: User, code: str, *, by: Permissions = SYSTEM) -> None:
    """Set the language the desk speaks to a person; empty for that of the site.

    People choose their own; only chiefs choose for others. Raises Refused for a
    language without a catalogue.
    """
    _check_desk_language(code)
    with transaction.atomic():
        if user.pk != by.user.pk:
            by.check_chief()
        _lock_person(user)
        Profile.objects.update_or_create(user=user, defaults={"desk_language": code})


def _check_desk_language(code: str) -> None:
    if code and code not in settings.DESK_LANGUAGES:
        raise Refused(gettext("Choose a language from the list."), "desk_language")


def _save_profile(profile: Profile) -> None:
    if profile.byline and not profile.slug:
        taken = Profile.objects.values_list("slug", flat=True)
        base = urls.slug(profile.byline, 90) or "author"
        profile.slug = urls.free_name(base, set(taken).__contains__)
    others = Profile.objects.filter(byline=profile.byline).exclude(pk=profile.pk)
    if profile.byline and others.exists():
        raise Refused(gettext("Somebody else has this byline."), "byline")
    with open_ledger() as ledger:
        try:
            with transaction.atomic():
                profile.save()
        except IntegrityError:
            raise Refused(gettext("Somebody else has this byline."), "byline") from None
        ledger.site_changed()  # their page


def _credit_earlier_entries(profile: Profile) -> None:
    """Link the entries that already have a person's byline to their page.

    Entries that are credited to an earlier person with the same byline are not
    changed.
    """
    if not profile.byline:
        return
    named = Entry.objects.filter(byline=profile.byline, credited=None)
    for entry in named.order_by("pk"):
        with open_ledger(entry=entry) as ledger:
            if entry.byline == profile.byline and entry.credited is None:
                entry.credited = profile
                entry.save(update_fields=["credited"])
                ledger.rerender_entry(entry)


def set_person_active(user: User, active: bool, *, by: Permissions = SYSTEM) -> User:
    """Deactivate a person, which ends their sessions at once, or reactivate them.

    Their published texts, bylines and page are kept.
    """
    with transaction.atomic():
        by.check_chief()
        if user.pk and user.pk == by.user.pk:
            raise Refused(gettext("You can’t deactivate your own account."))
        user.is_active = active
        user.save(update_fields=["is_active"])
        if not active:
            _end_sessions(user)
    return user


def _end_sessions(user: User) -> None:
    """Delete a person's sessions, so that none comes back with the account."""
    own = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=timezone.now())
        if session.get_decoded().get("_auth_user_id") == str(user.pk)
    ]
    Session.objects.filter(pk__in=own).delete()
    Presence.objects.filter(user=user).delete()
