"""Training in containers: command lines as data, and real ones where an engine can be started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any, Dict, List

from runctl_agent.context import Cancelled, SetupError
from runctl_agent.deps import python_env as deps
from runctl_agent.deps.python_env import PythonEnv
from runctl_agent.setup import container
from runctl_agent.setup.launch import command_line

from . import docker_engine
from .support import Attempt, Case, write

ARGS = ["$(touch pwned)", "`touch pwned`", "a b", "'q\"", "new\nline", "", "--rm"]


def settings(**changes: Any) -> Dict[str, Any]:
    found: Dict[str, Any] = {
        "engine": "docker",
        "image": None,
        "dockerfile": None,
        "buildArgs": {},
        "gpus": "auto",
        "mounts": [],
    }
    found.update(changes)
    return found


class ContainerCase(Case):
    def setUp(self) -> None:
        super().setUp()
        saved = dict(os.environ)

        def restore() -> None:
            os.environ.clear()
            os.environ.update(saved)

        self.addCleanup(restore)

    def environment(self, attempt: Attempt) -> Dict[str, str]:
        return {
            **os.environ,
            **attempt.attempt["env"],
            **attempt.secrets,
            "RUNCTL_NONCE": attempt.attempt["nonce"],
            "RUNCTL_OUTPUT_DIR": os.path.join(attempt.work, "output"),
            "RUNCTL_NOTICE_FILE": os.path.join(attempt.dir, "job", "notice.json"),
            "RUNCTL_DEVICE": "cuda",
        }


class FakeDocker(ContainerCase):
    """The command line, with a docker that only writes down how it was called."""

    def setUp(self) -> None:
        super().setUp()
        self.calls = os.path.join(self.base, "calls")
        self.programs = os.path.join(self.base, "programs")
        program = (
            "#!/usr/bin/python3\nimport json, os, sys\n"
            "with open(%r, 'a') as f: f.write(json.dumps([sys.argv[1:], dict(os.environ)]) + '\\n')\n"
            "if sys.argv[1] == 'build': print('Step 1/1'); open(sys.argv[sys.argv.index('--iidfile') + 1], 'w').write('sha256:1234')\n"
            "sys.exit(int(os.environ.get('FAKE_' + sys.argv[1].upper(), '0')))\n"
        ) % self.calls
        write(os.path.join(self.programs, "docker"), program, True)
        os.environ["PATH"] = self.programs + ":/usr/bin:/bin"

    def called(self) -> List[Any]:
        if not os.path.exists(self.calls):
            return []
        with open(self.calls) as file:
            return [json.loads(line) for line in file]

    def argv(self, attempt: Attempt) -> "tuple[List[str], Dict[str, str]]":
        return command_line(attempt.context(), PythonEnv("python3", {}), self.environment(attempt))

    def pairs(self, argv: List[str], option: str) -> List[str]:
        return [argv[index + 1] for index, word in enumerate(argv) if word == option]

    def test_s24_the_seven_places_in_order(self) -> None:
        attempt = self.new(container=settings())
        ctx = attempt.context()
        with self.assertRaises(SetupError) as caught:
            container.find_dockerfile(ctx)
        self.assertIn("src/Dockerfile", caught.exception.why)
        for name in reversed(container.DOCKERFILES):
            attempt.write(name, "FROM scratch")
            self.assertEqual(container.find_dockerfile(ctx), name)
        attempt.attempt["container"]["dockerfile"] = "docker/Dockerfile"
        self.assertEqual(container.find_dockerfile(ctx), "docker/Dockerfile")
        attempt.attempt["container"]["dockerfile"] = "none/Dockerfile"
        with self.assertRaises(SetupError):
            container.find_dockerfile(ctx)
        write(os.path.join(attempt.dir, "Dockerfile"), "FROM scratch")
        attempt.attempt["container"]["dockerfile"] = "../Dockerfile"
        with self.assertRaises(SetupError):
            container.find_dockerfile(ctx)

    def test_s24_arguments_environment_and_mounts(self) -> None:
        data = os.path.join(self.base, "da,ta")
        os.makedirs(data)
        attempt = self.new(
            argv=["python3", "training/train.py", *ARGS],
            script="training/train.py",
            env={"PLAIN": "a b\nc", "DOCKER_HOST": "tcp://the-trainings:1", "HOME": "/in/side"},
            container=settings(
                image="img:1",
                mounts=[
                    {"host": data, "container": "/data", "readOnly": True},
                    {"host": data + "/", "container": "/data/", "readOnly": True},
                    {"host": data, "container": "/again", "readOnly": False},
                ],
            ),
        )
        attempt.secrets["TOKEN"] = "s3cr3t"
        attempt.write("training/train.py")
        argv, env = self.argv(attempt)
        self.assertEqual(argv[argv.index("--entrypoint") + 1 :], ["python3", "img:1", "training/train.py", *ARGS])
        self.assertEqual(self.pairs(argv, "--workdir"), [attempt.work])
        self.assertEqual(self.pairs(argv, "--name"), ["runctl-r1-1"])
        self.assertIn("runctl.nonce=" + attempt.attempt["nonce"], self.pairs(argv, "--label"))
        names = self.pairs(argv, "--env")
        self.assertTrue({"PLAIN", "TOKEN", "RUNCTL_NONCE", "RUNCTL_OUTPUT_DIR"} <= set(names))
        self.assertFalse({"PATH", "HOME", "DOCKER_HOST"} & set(names))
        self.assertTrue({"HOME=/in/side", "DOCKER_HOST=tcp://the-trainings:1"} <= set(names))
        self.assertEqual(
            (env.get("HOME"), env.get("DOCKER_HOST")), (os.environ.get("HOME"), os.environ.get("DOCKER_HOST"))
        )
        self.assertNotIn("s3cr3t", " ".join(argv))
        self.assertEqual((env["TOKEN"], env["PLAIN"]), ("s3cr3t", "a b\nc"))
        mounts = self.pairs(argv, "--mount")
        self.assertEqual(len(mounts), 4)
        self.assertEqual(len([mount for mount in mounts if mount.endswith("target=/data,readonly")]), 1)
        self.assertNotIn("--gpus", argv)
        self.assertEqual(env["RUNCTL_DEVICE"], "cpu")

    def test_s24_gpus_only_when_present_and_wanted(self) -> None:
        write(os.path.join(self.programs, "nvidia-smi"), "#!/bin/sh\necho 'GPU 0: A (UUID: x)'\n", True)
        for gpus, expected in (("auto", ["all"]), ("none", [])):
            attempt = self.new(argv=["true"], script=None, container=settings(image="img:1", gpus=gpus))
            argv, env = self.argv(attempt)
            self.assertEqual(self.pairs(argv, "--gpus"), expected)
            self.assertEqual(env["RUNCTL_DEVICE"], "cuda" if expected else "cpu")

    def test_build_values_travel_by_the_environment(self) -> None:
        attempt = self.new(
            argv=["true"], script=None, container=settings(buildArgs={"VERSION": "1 2", "PIP_URL": "https://u:p@h/"})
        )
        attempt.write("docker/Dockerfile", "FROM scratch")
        argv, _ = self.argv(attempt)
        (build,) = [call for call in self.called() if call[0][0] == "build"]
        self.assertEqual(self.pairs(build[0], "--build-arg"), ["PIP_URL", "VERSION"])
        self.assertEqual(
            (build[1]["VERSION"], self.pairs(build[0], "--file")), ("1 2", [attempt.work + "/docker/Dockerfile"])
        )
        self.assertEqual(argv[argv.index("--entrypoint") + 2], "sha256:1234")
        self.assertIn("Step 1/1", attempt.setup_log)

    def test_what_goes_wrong_is_said(self) -> None:
        attempt = self.new(argv=["true"], script=None, container=settings(image="img:1"))
        os.environ["FAKE_VERSION"] = "1"
        with self.assertRaises(SetupError) as caught:
            self.argv(attempt)
        self.assertIn("does not answer", caught.exception.what)
        os.environ.update(FAKE_VERSION="0", FAKE_IMAGE="1", FAKE_PULL="1")
        with self.assertRaises(SetupError) as caught:
            self.argv(attempt)
        self.assertIn("could not be pulled", caught.exception.what)
        os.environ.update(FAKE_IMAGE="0")
        for mounts in (
            [
                {"host": self.base, "container": "/x", "readOnly": False},
                {"host": "/tmp", "container": "/x", "readOnly": False},
            ],
            [{"host": self.base + "/none", "container": "/x", "readOnly": False}],
            [{"host": "relative", "container": "/x", "readOnly": False}],
        ):
            attempt.attempt["container"]["mounts"] = mounts
            with self.subTest(mounts=mounts), self.assertRaises(SetupError):
                self.argv(attempt)
        os.unlink(os.path.join(self.programs, "docker"))
        os.environ["PATH"] = self.programs
        with self.assertRaises(SetupError) as caught:
            self.argv(attempt)
        self.assertIn("not installed", caught.exception.what)
        self.assertFalse(container.kill_container(attempt.context()))

    def test_the_image_brings_the_dependencies(self) -> None:
        attempt = self.new(container=settings(image="img:1"), dependencies={"kind": "auto"})
        attempt.write("requirements.txt", "numpy")
        self.assertEqual(deps.prepare(attempt.context()).interpreter, "python3")
        self.assertEqual(len(attempt.decisions), 1)
        attempt.attempt["dependencies"] = {"kind": "packages", "packages": ["numpy"]}
        with self.assertRaises(SetupError):
            deps.prepare(attempt.context())


class RealDocker(ContainerCase):
    def setUp(self) -> None:
        why = docker_engine.reason()
        if why:
            self.skipTest(why)
        super().setUp()

    def start(self, attempt: Attempt) -> "subprocess.Popen[bytes]":
        for folder in ("job", "work/output"):
            os.makedirs(os.path.join(attempt.dir, folder), exist_ok=True)
        argv, env = command_line(attempt.context(), PythonEnv("python3", {}), self.environment(attempt))
        return subprocess.Popen(
            argv, env=env, cwd=attempt.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def test_s24_found_built_and_run_with_mounts_and_arguments_intact(self) -> None:
        data = os.path.join(self.base, "data,'x\"")
        write(os.path.join(data, "in"), "mounted")
        attempt = self.new(
            argv=["training dir/train.sh", *ARGS],
            script="training dir/train.sh",
            env={"PLAIN": "a b\nc"},
            inputs=[{"store": 0, "key": "huge", "to": "data/"}],
            container=settings(
                buildArgs={"WORD": "built with $(this)"},
                mounts=[
                    {"host": data, "container": "/mnt/data", "readOnly": True},
                    {"host": data, "container": "/mnt/data", "readOnly": True},
                ],
            ),
        )
        attempt.store.put_bytes("huge", b"not for the build")
        from runctl_agent.setup.inputs import fetch_inputs

        fetch_inputs(attempt.context())
        attempt.secrets["TOKEN"] = "s3cr3t"
        attempt.write(".dockerignore", "*.secret\n")
        attempt.write("key.secret")
        os.symlink("docker", os.path.join(attempt.work, "link"))
        attempt.write(
            "docker/Dockerfile", "FROM %s\nARG WORD\nENV BUILT=$WORD\nCOPY . /code\nWORKDIR /\n" % docker_engine.IMAGE
        )
        attempt.write(
            "training dir/train.sh",
            'for a in "$@"; do printf "%s\\0" "$a"; done > output/args\n'
            'printf "%s\\n" "$BUILT" "$PLAIN" "$TOKEN" "$PWD" "$RUNCTL_DEVICE"\ncat /mnt/data/in; echo\nls /code /code/data\n'
            'touch /mnt/data/no 2>/dev/null || echo read-only\ntouch "$RUNCTL_NOTICE_FILE"\nexit 7\n',
        )
        child = self.start(attempt)
        said = child.communicate(timeout=120)[0].decode()
        self.assertEqual(child.returncode, 7, said + attempt.setup_log)
        with open(os.path.join(attempt.work, "output/args"), "rb") as file:
            self.assertEqual(file.read().decode().split("\0")[:-1], ARGS)
        expected = "built with $(this)\na b\nc\ns3cr3t\n%s\ncpu\nmounted\n" % attempt.work
        self.assertTrue(said.startswith(expected), said)
        self.assertIn("training dir", said)
        self.assertIn("link", said)
        self.assertNotIn("huge", said)
        self.assertNotIn("key.secret", said)
        self.assertFalse(os.path.exists(os.path.join(attempt.dir, "build-context")))
        self.assertIn("read-only", said)
        self.assertTrue(os.path.exists(os.path.join(attempt.dir, "job/notice.json")))
        self.assertNotIn(
            "s3cr3t",
            subprocess.run(
                ["docker", "history", "--no-trunc", docker_engine.IMAGE], stdout=subprocess.PIPE
            ).stdout.decode(),
        )
        self.assertFalse(os.path.exists(os.path.join(attempt.work, "pwned")))

    def wait_for(self, path: str, child: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + 60
        while not os.path.exists(path) and child.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        self.assertTrue(os.path.exists(path), child.poll())

    def long(self) -> Attempt:
        attempt = self.new(argv=["train.sh"], script="train.sh", container=settings(image=docker_engine.IMAGE))
        attempt.write(
            "train.sh",
            "trap 'echo saved > output/saved; exit 9' TERM\ntouch output/ready\nwhile :; do sleep 0.1; done\n",
        )
        return attempt

    def test_signals_reach_the_training_and_gone_is_gone(self) -> None:
        attempt = self.long()
        child = self.start(attempt)
        self.wait_for(os.path.join(attempt.work, "output/ready"), child)
        self.assertTrue(container.signal_container(attempt.context(), signal.SIGTERM))
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 9)
        with open(os.path.join(attempt.work, "output/saved")) as file:
            self.assertEqual(file.read(), "saved\n")
        self.assertFalse(container.signal_container(attempt.context(), signal.SIGTERM))
        self.assertTrue(container.kill_container(attempt.context()))

    def test_a_signal_to_the_client_reaches_the_training(self) -> None:
        attempt = self.long()
        child = self.start(attempt)
        self.wait_for(os.path.join(attempt.work, "output/ready"), child)
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 9)

    def test_killing_leaves_no_container_although_the_client_is_dead(self) -> None:
        attempt = self.long()
        child = self.start(attempt)
        self.wait_for(os.path.join(attempt.work, "output/ready"), child)
        child.kill()
        child.communicate()
        running = subprocess.run(["docker", "ps", "--quiet"], stdout=subprocess.PIPE).stdout
        self.assertTrue(running.strip())
        self.assertTrue(container.kill_container(attempt.context()))
        self.assertEqual(
            subprocess.run(["docker", "ps", "--all", "--quiet"], stdout=subprocess.PIPE).stdout.strip(), b""
        )

    def test_a_failing_build_shows_its_last_lines_and_a_cancel_ends_it(self) -> None:
        attempt = self.new(argv=["true"], script=None, container=settings())
        attempt.write("Dockerfile", "FROM %s\nCOPY not-there /\n" % docker_engine.IMAGE)
        with self.assertRaises(SetupError) as caught:
            self.start(attempt)
        self.assertIn("not-there", caught.exception.why)
        attempt.cancelled.set()
        with self.assertRaises(Cancelled):
            self.start(attempt)
