"""What goes on beside the training: checkpoints are published, outputs collected, log lines read."""

from __future__ import annotations

import os
import threading

from ..store import StoreError
from ..uploads.log_lines import LogLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from ..context import Context
    from ..uploads.metric_files import MetricFiles


class Beside:
    """Helpers with threads of their own; a slow store slows none of the others."""

    def __init__(self, ctx: "Context") -> None:
        self._ctx = ctx
        self.publisher: "Any" = None
        self.outputs: "Any" = None
        self.lines: "Optional[LogLines]" = None
        self.metrics: "Optional[MetricFiles]" = None

    def start(self, restored: "Optional[str]", training: "Callable[[], bool]", over: "threading.Event") -> None:
        """`restored`: the manifest the training began from. `training`: does it still run?"""
        self._ctx.current_progress = None
        self.load_publisher(restored)
        if self.publisher is not None:
            self.publisher.start()
        checkpoints = self._ctx.attempt["checkpoints"] or {}
        note = None if self.publisher is None else self.publisher.note_metrics
        log = os.path.join(self._ctx.dir, "log")
        self.lines = LogLines(log, checkpoints.get("metricPatterns") or [], note, checkpoints.get("metricNames"))
        self.load_metrics()
        threading.Thread(target=self._collect, args=(training, over), name="outputs", daemon=True).start()

    def load_publisher(self, restored: "Optional[str]") -> None:
        """Only an attempt with checkpoints has one."""
        if self._ctx.attempt["checkpoints"] is not None and self.publisher is None:
            from ..ckpt.publisher import Publisher

            self.publisher = Publisher(self._ctx, restored)

    def load_metrics(self) -> None:
        """Only an attempt with metrics files has one."""
        if self._ctx.attempt.get("metricFiles") and self.metrics is None:
            from ..uploads.metric_files import MetricFiles

            self.metrics = MetricFiles(self._ctx, None if self.publisher is None else self.publisher.note_metrics)

    def look(self) -> None:
        """What the training says, in its log and in its metrics files."""
        if self.lines is not None:
            self.lines.look()
        if self.metrics is not None:
            self.metrics.look()

    def load_outputs(self) -> None:
        """Needed as soon as there may be any."""
        if self.outputs is None:
            from ..uploads.outputs import Outputs

            self.outputs = Outputs(self._ctx)

    def _collect(self, training: "Callable[[], bool]", over: "threading.Event") -> None:
        while training() and not over.wait(1.0):
            self.load_outputs()
            try:
                if training():
                    self.outputs.collect(False, False)
            except (StoreError, OSError) as error:
                self._ctx.setup_log("runctl: collecting outputs failed, will be tried again: %s\n" % error)

    def facts(self) -> "Dict[str, Any]":
        """For status.json."""
        publisher = self.publisher
        return {
            "step": self.lines.step if self.lines else None,
            "checkpoint": publisher.newest if publisher else None,
            "published": publisher.published if publisher else 0,
            "uploading": publisher.uploading if publisher else None,
        }
