"""People: the chief's screen to add, change and deactivate those of the newsroom."""

import logging
from smtplib import SMTPException
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied
from django.core.mail import send_mail
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from entries import verbs
from entries.desk.access import desk_view
from entries.desk.account import DeskLanguageField, language_of
from entries.desk.audit_log import log_action
from entries.desk.responses import render_page
from entries.models import Image, Profile, Site
from entries.models.fields import max_length
from entries.text.urls import absolute_url
from entries.verbs import ROLES, Permissions, Refused

logger = logging.getLogger(__name__)
_FOLDER = "admin/entries/people"


class PersonForm(forms.Form):
    """An account with its profile. It is checked here, and saved by a verb."""

    name = forms.CharField(label=_("Name"), max_length=150)
    mail = forms.EmailField(label=_("Mail"), max_length=254)
    role = forms.ChoiceField(
        label=_("Works as"), choices=[(role, _(role)) for role in ROLES]
    )
    languages = forms.CharField(
        label=_("Languages"),
        required=False,
        max_length=max_length(Profile, "languages"),
        help_text=_("Codes of the languages they work in, such as en, ar."),
    )
    # A page that is out of date must not undo a newer choice of theirs.
    desk_language = DeskLanguageField(show_hidden_initial=True)
    byline = forms.CharField(
        label=_("Usual byline"),
        required=False,
        max_length=max_length(Profile, "byline"),
    )
    title = forms.CharField(
        label=_("Role for readers"),
        required=False,
        max_length=max_length(Profile, "role"),
        help_text=_("Shown on their public page, such as “Reporter, Port Ilaria”."),
    )
    portrait = forms.CharField(
        label=_("Portrait"),
        required=False,
        max_length=max_length(Image, "name"),
        help_text=_("The name of an uploaded picture."),
    )

    def clean_portrait(self) -> Image | None:
        """Return the image with the typed name."""
        name = self.cleaned_data["portrait"].strip()
        found = Image.objects.still_images().filter(name=name).first()
        if name and found is None:
            raise forms.ValidationError(gettext("There is no picture of that name."))
        return found

    @classmethod
    def of(cls, user: User) -> "PersonForm":
        """Return the form filled with a person."""
        profile = Profile.objects.select_related("portrait").filter(user=user).first()
        groups = set(user.groups.values_list("name", flat=True))
        initial: dict[str, Any] = {
            "name": user.get_full_name() or user.get_username(),
            "mail": user.email,
            "role": ROLES[-1]
            if user.is_superuser
            else next((role for role in ROLES if role in groups), ""),
        }
        if profile:
            initial |= {
                "languages": profile.languages,
                "desk_language": profile.desk_language,
                "byline": profile.byline,
                "title": profile.role,
                "portrait": profile.portrait.name if profile.portrait else "",
            }
        return cls(initial=initial)


def _check_chief(request: HttpRequest) -> Permissions:
    permissions = Permissions.of(request.user)
    if not permissions.superuser:
        raise PermissionDenied
    return permissions


@desk_view()
def people(request: HttpRequest) -> HttpResponse:
    """List the people of the newsroom, active ones first."""
    _check_chief(request)
    rows = User.objects.select_related("profile").prefetch_related("groups")
    found = rows.order_by("-is_active", "first_name", "username")
    context = {"people": found, "chief": ROLES[-1]}
    title = gettext("People")
    return render_page(request, f"{_FOLDER}/people.html", context, title=title)


@desk_view()
def add_person(request: HttpRequest) -> HttpResponse:
    """Add a person, and invite them to choose a password."""
    permissions = _check_chief(request)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = User()
        if _save(form, user, permissions):
            return _invite(request, user)
    return _show(request, form, gettext("Add somebody"))


@desk_view()
def edit_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Change, invite again, deactivate or reactivate a person."""
    permissions = _check_chief(request)
    user = get_object_or_404(User, pk=pk)
    title = user.get_full_name() or user.get_username()
    do = request.POST.get("do", "save")
    if request.method != "POST":
        return _show(request, PersonForm.of(user), title, user)
    if do == "invite" and user.is_active:
        return _invite(request, user)
    if do in ("deactivate", "activate"):
        form = PersonForm.of(user)
        try:
            verbs.set_person_active(user, do == "activate", by=permissions)
        except Refused as refused:
            return _show(request, form, title, user, error=str(refused))
        log_action(permissions.user, Site.current(), f"People: {do}d {user.pk}.")
        return redirect("people")
    form = PersonForm(request.POST)
    if form.is_valid() and _save(form, user, permissions):
        return redirect("people")
    return _show(request, form, title, user)


def _save(form: PersonForm, user: User, permissions: Permissions) -> bool:
    """Save a valid form; return False if the verb refused it."""
    typed = form.cleaned_data
    if "desk_language" not in form.changed_data:
        typed = typed | {"desk_language": None}
    try:
        verbs.save_person(user, **typed, by=permissions)
    except Refused as refused:
        field = refused.field if refused.field in form.fields else None
        form.add_error(field, str(refused))
        return False
    log_action(permissions.user, Site.current(), f"People: saved {user.pk}.")
    return True


def _show(
    request: HttpRequest,
    form: PersonForm,
    title: str,
    person: User | None = None,
    **context: Any,
) -> HttpResponse:
    context |= {"form": form, "person": person, "mail": bool(settings.EMAIL_HOST)}
    status = 422 if form.errors or "error" in context else 200
    template = f"{_FOLDER}/person.html"
    return render_page(request, template, context, title=title, status=status)


def _invite(request: HttpRequest, user: User) -> HttpResponse:
    """Mail a person a link to choose a password, or show it to the chief once."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    link = absolute_url(reverse("password_reset_confirm", args=[uid, token]))
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    sent = bool(settings.EMAIL_HOST) and _send(user, link)
    context = {"person": user, "link": "" if sent else link, "hours": hours}
    title = gettext("Invitation")
    return render_page(request, f"{_FOLDER}/invited.html", context, title=title)


def _send(user: User, link: str) -> bool:
    site = settings.SITE_NAME
    with translation.override(language_of(user)):
        body = gettext(
            "You have been added to the newsroom of {site}.\n\nYour username: {name}\n"
            "Choose a password: {link}\n\nThe link works once."
        ).format(site=site, name=user.get_username(), link=link)
        subject = gettext("Your account at {site}").format(site=site)
    try:
        return bool(send_mail(subject, body, None, [user.email]))
    except (OSError, SMTPException):
        logger.exception("The invitation of user %s could not be sent.", user.pk)
        return False
