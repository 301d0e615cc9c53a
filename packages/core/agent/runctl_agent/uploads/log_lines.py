"""Step and metrics from what the training prints. Cheap: of a flood only the end is looked at, and of a line without end nothing."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

READ = 1 << 18
LINE = 1 << 14
NAMES = ("global_step", "step", "iteration", "iter")


class LogLines:
    """Follows a log file by its own offset."""

    def __init__(
        self,
        path: str,
        patterns: "List[str]",
        note: "Optional[Callable[[Dict[str, float]], None]]",
        names: "Optional[List[Optional[str]]]" = None,
    ) -> None:
        """`names[i]` is the metric of `patterns[i]`, whose group `value` or first group is the number."""
        self._path = path
        self._sources = patterns
        self._names = names or []
        self._note = note
        self._compiled: "Optional[List[Any]]" = None
        self._step: "Any" = None
        self._offset = 0
        self._rest = b""
        self.step: "Optional[float]" = None
        self.size = 0

    def look(self) -> None:
        """Reads what is new, at most 256 KiB of it."""
        try:
            self.size = os.stat(self._path).st_size
            if self.size <= self._offset:
                return
            if self.size - self._offset > READ:
                self._offset, self._rest = self.size - READ, b""
            with open(self._path, "rb", buffering=0) as file:
                file.seek(self._offset)
                data = file.read(READ)
        except OSError:
            return
        self._offset += len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LINE:
            self._rest = b""
        self._read([line.decode("utf-8", "replace") for line in lines if 0 < len(line) <= LINE])

    def _compile(self) -> None:
        import re

        self._step = re.compile(
            r"(?:^|[^A-Za-z0-9_])[\"']?(?:%s)[\"']?\s*[:=]?\s*\[?(\d+)" % "|".join(NAMES), re.IGNORECASE
        )
        self._compiled = []
        for index, source in enumerate(self._sources):
            name = self._names[index] if index < len(self._names) else None
            try:
                # Named groups are the one thing in which Python and JavaScript differ here.
                pattern = re.compile(source.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"))
                self._compiled.append((pattern, name))
            except re.error:
                continue

    def _read(self, lines: "List[str]") -> None:
        if not lines:
            return
        if self._compiled is None:
            self._compile()
        for line in reversed(lines):
            found = self._step.search(line)
            if found:
                self.step = float(found.group(1))
                break
        if self._note is None:
            return
        metrics: "Dict[str, float]" = {}
        for line in lines:
            for pattern, name in self._compiled or []:
                found = pattern.search(line)
                if found:
                    metrics.update(_values(found, name))
        if metrics:
            if self.step is not None:
                metrics.setdefault("step", self.step)
            self._note(metrics)


def _values(found: "Any", name: "Optional[str]") -> "Dict[str, float]":
    """The same rule as the controller's: group `value` or the first is the number, group `name` or the given name says of what.
    Without either, each named group is a metric, and of two plain groups the first is the name."""
    groups = found.groupdict()
    known = groups.get("name") or name
    if known is not None and found.re.groups > 0:
        pairs = {known: groups.get("value") or found.group(1)}
    elif groups:
        pairs = groups
    else:
        pairs = {found.group(1): found.group(2)} if found.re.groups == 2 else {}
    values = {}
    for key, text in pairs.items():
        try:
            values[str(key)] = float(text)
        except (TypeError, ValueError):
            continue
    return values
