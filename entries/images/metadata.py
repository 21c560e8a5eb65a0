"""Read alt text, caption and credit from the metadata of an image file."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final
from xml.etree import ElementTree as ET

from PIL import ExifTags, ImageFile, IptcImagePlugin

# What cameras write: `DSC_0123` or another word with a digit, a file name, a brand.
_NO_TEXT: Final = re.compile(
    r"\A([\w().-]*\d[\w().-]*|.+\.(jpe?g|png|webp|gif|avif|hei[cf]|hif|tiff?)"
    r"|OLYMPUS DIGITAL CAMERA|SONY DSC)\Z",
    re.ASCII | re.IGNORECASE,
)
_JOINERS: Final = "\u200c\u200d\u200e\u200f"  # not printable, but needed for spelling
_TEXT_LIMITS: Final = (500, 1000, 200)  # characters of alt text, caption, credit
_MAX_XMP_BYTES: Final = 1024 * 1024  # bytes
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP_NAMES: Final = (
    "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}AltTextAccessibility",
    "{http://purl.org/dc/elements/1.1/}description",
    "{http://purl.org/dc/elements/1.1/}creator",
    "{http://ns.adobe.com/photoshop/1.0/}Credit",
)
_Texts = tuple[str, str, str, str]  # alt text, caption, byline, credit


def read_texts(image: ImageFile.ImageFile) -> tuple[str, str, str]:
    """Return alt text, caption and credit: each from XMP, else IPTC, else EXIF."""
    found: list[_Texts] = [("", "", "", "")]
    for read in (_read_xmp, _read_iptc, _read_exif):
        with suppress(Exception):  # ignore a broken block
            found.append(read(image))
    alt, caption, byline, credit = (
        next(filter(None, map(_clean, texts)), "") for texts in zip(*found, strict=True)
    )
    if byline.casefold() not in credit.casefold():
        credit = f"{byline} / {credit}" if credit else byline
    texts = zip((alt, caption, credit), _TEXT_LIMITS, strict=True)
    alt, caption, credit = (text[:limit].rstrip() for text, limit in texts)
    return _NO_TEXT.sub("", alt), _NO_TEXT.sub("", caption), credit


def _read_xmp(image: ImageFile.ImageFile) -> _Texts:
    raw: bytes = image.info["xmp"]
    text = raw.decode("utf-8-sig").strip("\0\r\n\t ")
    # Without a DOCTYPE there are no entities, so neither XXE nor entity expansion.
    if len(raw) > _MAX_XMP_BYTES or "<!DOCTYPE" in text:
        raise ValueError
    root = ET.fromstring(text)  # noqa: S314
    alt, caption, byline, credit = (_xmp_text(root, name) for name in _XMP_NAMES)
    return alt, caption, byline, credit


def _xmp_text(root: ET.Element, name: str) -> str:
    """Return a property: an attribute, an element, a list, or one with translations."""
    for description in root.iter(f"{_RDF}Description"):
        if value := description.get(name):
            return value
        if (element := description.find(name)) is not None:
            items = [item.text or "" for item in element.iter(f"{_RDF}li")]
            if element.find(f"{_RDF}Alt") is not None:
                items = items[:1]  # the default language comes first
            return ", ".join(items) or element.text or ""
    return ""


def _read_iptc(image: ImageFile.ImageFile) -> _Texts:
    fields = IptcImagePlugin.getiptcinfo(image) or {}
    caption, byline, credit = (fields.get((2, n)) or b"" for n in (120, 80, 110))
    parts = (x if isinstance(x, list) else [x] for x in (caption, byline, credit))
    texts = [", ".join(map(_decode, part)) for part in parts]
    return "", texts[0], texts[1], texts[2]


def _read_exif(image: ImageFile.ImageFile) -> _Texts:
    exif = image.getexif()
    tags = (ExifTags.Base.ImageDescription, ExifTags.Base.Artist)
    values = (exif.get(tag) for tag in tags)
    # Pillow decodes them as Latin-1, but most software writes UTF-8.
    texts = [v.encode("latin-1") if isinstance(v, str) else b"" for v in values]
    return "", _decode(texts[0]), _decode(texts[1]), ""


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _clean(text: str) -> str:
    """Collapse whitespace, and remove control and formatting characters."""
    kept = (c if c.isprintable() or c in _JOINERS else " " * c.isspace() for c in text)
    return " ".join("".join(kept).split())
