"""Django's admin: lists to search and filter, whose rows link to the desk."""

from entries.admin import entries, images, links, series, snippets, stories, users

__all__ = ["entries", "images", "links", "series", "snippets", "stories", "users"]
