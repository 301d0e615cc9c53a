"""The logs' way into the store: immutable chunks named by their first byte's offset, so that nothing is lost or sent twice."""

from __future__ import annotations

import os

from ..store import Conflict, Missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from ..store import Store

CHUNK = 4 << 20


class LogShip:
    """One log file. `ship` may be called again after any error, also by a restarted supervisor."""

    def __init__(self, store: "Store", path: str, prefix: str) -> None:
        self._store = store
        self._path = path
        self._prefix = prefix
        self._fd: "Optional[int]" = None
        self.offset: "Optional[int]" = None
        """Bytes that are safely in the store; None until it was asked."""

    def _resume(self) -> int:
        end = 0
        for key, size in self._store.list(self._prefix):
            name = key[len(self._prefix) :]
            if name.isdigit():
                end = max(end, int(name) + size)
        return end

    def ship(self, final: bool = False) -> int:
        """Sends what is new, at least one chunk's worth or whatever there is. Returns the offset reached. Raises StoreError."""
        if self._fd is None:
            try:
                self._fd = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return 0
        if self.offset is None:
            self.offset = self._resume()
        while True:
            data = os.pread(self._fd, CHUNK, self.offset)
            if not data:
                return self.offset
            try:
                self._store.put_bytes("%s%016d" % (self._prefix, self.offset), data, create_only=True)
                self.offset += len(data)
            except Conflict:
                # Sent before, with an unknown outcome: what is there counts, and it may be shorter than what is here now.
                size = self._store.size("%s%016d" % (self._prefix, self.offset))
                if not size:
                    raise Missing("the log chunk %016d has no bytes" % self.offset) from None
                self.offset += size
            if not final and len(data) < CHUNK:
                return self.offset

    def close(self) -> None:
        """Gives the file back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
