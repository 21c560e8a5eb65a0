"""The project: settings, root URLs, and the ASGI application of the server."""
