"""The newsroom's snippets in the admin, which the composer offers."""

from django.contrib import admin

from entries.admin.lists import BaseAdmin
from entries.models import Snippet


@admin.register(Snippet)
class SnippetAdmin(BaseAdmin):
    """The list and form of snippets, in the order in which the composer offers them."""

    list_display = ["name", "body", "order"]
    search_fields = ["folded"]
    fields = ["name", "body", "order"]
