"""The environment of the training process."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

    from ..context import Context


def checkpoint_dir(ctx: "Context") -> str:
    """RUNCTL_CHECKPOINT_DIR; there is one also when nothing is published."""
    checkpoints = ctx.attempt.get("checkpoints")
    return os.path.join(ctx.work, checkpoints["dir"] if checkpoints else "checkpoints")


def build(ctx: "Context", resume_from: "Optional[str]") -> "Dict[str, str]":
    """The host's environment, the run's, its secrets, and ours on top."""
    from .device import detect

    attempt = ctx.attempt
    env = {name: value for name, value in os.environ.items() if not name.startswith("RUNCTL_")}
    env.setdefault("PYTHONUNBUFFERED", "1")
    env.update(attempt["env"])
    env.update(ctx.secrets_env)
    checkpoints = attempt.get("checkpoints") or {}
    suggested = checkpoints.get("suggestedSaveSeconds")
    job = os.path.join(ctx.dir, "job")
    env.update(
        RUNCTL_RUN_ID=attempt["runId"],
        RUNCTL_ATTEMPT=str(attempt["attempt"]),
        RUNCTL_NONCE=attempt["nonce"],
        RUNCTL_RESUME_FROM=resume_from or "",
        RUNCTL_CHECKPOINT_DIR=checkpoint_dir(ctx),
        RUNCTL_OUTPUT_DIR=os.path.normpath(os.path.join(ctx.work, attempt["env"].get("RUNCTL_OUTPUT_DIR") or "output")),
        RUNCTL_DATA_DIR=os.path.join(ctx.work, "data"),
        RUNCTL_DEADLINE=attempt.get("deadlineAt") or "",
        RUNCTL_NOTICE_FILE=os.path.join(job, "notice.json"),
        RUNCTL_DONE_FILE=os.path.join(job, "done"),
        RUNCTL_SUGGESTED_SAVE_SECONDS="" if suggested is None else "%g" % suggested,
        RUNCTL_DEVICE=detect(env),
    )
    if attempt.get("traceparent"):
        env["TRACEPARENT"] = attempt["traceparent"]
    return env
