"""How often the checkpoint dir is looked at: at once when something stirs, seldom when nothing does, never for more than a small share of a core."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

FAST = 0.1
"""Seconds between two looks while a save is being followed."""
CHECK = 0.25
"""Seconds between two looks at the folders' own times, which tell of new, renamed and deleted files."""
AWAKE = 3.0
"""Seconds for which the folders are looked at as fast as that after something stirred: saves come in rows."""
WHOLE = 1.0
"""Seconds after which everything is looked at although no folder changed: files that are rewritten in place."""
MAX = 10.0
# 10,000 files are looked at less often than 10.
SHARE, IDLE_SHARE = 0.05, 0.01


class Pace:
    """Fed with what each look cost and found; says when the next one is due."""

    def __init__(self) -> None:
        self._idle = False
        self._whole_at = 0.0
        self._awake_until = 0.0
        self.pause = FAST
        """Seconds until the next call of `due`."""

    def due(self, now: float, root: str, folders: "Dict[str, int]") -> bool:
        """Is a look worth it? `folders`: those of the last look with their times (ns)."""
        return not self._idle or now >= self._whole_at or stirred(root, folders)

    def looked(self, now: float, cost: float, waiting: bool) -> None:
        """A look took `cost` seconds; `waiting`: something has not come to rest yet."""
        self._idle = not waiting
        if waiting:
            self._awake_until = now + AWAKE
            self.pause = min(MAX, max(FAST, cost / SHARE))
        else:
            self.pause = FAST if now < self._awake_until else CHECK
            self._whole_at = now + min(MAX, max(WHOLE, cost / IDLE_SHARE))

    def checked(self, now: float, cost: float) -> None:
        """Only the folders' times were looked at."""
        awake = now < self._awake_until
        self.pause = min(MAX, max(FAST, cost / SHARE) if awake else max(CHECK, cost / IDLE_SHARE))


def stirred(root: str, folders: "Dict[str, int]") -> bool:
    """Did any folder change since its time was taken?"""
    if not folders:
        return os.path.isdir(root)
    for folder, seen in folders.items():
        try:
            if os.stat(root + "/" + folder if folder else root).st_mtime_ns != seen:
                return True
        except OSError:
            return True
    return False
