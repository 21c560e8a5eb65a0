"""Pure functions on text: Markdown, URLs, GMT times. No models, no requests."""
