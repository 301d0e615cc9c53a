"""Setup in its own thread: the loop goes on feeding the guardian, and can interrupt it."""

from __future__ import annotations

import threading

from ..context import Cancelled, SetupError
from ..store import StoreError
from .prepare import Refused, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

    from ..context import Context
    from .prepare import Prepared


class SetupWork:
    """Ends with `prepared` or with `failure`, then calls `wake`."""

    def __init__(self, ctx: "Context", busy_with: "Optional[str]", wake: "Callable[[], None]") -> None:
        self._ctx = ctx
        self._busy_with = busy_with
        self._wake = wake
        self.prepared: "Optional[Prepared]" = None
        self.failure: "Optional[Tuple[str, Optional[Dict[str, Any]]]]" = None
        self.thread: "Optional[threading.Thread]" = None

    def start(self, phase: "Callable[[str], None]", resumed: "Callable[[Any], None]") -> None:
        """`phase` and `resumed` are called in the setup thread."""
        self.thread = threading.Thread(target=self._run, args=(phase, resumed), name="setup", daemon=True)
        self.thread.start()

    @property
    def over(self) -> bool:
        """Has it come to an end, or died?"""
        return (
            self.prepared is not None or self.failure is not None or self.thread is None or not self.thread.is_alive()
        )

    def _run(self, phase: "Callable[[str], None]", resumed: "Callable[[Any], None]") -> None:
        try:
            self.prepared = prepare(self._ctx, self._busy_with, phase, resumed)
        except Refused as refused:
            self.failure = (refused.cause, refused.error)
        except Cancelled:
            self.failure = ("cancel", None)
        except SetupError as error:
            self.failure = ("setup-failed", {"what": error.what, "why": error.why, "fix": error.fix})
        except StoreError as error:
            fix = ["Look at the store's folder or rights, then start again"]
            self.failure = ("setup-failed", {"what": str(error), "why": "Setup needs the run's store.", "fix": fix})
        except BaseException as error:  # noqa: BLE001 - a bug here must end the attempt, not hang it
            import traceback

            traceback.print_exc()
            fix = ["Look at agent.log in the attempt's folder, and report this"]
            what = "the host agent failed: %s: %s" % (type(error).__name__, error)
            self.failure = ("setup-failed", {"what": what, "why": "", "fix": fix})
        self._wake()
