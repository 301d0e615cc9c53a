"""Brings the code snapshot into the working folder: packs are read from front to back, every byte is checked while it is written."""

from __future__ import annotations

import os
import stat
from hashlib import sha256 as _sha256

from ..context import SetupError
from ..progress import Progress
from ..records import read_record, write_record
from ..store import Missing, StoreError
from .space import FULL, disk_full, require_space
from .tree import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, List

    from ..context import Context
    from ..store import Store
    from .tree import Tree, TreeFile

MARKER = "staged.json"
BUFFER = 4 << 20
"""Blobs up to this size are written in one piece; larger ones stream through a buffer of this size."""
GAP = 256 << 10
"""Bytes of other trees that are read over rather than asking for another range."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_DAMAGED = ["start a new run: the snapshot is made again from the project root"]


def materialise(ctx: "Context", store: "Store", manifest_key: str, sha256: str, workdir: str) -> None:
    """Makes `workdir` hold exactly the tree of the manifest, beside whatever else is there.

    Done once an attempt: a marker in the attempt's folder tells a whole tree from a half one, and a half one is made anew. Nothing is
    synced, because after a reboot the attempt is over anyway. SetupError: manifest or pack missing, damaged or hostile; disk full.
    Cancelled when the attempt is told to stop.
    """
    marker = os.path.join(ctx.dir, MARKER)
    if (read_record(marker) or {}).get("sha256") == sha256:
        return
    try:
        tree = parse(store.get_bytes(manifest_key), sha256)
    except Missing:
        raise SetupError("the code snapshot is gone", "the store has no %s" % manifest_key, _DAMAGED) from None
    except StoreError as error:
        raise SetupError(
            "the code snapshot cannot be read", str(error), ["check the run's store and start the run again"]
        ) from error
    root = os.fsencode(workdir)
    try:
        os.makedirs(root, exist_ok=True)
        require_space(workdir, tree.size, len(tree.files) + len(tree.dirs), "the code")
        used = bool(os.listdir(root))
        _folders(root, tree, used)
        _Writer(ctx, store, tree, root).write()
        for path, target in tree.links:
            os.symlink(target, root + b"/" + path)
        write_record(marker, {"sha256": sha256, "files": len(tree.files), "sizeBytes": tree.size})
    except FileExistsError as error:
        raise SetupError(
            "%s is there already" % _name(error, root),
            "two names of the tree are one and the same to this file system, or something else wrote it",
            ["rename one of the two files (names that differ in case or accents only)"],
        ) from error
    except StoreError as error:
        raise SetupError(
            "the code snapshot cannot be read", str(error), ["check the run's store and start the run again"]
        ) from error
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(workdir, tree.size, "the code") from error
        raise SetupError("%s cannot be written" % _name(error, root), error.strerror or str(error)) from error


def _name(error: OSError, root: bytes) -> str:
    name = os.fsencode(error.filename) if isinstance(error.filename, (str, bytes)) else root
    return (
        name[len(root) + 1 :].decode("utf-8", "replace")
        if name.startswith(root + b"/")
        else name.decode("utf-8", "replace")
    )


def _folders(root: bytes, tree: "Tree", used: bool) -> None:
    """Every folder of the tree. In a used working folder, what an earlier try left at the tree's names is taken away first."""
    for path in tree.dirs:
        full = root + b"/" + path
        try:
            os.mkdir(full)
        except FileExistsError:
            # Not through a link: what is written below must land below.
            if not stat.S_ISDIR(os.lstat(full).st_mode):
                os.unlink(full)
                os.mkdir(full)
    if not used:
        return
    for path in [file.path for file in tree.files] + [link[0] for link in tree.links]:
        try:
            os.unlink(root + b"/" + path)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            # An empty folder that the agent made by default (output, data), where the project has a file.
            os.rmdir(root + b"/" + path)


class _Writer:
    """Writes the files of a tree, in the order in which their bytes lie in the packs."""

    def __init__(self, ctx: "Context", store: "Store", tree: "Tree", root: bytes) -> None:
        self._ctx = ctx
        self._store = store
        self._packs = tree.packs
        self._files = sorted(tree.files, key=lambda file: (file.pack, file.offset, file.size))
        self._root = root + b"/"
        self._progress = Progress(ctx, "staging", tree.size, "bytes")
        self._reader: "BinaryIO | None" = None
        self._pack = -1
        # The part of the pack that is in memory and where it begins; the reader stands at its end.
        self._held = b""
        self._base = 0
        self._pending = 0

    def write(self) -> None:
        ends = self._span_ends()
        try:
            for index, file in enumerate(self._files):
                if file.size > BUFFER:
                    self._large(file, ends[index])
                else:
                    self._small(file, ends[index])
        finally:
            if self._reader is not None:
                self._reader.close()
        self._progress.add(self._pending)
        self._progress.finish()

    def _span_ends(self) -> "List[int]":
        """For each file the end of the stretch of its pack that is wanted in one read, small gaps of other trees' blobs included."""
        ends = [file.offset + file.size for file in self._files]
        for index in range(len(ends) - 2, -1, -1):
            file, after = self._files[index], self._files[index + 1]
            if file.pack == after.pack and after.offset <= ends[index] + GAP:
                ends[index] = max(ends[index], ends[index + 1])
        return ends

    def _seek(self, file: "TreeFile", span_end: int) -> None:
        """Makes the held bytes begin at or before the file's, with the reader behind them."""
        within = self._base <= file.offset <= self._base + len(self._held) + GAP
        if self._reader is not None and self._pack == file.pack and within:
            return
        if self._reader is not None:
            self._reader.close()
        self._reader = self._store.open_range(self._packs[file.pack], file.offset, span_end - file.offset)
        self._pack = file.pack
        self._held = b""
        self._base = file.offset

    def _read(self, want: int) -> bytes:
        """One piece of the pack; the file store answers what one system call gives."""
        self._ctx.check_cancelled()
        if self._reader is None:
            raise StoreError("no pack is open")
        try:
            return self._reader.read(want)
        except OSError as error:
            raise StoreError("reading %s failed: %s" % (self._packs[self._pack], error.strerror or error)) from error

    def _small(self, file: "TreeFile", span_end: int) -> None:
        blob = b""
        if file.size:
            start = file.offset - self._base
            if file.pack != self._pack or start < 0 or start + file.size > len(self._held):
                self._fill(file, span_end)
                start = file.offset - self._base
            blob = self._held[start : start + file.size]
        if _sha256(blob).hexdigest() != file.sha256:
            raise self._damaged(file)
        fd = os.open(self._root + file.path, _CREATE, 0o755 if file.executable else 0o644)
        try:
            if file.size and os.write(fd, blob) != file.size:
                # A file's short write means a disk that is filling up; starting over lets the next write say so.
                os.lseek(fd, 0, os.SEEK_SET)
                _write_all(fd, blob)
        finally:
            os.close(fd)
        self._pending += file.size

    def _fill(self, file: "TreeFile", span_end: int) -> None:
        self._seek(file, span_end)
        self._progress.add(self._pending)
        self._pending = 0
        start = file.offset - self._base
        pieces = [self._held[start:]]
        skip = start - len(self._held)
        have = len(pieces[0])
        while have < file.size:
            piece = self._read(BUFFER)
            if not piece:
                raise self._damaged(file)
            if skip > 0:
                piece, skip = piece[skip:], skip - len(piece)
            pieces.append(piece)
            have += len(piece)
        self._held = b"".join(pieces)
        self._base = file.offset

    def _large(self, file: "TreeFile", span_end: int) -> None:
        self._seek(file, span_end)
        start = file.offset - self._base
        piece = self._held[start:]
        skip = max(0, start - len(self._held))
        digest = _sha256()
        left = file.size
        fd = os.open(self._root + file.path, _CREATE, 0o755 if file.executable else 0o644)
        try:
            while True:
                if skip:
                    piece, skip = piece[skip:], max(0, skip - len(piece))
                part = piece[:left]
                digest.update(part)
                _write_all(fd, part)
                left -= len(part)
                self._progress.add(len(part))
                if not left:
                    break
                piece = self._read(BUFFER)
                if not piece:
                    raise self._damaged(file)
        finally:
            os.close(fd)
        self._held = piece[len(part) :]
        self._base = file.offset + file.size
        if digest.hexdigest() != file.sha256:
            raise self._damaged(file)

    def _damaged(self, file: "TreeFile") -> SetupError:
        return SetupError(
            "the code snapshot is damaged",
            "the bytes of %s in %s are not those that were stored"
            % (file.path.decode("utf-8"), self._packs[file.pack]),
            _DAMAGED,
        )


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
