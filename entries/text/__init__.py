"""Strings in, strings out: Markdown, URLs, GMT times."""
