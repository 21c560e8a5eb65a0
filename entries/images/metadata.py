"""The words that a picture's file brings along: alt text, caption, credit."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final
from xml.etree import ElementTree as ET

from PIL import ExifTags, ImageFile, IptcImagePlugin

# What cameras write: DSC_0123 or another word with a digit, a file's name, their own
_NO_TEXT: Final = re.compile(
    r"\A([\w().-]*\d[\w().-]*|.+\.(jpe?g|png|webp|gif|avif|hei[cf]|hif|tiff?)"
    r"|OLYMPUS DIGITAL CAMERA|SONY DSC)\Z",
    re.ASCII | re.IGNORECASE,
)
_JOINERS: Final = "\u200c\u200d\u200e\u200f"  # not printable, but part of spelling
_TEXT_LIMITS: Final = (500, 1000, 200)  # characters of alt text, caption, credit
_XMP_LIMIT: Final = 1024 * 1024  # bytes
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP_NAMES: Final = (
    "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}AltTextAccessibility",
    "{http://purl.org/dc/elements/1.1/}description",
    "{http://purl.org/dc/elements/1.1/}creator",
    "{http://ns.adobe.com/photoshop/1.0/}Credit",
)
_Words = tuple[str, str, str, str]  # alt text, caption, byline, credit


def read_texts(image: ImageFile.ImageFile) -> tuple[str, str, str]:
    """Return alt text, caption and credit, each from the first block that has it."""
    found: list[_Words] = [("", "", "", "")]
    for read in (_xmp_words, _iptc_words, _exif_words):
        with suppress(Exception):  # a broken block says nothing
            found.append(read(image))
    alt, caption, byline, credit = (
        next(filter(None, map(_clean, each)), "") for each in zip(*found, strict=True)
    )
    if byline.casefold() not in credit.casefold():
        credit = f"{byline} / {credit}" if credit else byline
    texts = zip((alt, caption, credit), _TEXT_LIMITS, strict=True)
    alt, caption, credit = (text[:limit].rstrip() for text, limit in texts)
    return _NO_TEXT.sub("", alt), _NO_TEXT.sub("", caption), credit


def _xmp_words(image: ImageFile.ImageFile) -> _Words:
    raw: bytes = image.info["xmp"]
    text = raw.decode("utf-8-sig").strip("\0\r\n\t ")
    # Entities, by which XML grows and reads files, have to be declared in a DOCTYPE
    if len(raw) > _XMP_LIMIT or "<!DOCTYPE" in text:
        raise ValueError
    root = ET.fromstring(text)  # noqa: S314
    alt, caption, byline, credit = (_xmp_text(root, name) for name in _XMP_NAMES)
    return alt, caption, byline, credit


def _xmp_text(root: ET.Element, name: str) -> str:
    """Return a property that is an attribute, a text, a list, or in languages."""
    for description in root.iter(f"{_RDF}Description"):
        if value := description.get(name):
            return value
        if (element := description.find(name)) is not None:
            items = [item.text or "" for item in element.iter(f"{_RDF}li")]
            if element.find(f"{_RDF}Alt") is not None:
                items = items[:1]  # the default language stands first
            return ", ".join(items) or element.text or ""
    return ""


def _iptc_words(image: ImageFile.ImageFile) -> _Words:
    fields = IptcImagePlugin.getiptcinfo(image) or {}
    caption, byline, credit = (fields.get((2, n)) or b"" for n in (120, 80, 110))
    parts = (x if isinstance(x, list) else [x] for x in (caption, byline, credit))
    texts = [", ".join(map(_decoded, part)) for part in parts]
    return "", texts[0], texts[1], texts[2]


def _exif_words(image: ImageFile.ImageFile) -> _Words:
    exif = image.getexif()
    tags = (ExifTags.Base.ImageDescription, ExifTags.Base.Artist)
    values = (exif.get(tag) for tag in tags)
    # Pillow reads them as Latin-1, and those who wrote them mostly meant UTF-8
    texts = [v.encode("latin-1") if isinstance(v, str) else b"" for v in values]
    return "", _decoded(texts[0]), _decoded(texts[1]), ""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _clean(text: str) -> str:
    """Return the text on one line, without control and formatting characters."""
    kept = (c if c.isprintable() or c in _JOINERS else " " * c.isspace() for c in text)
    return " ".join("".join(kept).split())
