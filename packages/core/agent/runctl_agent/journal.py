"""events.jsonl and setup.log: what is worth telling, as it happens."""

from __future__ import annotations

import json
import os
import threading

from .records import iso_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict


class Journal:
    """Both files of one attempt; used from any thread. Without room nothing is written, and nothing fails."""

    def __init__(self, dir: str) -> None:
        self._dir = dir
        self._lock = threading.Lock()

    def emit(self, event: "Dict[str, Any]") -> None:
        """A line of events.jsonl, whole or not at all."""
        line = json.dumps(dict(event, at=event.get("at") or iso_now())).encode("ascii") + b"\n"
        with self._lock:
            try:
                fd = os.open(os.path.join(self._dir, "events.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    size = os.fstat(fd).st_size
                    if os.write(fd, line) != len(line):
                        os.ftruncate(fd, size)
                finally:
                    os.close(fd)
            except OSError:
                pass

    def decision(self, text: str) -> None:
        """Something that the agent decided, for people."""
        self.emit({"type": "decision", "what": text})

    def setup_log(self, text: str) -> None:
        """Appends to setup.log as it is."""
        try:
            with open(os.path.join(self._dir, "setup.log"), "ab", buffering=0) as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError:
            pass
