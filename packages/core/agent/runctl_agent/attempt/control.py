"""Commands of the controller: control/<n>.json, in order, each once; the answer is control/<n>.done."""

from __future__ import annotations

import os

from ..records import iso_now, read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


class Control:
    """Watches the attempt's control folder."""

    def __init__(self, dir: str) -> None:
        self._folder = os.path.join(dir, "control")
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._seen: "object" = None

    def run(self, execute: "Callable[[Dict[str, Any]], str]") -> None:
        """Executes what is new. `execute` answers "ok" or why not; a command is marked done after it, and all of them can be repeated safely."""
        try:
            found = os.stat(self._folder).st_mtime_ns
            names = os.listdir(self._folder) if found != self._seen else []
        except OSError:
            return
        done = {name[:-5] for name in names if name.endswith(".done")}
        todo = sorted(
            (int(name[:-5]), name[:-5])
            for name in names
            if name.endswith(".json") and name[:-5].isdigit() and name[:-5] not in done
        )
        for _, number in todo:
            command = read_record(os.path.join(self._folder, number + ".json"))
            if command is None:
                answer = "not a command: no JSON object"
            else:
                try:
                    answer = execute(command)
                except (KeyError, TypeError, ValueError) as error:
                    answer = "not a command: %s %s" % (type(error).__name__, error)
            try:
                write_record(os.path.join(self._folder, number + ".done"), {"at": iso_now(), "result": answer})
            except OSError:
                return
        # A folder's time has the grain of a timer tick: only one that is older than this look can be trusted not to change unseen.
        self._seen = found if not todo and _age(found) > 1.0 else None


def _age(mtime_ns: int) -> float:
    import time

    return abs(time.time() - mtime_ns / 1e9)
