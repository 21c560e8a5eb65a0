"""All links in the admin, for moderators, with the form that the desk uses."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.admin.lists import BaseAdmin
from entries.desk.audit_log import log_action
from entries.desk.links import TARGETS, LinkForm
from entries.models import Link
from entries.verbs import Permissions


class AdminLinkForm(LinkForm):
    """The desk's form, with fields for where the link is and what it leads to."""

    class Meta(LinkForm.Meta):
        fields = [
            "kind",
            "story",
            "entry",
            *TARGETS,
            "title",
            "label",
            "image",
            "starts_at",
            "ends_at",
            "order",
        ]
        help_texts = {
            "story": gettext_lazy("The story whose page shows it…"),
            "entry": gettext_lazy("…or the entry. Neither: the front page."),
            "title": gettext_lazy("Empty: the title of its target."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["fingerprint"] = self.instance.fingerprint

    def clean(self) -> dict[str, Any]:
        """Require one place and one target at most; report a colleague's change."""
        data = super().clean() or self.cleaned_data
        current = Link.objects.filter(pk=self.instance.pk).first()
        if current and data.get("fingerprint") not in ("", current.fingerprint):
            self.add_error(None, str(verbs.LinkConflict(current)))
            # Pressing Save again replaces the colleague's link.
            self.data = {name: self.data[name] for name in self.data} | {
                "fingerprint": current.fingerprint
            }
        if data.get("story") and data.get("entry"):
            self.add_error("entry", gettext("Choose the story or the entry, not both."))
        for name in [name for name in TARGETS if data.get(name)][1:]:
            self.add_error(
                name, gettext("A link leads to one place: empty the others.")
            )
        return data


class UnresolvedFilter(admin.SimpleListFilter):
    """Filter links by whether their target is known."""

    title = gettext_lazy("target")
    parameter_name = "target"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unresolved", gettext("Unresolved")), ("known", gettext("Known"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        unresolved = Q(pk__in=Link.objects.unresolved())
        kinds = {"unresolved": unresolved, "known": ~unresolved}
        return queryset.filter(kinds.get(self.value() or "", Q()))


@admin.register(Link)
class LinkAdmin(BaseAdmin):
    """The list of all links, which are saved through the verbs."""

    form = AdminLinkForm
    list_display = ["line", "kind", "leaves_from", "leads_to", "order"]
    list_filter = [UnresolvedFilter, "kind"]
    list_select_related = [
        "story",
        "entry__story",
        "target_story__series",
        "target_series",
    ]
    search_fields = ["folded", "story__folded", "target_story__folded"]
    autocomplete_fields = ["story", "entry", "target_story", "target_series", "image"]

    @admin.display(description=gettext_lazy("text"))
    def line(self, link: Link) -> str:
        return link.text

    @admin.display(description=gettext_lazy("from"))
    def leaves_from(self, link: Link) -> str:
        if link.entry:
            names = {"entry": link.entry.label, "story": link.entry.story}
            return gettext("%(entry)s in %(story)s") % names
        return str(link.story) if link.story else gettext("The front page")

    @admin.display(description=gettext_lazy("to"))
    def leads_to(self, link: Link) -> str:
        return link.target_name or gettext("Unresolved")

    def get_fields(self, request: HttpRequest, obj: Link | None = None) -> list[Any]:
        """Leave the fingerprint out of pages that only show a link."""
        found = list(super().get_fields(request, obj))
        may_save = self.has_change_permission(request, obj) if obj else True
        return [name for name in found if may_save or name != "fingerprint"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Link | None = None
    ) -> list[str]:
        """Make the place read-only: elsewhere it would be a different link."""
        return ["story", "entry"] if obj else []

    def save_model(
        self, request: HttpRequest, obj: Link, form: Any, change: bool
    ) -> None:
        """Save a link through its verb, which updates the pages of readers."""
        placed = "order" in form.changed_data
        form.save_link(Permissions.of(request.user), placed=placed)

    def log_addition(self, request: HttpRequest, obj: Link, message: Any) -> LogEntry:
        """Log a new link without its text, which would stay in the log."""
        user = Permissions.of(request.user).user
        return log_action(user, obj, json.dumps(message), ADDITION)

    def log_change(self, request: HttpRequest, obj: Link, message: Any) -> LogEntry:
        """Log a changed link without its text."""
        return log_action(Permissions.of(request.user).user, obj, json.dumps(message))

    def log_deletions(  # type: ignore[override]
        self, request: HttpRequest, queryset: Iterable[Link]
    ) -> None:
        """Log removed links without their texts."""
        for link in queryset:
            log_action(Permissions.of(request.user).user, link, "", DELETION)

    def delete_model(self, request: HttpRequest, obj: Link) -> None:
        """Remove a link through its verb, which updates the pages of readers."""
        verbs.remove_link(obj, by=Permissions.of(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Link]) -> None:
        """Remove the selected links in one transaction."""
        verbs.remove_links(queryset, by=Permissions.of(request.user))
