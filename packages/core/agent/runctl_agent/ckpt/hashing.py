"""Streaming SHA-256."""

from __future__ import annotations

import hashlib
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Tuple

# Small enough for the second-level cache, where reading and hashing meet: 1.18 of `openssl dgst` where 8 MiB gave 1.09.
BLOCK = 256 << 10


def hash_file(path: str, stop: "Optional[Callable[[], bool]]" = None) -> "Tuple[str, int]":
    """(lower-case hex, bytes) of a file; one buffer of 256 KiB whatever its size. OSError; InterruptedError when `stop` says so."""
    digest = hashlib.sha256()
    total = 0
    fd = os.open(path, os.O_RDONLY)
    try:
        # A save of 10,000 small files must not clear 80 GB of buffers.
        buffer = bytearray(max(1 << 16, min(BLOCK, os.fstat(fd).st_size + 1)))
        view = memoryview(buffer)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        with open(fd, "rb", buffering=0, closefd=False) as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    return digest.hexdigest(), total
                digest.update(view[:count])
                total += count
                if stop is not None and stop():
                    raise InterruptedError("hashing %s was stopped" % path)
    finally:
        os.close(fd)


def list_digest(files: "List[Tuple[str, int, str]]") -> str:
    """One digest for a checkpoint: SHA-256 of the canonical JSON of its files, [{"path", "sha256", "size"}, ...] by path in byte order."""
    ordered = sorted(files, key=lambda item: item[0].encode("utf-8"))
    text = json.dumps(
        [{"path": path, "sha256": sha256, "size": size} for path, size, sha256 in ordered],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
