"""Programs on a PATH, without the standard library's shutil, which takes milliseconds to import."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def which(name: str, path: "Optional[str]" = None) -> "Optional[str]":
    """The first file of that name on `path` (else PATH) that may be executed."""
    for folder in (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep):
        full = os.path.join(folder or os.curdir, name)
        if os.access(full, os.X_OK) and os.path.isfile(full):
            return full
    return None
