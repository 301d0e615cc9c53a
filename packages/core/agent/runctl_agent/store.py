"""Object stores as the host reaches them. Keys are POSIX paths relative to the store's prefix."""

from __future__ import annotations

import os
import stat

from .records import fsync_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Iterator, Optional, Tuple

CHUNK = 1 << 20
TMP = ".runctl-tmp-"


class StoreError(Exception):
    """The store failed or refused. The message is for people and holds no secret."""


class Missing(StoreError):
    """No such object."""


class Conflict(StoreError):
    """create_only, and the object exists."""


class Store:
    """All or nothing: a reader never sees half an object. Every method raises StoreError."""

    kind = "none"

    def put_bytes(self, key: str, data: bytes, create_only: bool = False) -> None:
        """Writes an object. Conflict when create_only and it exists."""
        raise NotImplementedError

    def put_file(self, key: str, path: str, create_only: bool = False) -> None:
        """Uploads a file's bytes."""
        raise NotImplementedError

    def get_bytes(self, key: str) -> bytes:
        """The object's bytes. Missing."""
        raise NotImplementedError

    def get_file(self, key: str, dest_path: str) -> None:
        """Downloads into a file by tmp and rename; its folder must exist. Missing."""
        raise NotImplementedError

    def open_range(self, key: str, offset: int, size: int) -> "BinaryIO":
        """A reader of at most `size` bytes from `offset`. Missing."""
        raise NotImplementedError

    def size(self, key: str) -> "Optional[int]":
        """Size in bytes, None when there is no such object."""
        raise NotImplementedError

    def list(self, prefix: str) -> "Iterator[Tuple[str, int]]":
        """(key, size) of every object whose key begins with `prefix`, in byte order."""
        raise NotImplementedError

    def sweep(self, prefix: str) -> None:
        """Removes what killed writers of this store left half written below a folder. Only for folders that nobody else writes to now."""

    def delete(self, key: str) -> None:
        """Removes an object; gone is success. Only for pruning: hosts need no right to delete."""
        raise NotImplementedError


class UnreachableStore(Store):
    """Stands for a store that could not be opened: every use says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    def _refuse(self, *_args: object, **_options: object) -> "Any":
        raise StoreError(self._why)

    put_bytes = put_file = get_bytes = get_file = open_range = size = list = delete = _refuse


class _Range:
    """The part of a file that was asked for."""

    def __init__(self, file: "BinaryIO", size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        want = self._left if size < 0 else min(size, self._left)
        data = self._file.read(want) if want > 0 else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "_Range":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileStore(Store):
    """A folder. Tmp file in the same folder, sync, then link (create only) or rename."""

    kind = "file"

    def __init__(self, root: str, prefix: str) -> None:
        if not os.path.isabs(root):
            raise StoreError("the root of a file store must be an absolute folder, not %r" % root)
        self.root = root
        self.prefix = prefix

    def _path(self, key: str) -> str:
        full = self.prefix + key
        if "\0" in full or any(part in ("", ".", "..") for part in full.split("/")):
            raise StoreError("the key %r is not a plain relative path" % full)
        return os.path.join(self.root, full)

    def _put(self, key: str, create_only: bool, fill: "Any") -> None:
        path = self._path(key)
        folder = os.path.dirname(path)
        tmp = "%s/%s%d-%s" % (folder, TMP, os.getpid(), os.urandom(6).hex())
        try:
            if create_only and os.path.lexists(path):
                raise Conflict("%s exists already" % key)
            try:
                fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except FileNotFoundError:
                os.makedirs(folder, mode=0o700, exist_ok=True)
                fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                try:
                    fill(fd)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                if create_only:
                    os.link(tmp, path)
                    os.unlink(tmp)
                else:
                    os.rename(tmp, path)
            except BaseException:
                try:
                    os.unlink(tmp)
                except OSError:
                    pass
                raise
            fsync_dir(folder)
        except FileExistsError:
            raise Conflict("%s exists already" % key) from None
        except OSError as error:
            raise StoreError("writing %s failed: %s" % (path, error.strerror or error)) from error

    def put_bytes(self, key: str, data: bytes, create_only: bool = False) -> None:
        def fill(fd: int) -> None:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]

        self._put(key, create_only, fill)

    def put_file(self, key: str, path: str, create_only: bool = False) -> None:
        def fill(fd: int) -> None:
            source = os.open(path, os.O_RDONLY)
            try:
                _copy(source, fd)
            finally:
                os.close(source)

        self._put(key, create_only, fill)

    def _open(self, key: str) -> "BinaryIO":
        path = self._path(key)
        try:
            file = open(path, "rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing("there is no %s" % path) from None
        except OSError as error:
            raise StoreError("reading %s failed: %s" % (path, error.strerror or error)) from error
        return file

    def get_bytes(self, key: str) -> bytes:
        with self._open(key) as file:
            try:
                return b"".join(iter(lambda: file.read(CHUNK), b""))
            except OSError as error:
                raise StoreError("reading %s failed: %s" % (key, error.strerror or error)) from error

    def get_file(self, key: str, dest_path: str) -> None:
        tmp = "%s%s%d-%s" % (os.path.join(os.path.dirname(dest_path), TMP), "", os.getpid(), os.urandom(6).hex())
        with self._open(key) as file:
            try:
                fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                try:
                    _copy(file.fileno(), fd)
                finally:
                    os.close(fd)
                os.rename(tmp, dest_path)
            except OSError as error:
                try:
                    os.unlink(tmp)
                except OSError:
                    pass
                raise StoreError("bringing %s to %s failed: %s" % (key, dest_path, error.strerror or error)) from error

    def open_range(self, key: str, offset: int, size: int) -> "BinaryIO":
        file = self._open(key)
        file.seek(offset)
        return _Range(file, size)  # type: ignore[return-value]

    def size(self, key: str) -> "Optional[int]":
        try:
            found = os.stat(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError("looking at %s failed: %s" % (key, error.strerror or error)) from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> "Iterator[Tuple[str, int]]":
        full = self.prefix + prefix
        folder = full.rpartition("/")[0]
        for path, size in self._walk(folder, full):
            yield path[len(self.prefix) :], size

    def _walk(self, folder: str, prefix: str) -> "Iterator[Tuple[str, int]]":
        try:
            with os.scandir(os.path.join(self.root, folder)) as scan:
                # A folder sorts as its name with the slash: that is byte order of the whole keys.
                entries = sorted(
                    (os.fsencode(e.name + ("/" if e.is_dir(follow_symlinks=False) else "")), e) for e in scan
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError("listing %s failed: %s" % (folder, error.strerror or error)) from error
        for raw, entry in entries:
            path = (folder + "/" if folder else "") + entry.name
            if raw.endswith(b"/"):
                if (path + "/").startswith(prefix) or prefix.startswith(path + "/"):
                    yield from self._walk(path, prefix)
            elif path.startswith(prefix) and not entry.name.startswith(TMP):
                try:
                    found = entry.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield path, found.st_size

    def sweep(self, prefix: str) -> None:
        folder = os.path.join(self.root, (self.prefix + prefix).rpartition("/")[0])
        own = "%s%d-" % (TMP, os.getpid())
        for path, _, names in os.walk(folder):
            for name in names:
                if name.startswith(TMP) and not name.startswith(own):
                    try:
                        os.unlink(os.path.join(path, name))
                    except OSError:
                        pass

    def delete(self, key: str) -> None:
        try:
            os.unlink(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise StoreError("removing %s failed: %s" % (key, error.strerror or error)) from error


def _copy(source: int, target: int) -> None:
    """The rest of one descriptor to another, by the kernel where it can."""
    send = getattr(os, "sendfile", None)
    if send is not None and os.uname().sysname == "Linux":
        try:
            while send(target, source, None, 1 << 26) > 0:
                pass
            return
        except OSError as error:
            if error.errno not in (22, 38, 95):  # not for this kind of file: copy by hand what is left
                raise
    while True:
        view = memoryview(os.read(source, CHUNK))
        if not view:
            return
        while view:
            view = view[os.write(target, view) :]


def open_store(prefix: str, access: "Dict[str, Any]", secrets: "Dict[str, str]") -> Store:
    """The store that `access` (attempt.json, without secrets) describes. StoreError when this agent cannot reach such a store."""
    kind = access.get("kind")
    if kind == "file":
        root = access.get("settings", {}).get("root")
        if not isinstance(root, str):
            raise StoreError('a file store needs settings.root, the absolute folder, e.g. "/var/lib/runctl/store"')
        return FileStore(root, prefix)
    raise StoreError("this version of the host agent cannot reach %r stores by itself" % (kind,))
