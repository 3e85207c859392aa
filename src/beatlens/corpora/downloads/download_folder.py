"""A folder that records are downloaded into: made by beatlens, and never left through a link.

Each component of a path is opened by itself, relative to the one above. None may be a symbolic link; only those above
the folder's parent may, which are the user's. A file has its final name only once it is whole; until then it is
``<name>.part``, locked by the process that fills it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedRandom, BufferedReader
from pathlib import Path

from beatlens.core.record_faults import RecordFault

MARKER = "remote.json"
"""Says what a folder was made for. Nothing else is read from it: where files come from stands in the configuration."""
LISTINGS = frozenset({"RECORDS", "SHA256SUMS"})
_MAX_MARKER_BYTES = 1 << 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def check_member(name: str, what: str) -> str:
    """Return a relative name that a record's file may have in the folder, or raise.

    Raises
    ------
    RecordFault
        ``unsafe_path`` where it leads out of the folder, has a hidden part or characters that don't print, or is that
        of a listing, the marker or a partial file.
    """
    parts = name.split("/")
    safe = name.isprintable() and "\\" not in name and ";" not in name
    safe = safe and all(part and not part.startswith(".") for part in parts)
    if not safe or parts[-1] in {*LISTINGS, MARKER} or name.endswith(".part"):
        raise RecordFault("unsafe_path", f"{what} {name!r}; expected a file of this corpus")
    return name


class DownloadFolder:
    """The folder, held open; use `opened`.

    Parameters
    ----------
    path
        Its place, for messages and results.
    descriptor
        It, opened.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor

    @classmethod
    @contextmanager
    def opened(cls, path: Path, source: Mapping[str, str], *, make: bool) -> Iterator[DownloadFolder | None]:
        """Open the folder that was made for a source, such as a server and a corpus there.

        Parameters
        ----------
        path
            The folder.
        source
            What it is for, in a few words by key.
        make
            Whether to make it where there is none; else None is given then.

        Raises
        ------
        RecordFault
            ``unsafe_path`` where it is a link, or was made for something else or by somebody else.
        """
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not os.path.lexists(path):
            yield None
            return
        with _directory(path.parent, None, path) as parent:
            if make:
                _make(path.name, parent, source)
            with _directory(path.name, parent, path) as descriptor:
                folder = cls(path, descriptor)
                if not folder._was_made_for(source):
                    raise RecordFault(
                        "unsafe_path",
                        f"{path} isn't a folder that beatlens made for {dict(source)}; move it away, or give the "
                        "corpus another name",
                    )
                yield folder

    def _was_made_for(self, source: Mapping[str, str]) -> bool:
        try:
            found = json.loads(self.read(MARKER, _MAX_MARKER_BYTES) or b"null")
        except (ValueError, RecursionError):
            return False
        return isinstance(found, dict) and all(found.get(key) == value for key, value in source.items())

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a file's first `limit` bytes, or None where there is no regular file of this name."""
        with self._reading(name) as file:
            return None if file is None else file.read(limit)

    def holds(self, name: str, sha256: str | None) -> bool:
        """Tell whether a file is here, with the right content where its sha256 is known."""
        with self._reading(name) as file:
            return file is not None and (sha256 is None or digest_of(file) == sha256)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file as a whole."""
        with self._parent(name, make=True) as (parent, last):
            _write(last, parent, content)

    @contextmanager
    def partial(self, name: str) -> Iterator[BufferedRandom]:
        """Open the partial file of a name, for appending and reading, locked; removed at the end where it is empty."""
        with self._parent(name, make=True) as (parent, last):
            part = f"{last}.part"
            with self._locked(part, parent) as file:
                try:
                    yield file
                finally:
                    if os.fstat(file.fileno()).st_size == 0:
                        with suppress(FileNotFoundError):
                            os.unlink(part, dir_fd=parent)

    @contextmanager
    def _locked(self, part: str, parent: int) -> Iterator[BufferedRandom]:
        while True:
            try:
                descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_APPEND | _FILE, 0o666, dir_fd=parent)
            except OSError as error:
                raise _not_ours(self.path / part, error) from error
            with os.fdopen(descriptor, "a+b") as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                    raise _not_ours(self.path / part, "a file with several names, or no plain file")
                fcntl.flock(file, fcntl.LOCK_EX)  # another run may fetch the same file
                with suppress(FileNotFoundError):
                    if os.stat(part, dir_fd=parent, follow_symlinks=False).st_ino == found.st_ino:
                        yield file
                        return
            # It got its final name, or was removed, while this waited.

    def keep(self, name: str) -> None:
        """Give a partial file its final name."""
        with self._parent(name, make=False) as (parent, last):
            os.replace(f"{last}.part", last, src_dir_fd=parent, dst_dir_fd=parent)

    @contextmanager
    def _reading(self, name: str) -> Iterator[BufferedReader | None]:
        try:
            with self._parent(name, make=False) as (parent, last):
                descriptor = os.open(last, os.O_RDONLY | _FILE, dir_fd=parent)
        except OSError:
            yield None
            return
        with os.fdopen(descriptor, "rb") as file:
            yield file if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    @contextmanager
    def _parent(self, name: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """Open the folder that a file lies in, made on the way or FileNotFoundError; with the last part of the name."""
        *above, last = name.split("/")
        descriptor = os.dup(self._descriptor)
        try:
            for depth, part in enumerate(above, start=1):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=descriptor)
                try:
                    below = os.open(part, _FOLDER, dir_fd=descriptor)
                except FileNotFoundError:
                    raise
                except OSError as error:
                    raise _not_ours(self.path.joinpath(*above[:depth]), error) from error
                os.close(descriptor)
                descriptor = below
            yield descriptor, last
        finally:
            os.close(descriptor)


def digest_of(file: BufferedReader | BufferedRandom) -> str:
    """Return the sha256 of an open file."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _directory(name: str | Path, parent: int | None, path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        raise _not_ours(path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make(name: str, parent: int, source: Mapping[str, str]) -> None:
    """Make the folder and its marker in one step, where there is no folder or an empty one."""
    with suppress(OSError):
        os.stat(f"{name}/{MARKER}", dir_fd=parent, follow_symlinks=False)
        return
    temporary = f".{name}.{secrets.token_hex(8)}.tmp"
    os.mkdir(temporary, dir_fd=parent)
    try:
        with _directory(temporary, parent, Path(temporary)) as descriptor:
            _write(MARKER, descriptor, json.dumps(dict(source), indent=1, sort_keys=True).encode() + b"\n")
        try:
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(f"{temporary}/{MARKER}", dir_fd=parent)
        with suppress(FileNotFoundError):
            os.rmdir(temporary, dir_fd=parent)


def _write(name: str, parent: int, content: bytes) -> None:
    temporary = f".{name}.{secrets.token_hex(8)}.tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
        with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=parent), "wb") as file:
            file.write(content)
        os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)


def _not_ours(path: Path, why: object) -> RecordFault:
    return RecordFault("unsafe_path", f"{path}: {why}; expected one that beatlens made itself, and no link")
