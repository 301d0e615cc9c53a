# A small training for the code blocks of the documentation: prints metrics, writes checkpoints, resumes, leaves a model.
import argparse
import json
import os
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--resume", default=os.environ.get("RUNCTL_RESUME_FROM", ""))
options, _ = parser.parse_known_args()

checkpoints = pathlib.Path(os.environ.get("RUNCTL_CHECKPOINT_DIR", "checkpoints"))
output = pathlib.Path(os.environ.get("RUNCTL_OUTPUT_DIR", "output"))
checkpoints.mkdir(parents=True, exist_ok=True)
output.mkdir(parents=True, exist_ok=True)

start = json.loads(pathlib.Path(options.resume).read_text())["epoch"] if options.resume else 0
for epoch in range(start + 1, options.epochs + 1):
    loss = 1.0 / epoch
    print(f"epoch {epoch}/{options.epochs} loss={loss:.4f} accuracy={1 - loss / 2:.4f}", flush=True)
    temporary = checkpoints / f"epoch-{epoch}.json.tmp"
    temporary.write_text(json.dumps({"epoch": epoch, "loss": loss}))
    temporary.rename(checkpoints / f"epoch-{epoch}.json")
(output / "model.json").write_text(json.dumps({"accuracy": 0.9}))
