"""Rows to HTML and data: no request, no user, no clock."""
