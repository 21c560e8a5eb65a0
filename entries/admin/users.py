"""Accounts in the admin: Django's own form, with the language of the desk."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from entries import verbs
from entries.desk import account
from entries.text import words
from entries.text.folding import fold
from entries.verbs import Permissions


class AccountChangeForm(UserChangeForm):  # type: ignore[type-arg]
    """An account, and the language that the desk speaks to its owner."""

    # A page that is out of date must not undo a newer choice of theirs.
    desk_language = account.DeskLanguageField(show_hidden_initial=True)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        profile = getattr(self.instance, "profile", None)
        if profile and "desk_language" in self.fields:
            self.initial["desk_language"] = profile.desk_language


admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """The list and form of accounts."""

    form = AccountChangeForm
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        (_("Newsroom"), {"fields": ("desk_language",)}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Search names as all lists do; accounts are few, and have no folded field."""
        wanted = words.query_words(search_term)
        if not wanted:
            return queryset, False
        found = [
            pk
            for pk, *names in queryset.values_list("pk", *self.search_fields)
            if all(word in fold(" ".join(names)) for word in wanted)
        ]
        return queryset.filter(pk__in=found), False

    @admin.display(description=_("Language of the desk"))
    def desk_language(self, user: User) -> str:
        """Show the language to people who may not change the account."""
        return account.language_name(account.language_of(user))

    def get_readonly_fields(
        self, request: HttpRequest, obj: User | None = None
    ) -> list[str]:
        """Leave the language to chiefs, and to its owner on their own page."""
        own = list(super().get_readonly_fields(request, obj))
        chief = Permissions.of(request.user).superuser
        return own if chief else [*own, "desk_language"]

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        """Save an account, and the language if that was changed."""
        super().save_model(request, obj, form, change)
        if "desk_language" in form.changed_data:
            code, by = form.cleaned_data["desk_language"], Permissions.of(request.user)
            verbs.set_desk_language(obj, code, by=by)
