"""The text form of a story: the page of a newsroom as plain text, read and written.

Stages of reading: decoding → lines (timestamps) → paragraphs (references) → reader
(head, dates, headings).
"""
