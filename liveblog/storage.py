"""Storage of static files, which are hashed, compressed and minified."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.files.base import ContentFile, File
from rjsmin import jsmin
from servestatic.compress import Compressor
from servestatic.storage import CompressedManifestStaticFilesStorage

# The files of Django's admin that pages load: hashed ones, except unminified libraries.
_LOADED: Final = re.compile(r"admin/(?!js/vendor/(?!.*\.min\.)).*\.[0-9a-f]{12}\.\w+")


class _Compressor(Compressor):  # type: ignore[misc]
    """Replaces compressed files whole: servers may be sending the earlier ones."""

    @staticmethod
    def write_data(path: str, data: bytes, suffix: str, stat_result: Any) -> str:
        """Write a compressed copy with the times of its source; return its path."""
        part: str = Compressor.write_data(path, data, f"{suffix}.part", stat_result)
        return str(Path(part).replace(path + suffix))


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Storage of collected files. Our scripts are minified, vendored ones are not."""

    def _save(self, name: str, content: File[bytes]) -> Any:
        if name.startswith("entries/") and name.endswith(".js"):
            content.seek(0)
            content = ContentFile(minify(content.read()))
        try:
            return super()._save(name, content)
        except OSError:  # the next run would treat a partial file as complete
            Path(self.path(name)).unlink(missing_ok=True)
            raise

    def create_compressor(self, **options: Any) -> Compressor:
        """Return what compresses the collected files."""
        return _Compressor(**options)

    def compress_files(self, paths: set[str]) -> Iterator[tuple[str, str]]:
        """Compress only files that pages load, because all would take far longer."""
        loaded = {
            path
            for path in paths
            if not path.startswith("admin/") or _LOADED.fullmatch(path)
        }
        yield from super().compress_files(loaded)


def minify(script: bytes) -> bytes:
    """Return a script without comments and indentation."""
    minified: bytes = jsmin(script, keep_bang_comments=True)
    return minified
