"""The application's registration with Django."""

from django.apps import AppConfig


class EntriesConfig(AppConfig):
    """Name the application as the admin shows it."""

    name = "entries"
    verbose_name = "Newsroom"
