"""Has the host been started anew since the attempt began?"""

from __future__ import annotations

import json
import os

from .. import procs
from ..records import read_record, write_record


def begun_uptime(dir: str) -> "float | None":
    """Uptime at which the attempt began on this boot; None when it began on an earlier one."""
    boot = procs.boot_id()
    try:
        with open(os.path.join(dir, "boots.jsonl")) as file:
            first = json.loads(file.readline())
        if isinstance(first, dict) and first.get("bootId") != boot:
            return None
    except (OSError, ValueError):
        pass  # The guardian could not write it (full disk): the record below decides.
    path = os.path.join(dir, "begun.json")
    record = read_record(path)
    if record is None:
        record = {"bootId": boot, "uptime": procs.uptime()}
        try:
            # Only of use on this boot: needs no sync.
            write_record(path, record, durable=False)
        except OSError:
            pass
    return float(record["uptime"]) if record.get("bootId") == boot else None
