"""Counts to STEPS, a checkpoint a step. Refuses to run beside another copy of itself, and to count a step wrong."""
import fcntl
import json
import os
import sys
import time

STEPS = int(sys.argv[1])
PAUSE = float(sys.argv[2])
PROOF = sys.argv[3]

lock = open(PROOF + ".lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    with open(PROOF + ".twice", "a") as file:
        file.write("attempt %s\n" % os.environ["RUNCTL_ATTEMPT"])
    sys.exit(9)

count, total = 0, 0
if os.environ["RUNCTL_RESUME_FROM"]:
    with open(os.environ["RUNCTL_RESUME_FROM"]) as file:
        saved = json.load(file)
    count, total = saved["count"], saved["total"]

while count < STEPS:
    time.sleep(PAUSE)
    count += 1
    total += count
    path = os.path.join(os.environ["RUNCTL_CHECKPOINT_DIR"], "step-%03d.json" % count)
    with open(path + ".tmp", "w") as file:
        json.dump({"count": count, "total": total}, file)
    os.rename(path + ".tmp", path)
    print("step %d/%d total=%d" % (count, STEPS, total), flush=True)

with open(os.path.join(os.environ["RUNCTL_OUTPUT_DIR"], "total.json"), "w") as file:
    json.dump({"total": total}, file)
