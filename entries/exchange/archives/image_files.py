"""Find the files of an archive's pictures, in folders within folders."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from entries.exchange.archives.base import SourceImage, canonical_image_url
from entries.exchange.images import ImageFolder, normalize_name
from entries.exchange.text.references import IMAGE_SUFFIX

_NO_ROOTS: Final[tuple[Path, ...]] = ()


@dataclass(frozen=True)
class _File:
    path: Path
    parts: tuple[str, ...]  # of its path below the root

    def likeness(self, url: list[str]) -> int:
        """Return how many parts of a URL's path are those of the file, from its end.

        It is 0 for a file from another year or month.
        """
        pairs = list(zip(reversed(self.parts), reversed(url), strict=False))
        if any(a != b and a.isdigit() and b.isdigit() for a, b in pairs[1:]):
            return 0
        same = (index for index, (a, b) in enumerate(pairs) if a != b)
        return next(same, len(pairs))


class ArchiveImages:
    """All pictures below some folders."""

    def __init__(self, roots: Iterable[Path] = _NO_ROOTS) -> None:
        self._by_file: dict[str, list[_File]] = {}
        self.by_name = ImageFolder(None)
        for root in dict.fromkeys(roots):
            for path in sorted(root.rglob("*")):
                if IMAGE_SUFFIX.fullmatch(path.suffix) and path.is_file():
                    self._add(root, path)

    def _add(self, root: Path, path: Path) -> None:
        parts = tuple(map(normalize_name, path.relative_to(root).parts))
        self._by_file.setdefault(parts[-1], []).append(_File(path, parts))
        for name in {path.name, path.stem}:
            self.by_name.paths.setdefault(normalize_name(name), []).append(path)

    def of(
        self, images: Iterable[SourceImage], names: Iterable[str], slug: str
    ) -> ImageFolder:
        """Return the pictures of one story: those its texts name, and its lead.

        Pictures with a URL are found by it, and others by their names. In a folder for
        many stories, `photo.jpg` is nobody's lead picture, but `<slug>.jpg` is.
        """
        found = {image.name: self._at(image.url) for image in images}
        for typed in names:
            if typed not in found:
                found[typed] = self.by_name.find(typed)
        leads = self.by_name.paths.get(normalize_name(slug), [])
        found.setdefault(slug, leads[0] if len(leads) == 1 else None)
        folder = ImageFolder(None)
        folder.paths = {
            normalize_name(name): [path] for name, path in found.items() if path
        }
        return folder

    def _at(self, url: str) -> Path | None:
        """Return the file that is most like a URL, None if several are.

        A file in full size is better than the smaller copy that the URL may name.
        """
        for path in (canonical_image_url(url), unquote(urlsplit(url).path)):
            parts = [normalize_name(part) for part in path.split("/")]
            files = self._by_file.get(parts[-1], [])
            likest = sorted((-file.likeness(parts), str(file.path)) for file in files)
            if not likest or likest[0][0] == 0:
                continue
            if len(likest) == 1 or likest[0][0] < likest[1][0]:
                return Path(likest[0][1])
        return None
