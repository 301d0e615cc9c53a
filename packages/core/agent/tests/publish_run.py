"""One attempt of run "r1" as a process of its own: resumes, saves some epochs, publishes them. For tests on the controller's side.
Arguments: store folder, attempt folder, attempt number, names of the saves. Prints the events as JSON lines."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runctl_agent.ckpt import resume
from runctl_agent.ckpt.publisher import Publisher
from runctl_agent.context import Context
from runctl_agent.store import FileStore
from tests.checkpoint_fixtures import torch_zip


def main(store: str, folder: str, number: int, names: "list[str]") -> None:
    work = folder + "/work"
    os.makedirs(work + "/checkpoints", exist_ok=True)
    config = {"dir": "checkpoints", "store": 0, "prefix": "runs/r1/ckpt/", "resume": {"mode": "auto", "manifests": []}}
    attempt = {
        "runId": "r1",
        "attempt": number,
        "nonce": "n%d" % number,
        "runPrefix": "runs/r1/",
        "distributed": None,
        "checkpoints": config,
    }

    def emit(event: "dict[str, object]") -> None:
        print(json.dumps(event), flush=True)

    context = Context(
        attempt,
        folder,
        folder,
        folder,
        work,
        [FileStore(store, "")],
        {},
        emit,
        lambda text: emit({"type": "decision", "what": text}),
        time.monotonic,
        print,
        threading.Event(),
    )
    result = resume.prepare(context)
    emit({"type": "resumed", "from": None if result is None else result.manifest_key})
    publisher = Publisher(context)
    for index, name in enumerate(names):
        torch_zip(work + "/checkpoints/" + name)
        publisher.note_metrics({"loss": 1.0 / (index + 1)})
        publisher.look(False)
        publisher.look(False)
        publisher._publish(publisher._pending.pop())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
