"""Counts to a number, one checkpoint a step, in place of a real training. Standard library only."""

import json
import os
import sys
import time

folder = os.environ["RUNCTL_CHECKPOINT_DIR"]
done = 0
if os.environ["RUNCTL_RESUME_FROM"]:
    with open(os.environ["RUNCTL_RESUME_FROM"]) as file:
        done = json.load(file)["step"]
    print(f"resumed after step {done}", flush=True)

steps = int(sys.argv[1])
for step in range(done + 1, steps + 1):
    time.sleep(0.25)  # the work
    path = os.path.join(folder, f"step-{step}.json")
    with open(path + ".tmp", "w") as file:
        json.dump({"step": step}, file)
    os.replace(path + ".tmp", path)
    print(f"step {step}/{steps} loss={1 / step:.4f}", flush=True)
