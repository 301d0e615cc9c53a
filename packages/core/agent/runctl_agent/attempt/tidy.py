"""What killed predecessors left half written."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

    from ..store import Store


def tidy_store(store: "Store", prefixes: "Iterable[str]") -> None:
    """Removes temporary objects below prefixes that only this attempt's host writes to."""
    for prefix in prefixes:
        store.sweep(prefix)


def tidy_folder(dir: str) -> None:
    """Removes temporary files of records in an attempt's folder: `<record>.tmp-<pid>`, `.new-<pid>`, and sh's `.<pid>`."""
    try:
        names = os.listdir(dir)
    except OSError:
        return
    for name in names:
        base, _, end = name.rpartition(".")
        pid = end[4:] if end.startswith(("tmp-", "new-")) else end
        if base and pid.isdigit() and int(pid) != os.getpid():
            try:
                os.unlink(os.path.join(dir, name))
            except OSError:
                pass
