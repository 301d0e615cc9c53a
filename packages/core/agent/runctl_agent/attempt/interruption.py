"""What to do about the provider's notice: the time that is left is for one more checkpoint, if one fits (P-14)."""

from __future__ import annotations

from .notice import seconds_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from ..context import Context

ACTIONS_THAT_STOP = ("terminate", "stop", "hibernate")
# host-and-state.md §3: a new save only if measured save + upload < 0.7 × the time left.
SHARE_OF_TIME_LEFT = 0.7


def grace_for(
    ctx: "Context", notice: "Dict[str, Any]", grace: float, upload_seconds: "Optional[float]"
) -> "Optional[float]":
    """Seconds of grace for the training; None when the notice does not end it. Tells what was decided."""
    ctx.emit({"type": "notice", "action": notice["action"], "until": notice["at"], "source": "hook"})
    if notice["action"] not in ACTIONS_THAT_STOP:
        ctx.decision("%s announced: training goes on" % notice["action"])
        return None
    left = seconds_left(notice["at"])
    if left is None:
        ctx.decision("the job is told to save: the notice names no time")
        return grace
    upload = upload_seconds or 0.0
    if upload_seconds is not None and upload >= SHARE_OF_TIME_LEFT * left:
        ctx.decision("no new checkpoint is asked for: its upload takes %.0f s, %.0f s are left" % (upload, left))
        return 0.0
    ctx.decision("the job is told to save: %.0f s are left, an upload takes %.0f s" % (left, upload))
    return max(0.0, min(grace, left - upload - 1.0))
