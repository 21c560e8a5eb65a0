"""The demo: an invented newsroom's stories, and a busy day of it."""
