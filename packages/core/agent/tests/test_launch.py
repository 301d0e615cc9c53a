"""Command lines: interpreter, scripts of every kind, torchrun; arguments arrive as they were given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Dict, List, Tuple

from runctl_agent.context import SetupError
from runctl_agent.deps.python_env import PythonEnv
from runctl_agent.setup import device, distributed
from runctl_agent.setup.launch import command_line

from .support import Attempt, Case

SHOW = "import json, sys; print(json.dumps([sys.argv, sys.executable]))\n"
ARGS = ["$(touch pwned)", "`touch pwned`", "a b", "'q\"", "new\nline", "", "--flag=*", "\U0001f600", "; rm -rf x", "-x"]
TORCH = "/usr/bin/python3"
HAS_TORCH = (
    subprocess.run(
        [TORCH, "-c", "import torch.distributed as d, sys; sys.exit(not d.is_available())"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).returncode
    == 0
    if os.path.exists(TORCH) and os.environ.get("RUNCTL_TEST_ENGINES") != "0"
    else False
)


class LaunchCase(Case):
    def launch(
        self, attempt: Attempt, python: str = sys.executable, env: "Dict[str, str] | None" = None
    ) -> Tuple[List[str], Dict[str, str]]:
        return command_line(
            attempt.context(), PythonEnv(python, {"VIRTUAL_ENV": "x"}), dict(os.environ) if env is None else env
        )

    def run_it(self, attempt: Attempt, python: str = sys.executable) -> "subprocess.CompletedProcess[bytes]":
        argv, env = self.launch(attempt, python)
        return subprocess.run(
            argv, env=env, cwd=attempt.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )


class CommandTest(LaunchCase):
    def test_arguments_are_literal_and_the_subfolder_is_kept(self) -> None:
        attempt = self.new(argv=["python3", "training dir/train.py", *ARGS], script="training dir/train.py")
        attempt.write("training dir/train.py", SHOW)
        result = self.run_it(attempt)
        argv, executable = json.loads(result.stdout)
        self.assertEqual(argv, ["training dir/train.py", *ARGS])
        self.assertEqual(os.path.realpath(executable), os.path.realpath(sys.executable))
        self.assertEqual(os.listdir(attempt.work), ["training dir"])

    def test_scripts_of_every_kind_with_any_name(self) -> None:
        shell = 'for a in "$0" "$@"; do printf "%s\\0" "$a"; done\n'
        python = sys.executable
        cases: List[Tuple[str, str, bool, str]] = [
            ("-c", "", True, "#!/bin/sh\n" + shell),
            ("go.sh", "", False, shell),
            ("-go.sh", "", False, shell),
            ("with x.sh", "", True, "#!/bin/sh -e\n" + shell),
            ("no-x", "", False, "#!/bin/sh\n" + shell),
            ("sub/tool", "", True, "#!/usr/bin/env sh\n" + shell),
        ]
        for name, _, executable, text in cases:
            for form in ([name], ["python3", name]):
                with self.subTest(name=name, form=form):
                    attempt = self.new(argv=[*form, *ARGS], script=name)
                    attempt.write(name, text, executable)
                    result = self.run_it(attempt)
                    self.assertEqual(result.stderr, b"")
                    self.assertEqual(result.stdout.decode().split("\0")[1:-1], ARGS)
        for name, executable, text in (
            ("-train.py", False, SHOW),
            ("tool", False, "#!/usr/bin/env python3\n" + SHOW),
            ("tool3", True, "#!/usr/bin/env -S python3 -u\n" + SHOW),
            ("tool4", True, "#!/nowhere/bin/python3.7\n" + SHOW),
        ):
            with self.subTest(name=name):
                attempt = self.new(argv=[name, *ARGS], script=name)
                attempt.write(name, text, executable)
                argv, used = json.loads(self.run_it(attempt).stdout)
                self.assertEqual((argv[1:], os.path.realpath(used)), (ARGS, os.path.realpath(python)))

    def test_what_cannot_be_run_is_said(self) -> None:
        attempt = self.new(argv=["python3", "x"], script="x")
        with self.assertRaises(SetupError) as caught:
            self.launch(attempt)
        self.assertIn("does not exist", caught.exception.what)
        attempt.write("x", "data")
        with self.assertRaises(SetupError) as caught:
            self.launch(attempt)
        self.assertIn("how to run", caught.exception.what)
        os.unlink(os.path.join(attempt.work, "x"))
        os.mkdir(os.path.join(attempt.work, "x"))
        with self.assertRaises(SetupError) as caught:
            self.launch(attempt)
        self.assertIn("folder", caught.exception.what)

    def test_commands_stay_as_they_are_but_for_python(self) -> None:
        for argv, expected in (
            (["python3", "-m", "pkg"], ["/py", "-m", "pkg"]),
            (["python", "-u", "x.py"], ["/py", "-u", "x.py"]),
            (["/usr/bin/python3", "x.py"], ["/usr/bin/python3", "x.py"]),
            (["make", "python3"], ["make", "python3"]),
        ):
            self.assertEqual(self.launch(self.new(argv=argv, script=None), "/py")[0], expected)


class DeviceTest(Case):
    def fake(self, text: str, code: int = 0) -> Dict[str, str]:
        program = os.path.join(self.base, "nvidia-smi")
        with open(program, "w") as file:
            file.write("#!/bin/sh\ncat <<'E'\n%s\nE\nexit %d\n" % (text, code))
        os.chmod(program, 0o755)
        return {"PATH": self.base + ":/usr/bin:/bin"}

    def test_gpus_are_counted_as_the_training_sees_them(self) -> None:
        env = self.fake("GPU 0: A (UUID: x)\n  MIG 1g\nGPU 1: B (UUID: y)")
        self.assertEqual((device.gpu_count(env), device.detect(env)), (2, "cuda"))
        for visible, count in (("", 0), ("-1", 0), ("0", 1), ("1,0", 2), ("0,5,1", 1), ("GPU-x", 1)):
            self.assertEqual(device.gpu_count({**env, "CUDA_VISIBLE_DEVICES": visible}), count, visible)
        self.assertEqual(distributed.processes_per_node("gpu", env), 2)
        self.assertEqual(distributed.processes_per_node(3, env), 3)

    def test_a_driver_that_does_not_answer_means_none(self) -> None:
        env = self.fake("NVIDIA-SMI has failed", 9)
        if not device._device_files():
            self.assertEqual(device.gpu_count(env), 0)
            self.assertEqual(distributed.processes_per_node("gpu", env), 1)
            self.assertIn(device.detect(env), ("cpu", "mps"))


DDP = """
import json, os, sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = DDP(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
torch.manual_seed(100 + rank)
for _ in range(5):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
total = torch.tensor([rank + 1.0])
dist.all_reduce(total)
weights = [round(v, 6) for v in model.module.weight.flatten().tolist()]
with open("rank-%d.json" % rank, "w") as file:
    json.dump({"size": size, "sum": total.item(), "weights": weights, "argv": sys.argv, "local": os.environ["LOCAL_RANK"]}, file)
dist.destroy_process_group()
"""


class TorchrunTest(LaunchCase):
    def test_without_torch_it_is_said(self) -> None:
        bare = os.path.join(self.base, "bare")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
        attempt = self.new(distributed={"nodes": 1, "nodeRank": 0, "processesPerNode": 2, "rendezvous": ""})
        attempt.write("train.py", DDP)
        with self.assertRaises(SetupError) as caught:
            self.launch(attempt, bare + "/bin/python")
        self.assertIn("PyTorch is not installed", caught.exception.what)

    def check(self, attempt: Attempt, size: int) -> None:
        found: List[Dict[str, Any]] = []
        for rank in range(size):
            with open(os.path.join(attempt.work, "rank-%d.json" % rank)) as file:
                found.append(json.load(file))
        for row in found:
            self.assertEqual((row["size"], row["sum"]), (size, size * (size + 1) / 2))
            self.assertEqual(row["weights"], found[0]["weights"])
            self.assertEqual(row["argv"], ["sub/train.py", *ARGS])

    def test_two_processes_train_together_over_gloo(self) -> None:
        if not HAS_TORCH:
            self.skipTest("no PyTorch with torch.distributed in %s" % TORCH)
        attempt = self.new(
            argv=["python3", "sub/train.py", *ARGS],
            script="sub/train.py",
            distributed={"nodes": 1, "nodeRank": 0, "processesPerNode": 2, "rendezvous": ""},
        )
        attempt.write("sub/train.py", DDP)
        result = self.run_it(attempt, TORCH)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.check(attempt, 2)

    def test_two_nodes_meet_and_node_0_holds_rank_0(self) -> None:
        if not HAS_TORCH:
            self.skipTest("no PyTorch with torch.distributed in %s" % TORCH)
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        children = []
        for node in (1, 0):
            attempt = self.new(
                argv=["python3", "sub/train.py", *ARGS],
                script="sub/train.py",
                distributed={"nodes": 2, "nodeRank": node, "processesPerNode": 1, "rendezvous": "127.0.0.1:%d" % port},
            )
            attempt.write("sub/train.py", DDP + "print('node', os.environ['GROUP_RANK'], 'rank', rank, flush=True)\n")
            argv, env = self.launch(attempt, TORCH)
            children.append(
                subprocess.Popen(argv, env=env, cwd=attempt.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            )
        said = [child.communicate(timeout=120) for child in children]
        self.assertEqual([child.returncode for child in children], [0, 0], said)
        self.assertEqual([out.decode().strip() for out, _ in said], ["node 1 rank 1", "node 0 rank 0"])
        self.check(self.new(), 2)

    def test_a_failing_rank_fails_the_command(self) -> None:
        if not HAS_TORCH:
            self.skipTest("no PyTorch with torch.distributed in %s" % TORCH)
        attempt = self.new(distributed={"nodes": 1, "nodeRank": 0, "processesPerNode": 2, "rendezvous": ""})
        attempt.write("train.py", "import os, sys, time\nif os.environ['RANK'] == '1': sys.exit(3)\ntime.sleep(600)\n")
        result = self.run_it(attempt, TORCH)
        self.assertNotEqual(result.returncode, 0)

    def test_sigusr1_is_announced_to_torchrun(self) -> None:
        if not HAS_TORCH:
            self.skipTest("no PyTorch with torch.distributed in %s" % TORCH)
        attempt = self.new(
            distributed={"nodes": 1, "nodeRank": 0, "processesPerNode": 1, "rendezvous": ""},
            stop={"signal": "SIGUSR1", "graceSeconds": 1},
        )
        attempt.write("train.py", "")
        self.assertIn("SIGUSR1", self.launch(attempt, TORCH)[1]["TORCHELASTIC_SIGNALS_TO_HANDLE"])
