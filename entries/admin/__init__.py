"""Django's admin: lists to search and filter, whose rows link to the desk."""

from django.conf import settings
from django.contrib import admin

from entries.admin import entries, images, links, series, snippets, stories

__all__ = ["entries", "images", "links", "series", "snippets", "stories"]

admin.site.site_header = f"{settings.SITE_NAME} desk"
admin.site.site_title = f"{settings.SITE_NAME} desk"
admin.site.index_title = "The newsroom"
