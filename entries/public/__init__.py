"""Public pages, feeds and sitemaps, and the endpoints for monitoring."""
