"""The Django project: settings, root URLs and the ASGI application."""
