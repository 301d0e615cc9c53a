"""From the attempt's file and its secrets to a context."""

from __future__ import annotations

import os
import threading

from .. import procs
from ..context import Context
from ..store import StoreError, UnreachableStore, open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from ..journal import Journal
    from ..store import Store


def open_context(
    dir: str, agent: str, attempt: "Dict[str, Any]", secrets: "Optional[Dict[str, Any]]", journal: "Journal"
) -> Context:
    """`dir` is <home>/runs/<run>/<attempt>, `agent` is <cache>/agent/<digest>."""
    given = secrets or {"env": {}, "stores": {}}
    return Context(
        attempt=attempt,
        dir=dir,
        home=os.path.dirname(os.path.dirname(os.path.dirname(dir))),
        cache=os.path.dirname(os.path.dirname(agent)),
        work=os.path.join(dir, "work"),
        stores=[_open(store, given["stores"].get(str(index), {})) for index, store in enumerate(attempt["stores"])],
        secrets_env=given["env"],
        emit=journal.emit,
        decision=journal.decision,
        uptime=procs.uptime,
        setup_log=journal.setup_log,
        cancelled=threading.Event(),
    )


def _open(store: "Dict[str, Any]", secrets: "Dict[str, str]") -> "Store":
    try:
        return open_store(store["prefix"], store["access"], secrets)
    except StoreError as error:
        # The attempt fails when it needs the store, and can still tell so.
        return UnreachableStore(str(error))


def needs_secrets(attempt: "Dict[str, Any]") -> bool:
    """Can this attempt only be set up with what came on standard input?"""
    return bool(attempt["secretNames"]) or any(store["access"]["kind"] != "file" for store in attempt["stores"])
