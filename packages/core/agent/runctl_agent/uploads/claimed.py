"""Has this host claimed its attempt? Only then may it write to the attempt's records in the store: they may be another machine's."""

from __future__ import annotations

import os

from ..records import write_bytes

_claimed = False


def note_claimed(dir: str) -> None:
    """The claim is ours. For this process at once, for a successor by a file."""
    global _claimed
    _claimed = True
    try:
        # Only of use on this disk, and made anew when it is lost: needs no sync.
        write_bytes(os.path.join(dir, "claimed"), b"", durable=False)
    except OSError:
        pass


def is_claimed(dir: str) -> bool:
    """Trained means claimed, too: the file may not have fitted on a full disk."""
    return _claimed or any(os.path.exists(os.path.join(dir, name)) for name in ("claimed", "runner.json"))
