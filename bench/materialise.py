"""Laying a staged tree out on the host against rsync, in one run: python3 bench/materialise.py [files] [bytes per file] [rounds]

Prints a line per round and, last, the medians in seconds and their ratio (ours / rsync, lower is better). Both write into an
empty folder of the same file system; the rounds alternate, so that the disk's moods meet both. Needs rsync.
"""
from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, Tuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "packages", "core", "agent"))

from runctl_agent.setup.stage import MARKER, materialise  # noqa: E402
from tests.support import Attempt, snapshot  # noqa: E402


def main() -> None:
    count, size, rounds = (int(value) for value in (sys.argv[1:] + ["10000", "20000", "5"][len(sys.argv) - 1 :])[:3])
    base = tempfile.mkdtemp(prefix="runctl-bench-")
    try:
        attempt = Attempt(base)
        source = os.path.join(base, "source")
        files: Dict[str, Tuple[bytes, str]] = {}
        for number in range(count):
            path = "d%02d/e%02d/f%d.bin" % (number // 1000, number // 100 % 10, number)
            files[path] = (os.urandom(size), "644")
            os.makedirs(os.path.dirname(os.path.join(source, path)), exist_ok=True)
            with open(os.path.join(source, path), "wb") as file:
                file.write(files[path][0])
        key, digest = snapshot(attempt, files)
        files.clear()
        seconds: Dict[str, List[float]] = {"ours": [], "rsync": []}
        for _ in range(rounds):
            for name in seconds:
                target = os.path.join(base, "target")
                os.sync()
                began = time.monotonic()
                if name == "ours":
                    materialise(attempt.context(), attempt.store, key, digest, target)
                else:
                    subprocess.run(["rsync", "-a", source + "/", target + "/"], check=True)
                seconds[name].append(time.monotonic() - began)
                assert sum(len(names) for _, _, names in os.walk(target)) == count
                shutil.rmtree(target)
                if name == "ours":
                    os.unlink(os.path.join(attempt.dir, MARKER))
            print("  ".join("%s %.2f s" % (name, values[-1]) for name, values in seconds.items()))
        ours, rsync = statistics.median(seconds["ours"]), statistics.median(seconds["rsync"])
        row = {"what": "laying %d files out / rsync" % count, "measured": ours / rsync, "limit": 1, "unit": ""}
        print("medians: ours %.2f s, rsync %.2f s, ratio %.2f" % (ours, rsync, ours / rsync))
        print("BENCH-ROWS " + json.dumps([row]))
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
