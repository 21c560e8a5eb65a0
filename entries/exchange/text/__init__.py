"""The text format: a running story as plain text, read and written.

Reading goes through these stages, each in the module of its name:

1. `decoding`: bytes to lines of text.
2. `lines`: lines to blocks. `timestamps` parses `UPDATE 6.15 pm GMT, 20 December:`.
3. `paragraphs`: blocks of lines to paragraphs, with `references` for "See" lines,
   cross-post lines and image names.
4. `head`: the headline, photo, LATEST and FEATURE above the entries.
5. `update_dates`: the date of each update. `headings`: which short lines are headings.
6. `reader` runs the stages and returns a `Document`.

`writer` writes a story in this format, and checks that it reads back the same.
"""
