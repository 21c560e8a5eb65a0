"""People's own accounts: the language that the desk speaks to them."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from entries import verbs
from entries.desk.access import desk_view
from entries.desk.responses import render_page
from entries.models import Profile
from entries.text import languages
from entries.verbs import Permissions, Refused


def site_language() -> str:
    """Return the language of the desk for people who have chosen none.

    It is the site's, or English if the desk is not translated into that.
    """
    own = str(settings.SITE_LANGUAGE)
    return own if own in settings.DESK_LANGUAGES else "en"


def language_of(user: User | AnonymousUser) -> str:
    """Return the language that the desk speaks to a user."""
    profile: Profile | None = getattr(user, "profile", None)
    chosen = profile.desk_language if profile else ""
    return chosen if chosen in settings.DESK_LANGUAGES else site_language()


def language_name(code: str) -> str:
    """Return the name of a language of the site, in that language."""
    return dict(settings.LANGUAGES).get(code, code)


def _language_choices() -> list[tuple[str, str]]:
    default = _("The site’s language (%(name)s)") % {
        "name": language_name(site_language())
    }
    own = [(code, language_name(code)) for code in settings.DESK_LANGUAGES]
    return [("", str(default)), *own]


class _LanguageSelect(forms.Select):
    """A list of languages, each of which says what language its name is in."""

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(*args, **kwargs)
        if code := str(option["value"]):
            option["attrs"] |= {"lang": code, "dir": languages.direction(code)}
        return option


class DeskLanguageField(forms.ChoiceField):
    """The language of the desk, among those it is translated into."""

    widget = _LanguageSelect

    def __init__(self, **options: Any) -> None:
        options = {
            "label": _("Language of the desk"),
            "required": False,
            "choices": _language_choices,
            **options,
        }
        super().__init__(**options)


class AccountForm(forms.Form):
    """What people set for themselves."""

    desk_language = DeskLanguageField(
        help_text=_("Texts that you write are in the language of their story.")
    )


@desk_view()
def account(request: HttpRequest) -> HttpResponse:
    """Show or save what people set for themselves."""
    permissions = Permissions.of(request.user)
    profile = getattr(permissions.user, "profile", None)
    chosen = profile.desk_language if profile else ""
    form = AccountForm(request.POST or None, initial={"desk_language": chosen})
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["desk_language"]
        try:
            verbs.set_desk_language(permissions.user, code, by=permissions)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            with translation.override(code or site_language()):
                messages.success(request, gettext("Saved."))
            return redirect("account")
    return render_page(
        request,
        "admin/entries/people/account.html",
        {"form": form},
        title=gettext("Your account"),
        status=422 if form.errors else 200,
    )
