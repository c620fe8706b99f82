"""The folder of a data set, and nothing outside it: every path that an annotation names goes through here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mien import storage
from mien.errors import DataError, ImageError
from mien.imaging import image as imaging


class Root:
    """Finds files below one folder and refuses what leads out of it.

    Args:
        folder: the data set's folder.
        title: how messages call the data set.
        expected: what lies in such a folder, for the message when it is not there.

    Raises:
        DataError: no such folder.
    """

    def __init__(self, folder: Path, title: str, expected: str) -> None:
        self.folder, self.title, self.expected = storage.locate(folder), title, expected
        if not self.folder.is_dir():
            kind = "is a file" if self.folder.exists() else "does not exist"
            raise DataError(f"'{folder}' {kind}; {title} is a folder with {expected}")
        self._resolved = self.folder.resolve()

    def inside(self, name: str, where: str) -> Path:
        """Return the path of a file that an annotation names, whether it exists or not.

        Args:
            name: relative path with slashes or, as Windows tools write it, backslashes.
            where: the place of the name, for the message.

        Raises:
            DataError: the name is empty, absolute, climbs out with '..', or is a link that leads out.
        """
        plain = name if "\\" not in name or (self.folder / name).exists() else name.replace("\\", "/")
        parts = PurePosixPath(plain)
        if not plain.strip() or "\0" in plain:
            raise DataError(f"{where}: the name of a picture is empty")
        if parts.is_absolute() or ".." in parts.parts or plain[1:3] in (":/", ":\\"):
            raise DataError(f"{where}: '{name}' leaves the folder of the data set; names must be relative to it")
        path = self.folder / plain
        if not path.resolve().is_relative_to(self._resolved):
            raise DataError(f"{where}: '{name}' is a link that leads out of '{self.folder}'; copy the file there")
        return path

    def name(self, path: Path) -> str:
        """Return a path below the folder as a name with slashes."""
        return path.relative_to(self.folder).as_posix()

    def file(self, *patterns: str) -> Path:
        """Return the first file that fits one of the glob patterns, tried in order; upper and lower case are one.

        Raises:
            DataError: none fits.
        """
        found = self.maybe(*patterns)
        if found is None:
            raise DataError(
                f"'{self.folder}' has no {' or '.join(patterns)}; {self.title} is a folder with {self.expected}"
            )
        return found

    def maybe(self, *patterns: str) -> Path | None:
        """Return what `file` returns, or None."""
        for pattern in patterns:
            found = sorted(p for p in self.folder.glob(_any_case(pattern)) if p.is_file())
            if found:
                return found[0]
        return None

    def child(self, *names: str) -> Path:
        """Return the first folder of these names below this one (case does not matter), or the folder itself."""
        for name in names:
            found = sorted(p for p in self.folder.glob(_any_case(name)) if p.is_dir())
            if found:
                return found[0]
        return self.folder

    def pictures(self, folder: Path | None = None) -> Iterator[Path]:
        """Walk a folder below this one in name order and yield its pictures.

        Raises:
            DataError: the folder cannot be listed, or a link leads out of the data set.
        """
        start = folder or self.folder
        try:
            for path in imaging.find(start):
                yield self.inside(self.name(path), f"folder '{start.name}'") if path.is_symlink() else path
        except ImageError as error:
            raise DataError(str(error)) from error


def _any_case(pattern: str) -> str:
    """Make a glob pattern that fits upper and lower case."""
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in pattern)
