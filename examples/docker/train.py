"""Shows where it runs, reads its input, and writes a checkpoint and an output through the mounts."""

import json
import os
import platform

data = os.path.join(os.environ["RUNCTL_DATA_DIR"], "numbers.txt")
with open(data) as file:
    numbers = [int(line) for line in file]

inside = os.path.exists("/.dockerenv")
print(f"python {platform.python_version()} {'in a container' if inside else 'on the host'}, {len(numbers)} numbers", flush=True)

with open(os.path.join(os.environ["RUNCTL_CHECKPOINT_DIR"], "epoch-1.json"), "w") as file:
    json.dump({"epoch": 1, "sum": sum(numbers)}, file)
with open(os.path.join(os.environ["RUNCTL_OUTPUT_DIR"], "sum.txt"), "w") as file:
    file.write(str(sum(numbers)))
