"""Dependencies by the real pip and, where there is one, the real uv, from wheels made here: no network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Optional

from runctl_agent.context import Cancelled, SetupError
from runctl_agent.deps import building, env_cache, pythons
from runctl_agent.deps import python_env as deps
from runctl_agent.deps.python_env import PythonEnv

from . import wheels
from .support import Attempt, Case, write

# uv is the same program whichever Python calls it.
UV = None if os.environ.get("RUNCTL_TEST_ENGINES") == "0" else os.environ.get("RUNCTL_TEST_UV") or shutil.which("uv")
HAS_PIP = subprocess.run([sys.executable, "-c", "import pip"], stderr=subprocess.DEVNULL).returncode == 0
INLINE = '# /// script\n# requires-python = ">=3.8"\n# dependencies = [\n#   "alpha>=1",\n# ]\n# ///\nimport alpha\n'


class DepsCase(Case):
    """With `python3` = the one that runs the tests, a folder of wheels, and nothing of this machine's settings."""

    with_uv = False

    def setUp(self) -> None:
        super().setUp()
        saved = dict(os.environ)

        def restore() -> None:
            os.environ.clear()
            os.environ.update(saved)

        self.addCleanup(restore)
        for name in list(os.environ):
            if name.startswith(("PIP_", "UV_", "VIRTUAL_ENV", "PYTHON", "CONDA")):
                del os.environ[name]
        # pip cuts --find-links settings at spaces: the wheels have a plain place.
        self.wheels = os.path.join("/tmp", "runctl-wheels-" + os.urandom(4).hex())
        self.addCleanup(shutil.rmtree, self.wheels, True)
        wheels.make(self.wheels, "alpha", "1.0", requires=("beta",))
        wheels.make(self.wheels, "beta", "2.0")
        programs = os.path.join(self.base, "programs")
        os.makedirs(programs)
        if self.with_uv and UV:
            os.symlink(UV, os.path.join(programs, "uv"))
        os.environ.update(
            PATH=programs + ":/usr/bin:/bin", HOME=self.base, PIP_CONFIG_FILE=os.devnull, PIP_NO_CACHE_DIR="1"
        )

    def attempt(self, **changes: Any) -> Attempt:
        changes.setdefault("dependencies", {"kind": "auto"})
        attempt = self.new(**changes)
        attempt.attempt["env"].update(self.index())
        os.makedirs(attempt.work, exist_ok=True)
        return attempt

    def index(self) -> Dict[str, str]:
        return {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.wheels,
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": self.wheels,
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_CACHE_DIR": os.path.join(self.base, "uv-cache"),
        }

    def say(self, python: PythonEnv, code: str, cwd: Optional[str] = None) -> str:
        """What the training would see."""
        env = {**os.environ, **python.env}
        result = subprocess.run(
            [python.interpreter, "-c", code],
            env=env,
            cwd=cwd or self.base,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return result.stdout.decode().strip()

    VERSIONS = "import alpha, beta; print(alpha.VERSION, beta.VERSION)"

    def builds(self, attempt: Attempt) -> List[str]:
        return [line for line in attempt.setup_log.splitlines() if line.startswith("dependencies:")]


class SourcesTest(DepsCase):
    def kind(self, attempt: Attempt) -> Optional[str]:
        from runctl_agent.deps import sources as dep_sources

        found = dep_sources.discover(attempt.context())
        return None if found is None else "%s %s" % (found.kind, os.path.relpath(found.path, attempt.work))

    def test_the_nearest_wins_and_tool_settings_are_none(self) -> None:
        attempt = self.attempt(script="a/b/train.py")
        attempt.write("a/b/train.py")
        self.assertIsNone(self.kind(attempt))
        attempt.write("requirements.txt", "x")
        self.assertEqual(self.kind(attempt), "requirements requirements.txt")
        attempt.write("pyproject.toml", "[tool.ruff]\nline-length = 100\n")
        self.assertEqual(self.kind(attempt), "requirements requirements.txt")
        attempt.write("pyproject.toml", '[project]\nname = "x"\ndependencies = []\n')
        self.assertEqual(self.kind(attempt), "project pyproject.toml")
        attempt.write("uv.lock", "version = 1\n")
        self.assertEqual(self.kind(attempt), "lock uv.lock")
        attempt.write("a/requirements.txt", "y")
        self.assertEqual(self.kind(attempt), "requirements a/requirements.txt")
        attempt.write("a/b/train.py", INLINE)
        self.assertEqual(self.kind(attempt), "inline a/b/train.py")
        write(os.path.join(attempt.dir, "requirements.txt"), "outside the tree")
        for path in ("requirements.txt", "pyproject.toml", "uv.lock", "a/requirements.txt", "a/b/train.py"):
            os.unlink(os.path.join(attempt.work, path))
        self.assertIsNone(self.kind(attempt))

    def test_what_is_not_understood_is_said(self) -> None:
        attempt = self.attempt()
        attempt.write("environment.yml", "dependencies: [numpy]")
        python = deps.prepare(attempt.context())
        self.assertEqual((python.interpreter, python.env), (sys.executable, {}))
        self.assertIn("environment.yml", attempt.decisions[0])

    def test_none_is_honoured(self) -> None:
        attempt = self.attempt(dependencies={"kind": "none"})
        attempt.write("requirements.txt", "does-not-exist==9")
        python = deps.prepare(attempt.context())
        self.assertEqual((python.interpreter, python.env, attempt.log), (sys.executable, {}, []))

    def test_files_that_are_of_no_use_are_refused(self) -> None:
        outside = write(os.path.join(self.base, "requirements.txt"), "x")
        for name, content, words in (
            ("missing.txt", None, "does not exist"),
            ("../../../../requirements.txt", None, "outside"),
            ("environment.yml", "a: b", "can be installed"),
            ("setup.py", "", "can be installed"),
            ("plain.py", "import os", "can be installed"),
            ("bad/pyproject.toml", "[project\n", "not valid TOML"),
            ("r.txt", "-r gone.txt", "not there"),
            ("two.py", INLINE + INLINE, "2 blocks"),
            ("latin.txt", b"\xe9", "cannot be read"),
        ):
            with self.subTest(name=name):
                attempt = self.attempt(dependencies={"kind": "file", "file": name})
                if content is not None:
                    attempt.write(name, content)
                with self.assertRaises(SetupError) as caught:
                    deps.prepare(attempt.context())
                self.assertIn(words, caught.exception.what)
        self.assertTrue(os.path.exists(outside))

    def test_packages_are_names_not_options(self) -> None:
        for package in ("--index-url=http://evil", "-e .", "", "a\nb", "# x"):
            with self.subTest(package=package), self.assertRaises(SetupError):
                deps.prepare(self.attempt(dependencies={"kind": "packages", "packages": [package]}).context())

    def test_versions_are_compared_as_pep_440_says(self) -> None:
        for version, spec, expected in (
            ("3.11.2", ">=3.10,<4", True),
            ("3.8.18", ">=3.10", False),
            ("3.10.0", ">3.10", False),
            ("3.11.2", "==3.11.*", True),
            ("3.1.2", "==3.11.*", False),
            ("3.11.2", "!=3.11.*", False),
            ("3.11.2", "~=3.8", True),
            ("4.0.0", "~=3.8", False),
            ("3.11.2", "~=3.11.5", False),
            ("3.11.2", "<3.11.2", False),
            ("3.11.2", "==3.11.2", True),
            ("3.11.0", "==3.11", True),
        ):
            self.assertEqual(pythons.satisfies(version, spec), expected, (version, spec))


class InstallCases(DepsCase):
    """The same for pip and uv."""

    def setUp(self) -> None:
        super().setUp()
        if self.with_uv and not UV:
            self.skipTest("uv is not on this machine")
        if not self.with_uv and not HAS_PIP:
            self.skipTest("this Python has no pip")

    def test_s20_requirements_are_installed_and_the_environment_is_kept(self) -> None:
        attempt = self.attempt()
        attempt.write("requirements.txt", "-c more/limits.txt\nalpha  # a comment\n")
        attempt.write("more/limits.txt", "alpha<2\n")
        wheels.make(self.wheels, "alpha", "2.0")
        python = deps.prepare(attempt.context())
        self.assertEqual(self.say(python, self.VERSIONS), "1.0 2.0")
        self.assertEqual(python.env["PATH"].split(":")[0], os.path.join(python.env["VIRTUAL_ENV"], "bin"))
        self.assertIn("alpha", attempt.setup_log)
        progress = [event for event in attempt.events if event["type"] == "progress"]
        self.assertEqual({event["operation"] for event in progress}, {"dependencies"})
        # Another attempt on the same host finds it, and needs nothing to do so.
        shutil.rmtree(self.wheels)
        again = Attempt(
            os.path.join(self.base, "second"), dependencies={"kind": "auto"}, env=dict(attempt.attempt["env"])
        )
        again.write("requirements.txt", "-c more/limits.txt\nalpha  # a comment\n")
        again.write("more/limits.txt", "alpha<2\n")
        ctx = again.context()
        ctx.cache = os.path.join(self.base, "cache")
        self.assertEqual(deps.prepare(ctx).interpreter, python.interpreter)
        self.assertIn("prepared before", again.setup_log)
        again.write("more/limits.txt", "alpha<3\n")
        with self.assertRaises(SetupError):
            deps.prepare(ctx)

    def test_inline_metadata_a_project_and_a_list(self) -> None:
        cases: List[Dict[str, Any]] = [
            {"files": {"train.py": INLINE}},
            {
                "files": {
                    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["alpha"]\n[build-system]\nrequires = ["nowhere"]\n'
                }
            },
            {"dependencies": {"kind": "packages", "packages": ["alpha", "beta>=1"]}, "files": {}},
            {"dependencies": {"kind": "file", "file": "sub/req.txt"}, "files": {"sub/req.txt": "alpha"}},
        ]
        for index, case in enumerate(cases):
            with self.subTest(case=case):
                attempt = Attempt(
                    os.path.join(self.base, str(index)),
                    env=self.index(),
                    dependencies=case.get("dependencies", {"kind": "auto"}),
                )
                os.makedirs(attempt.work)
                for name, text in case["files"].items():
                    attempt.write(name, text)
                python = deps.prepare(attempt.context())
                self.assertEqual(self.say(python, self.VERSIONS), "1.0 2.0")

    def test_the_machines_packages_stay_visible(self) -> None:
        """GPU images carry torch in the machine's Python or in an environment of their own."""
        image = os.path.join(self.base, "image")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", image], check=True)
        site = subprocess.run(
            [image + "/bin/python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            stdout=subprocess.PIPE,
            check=True,
        )
        write(os.path.join(site.stdout.decode().strip("\n"), "bigtorch.py"), "VERSION = 'image'")
        os.symlink("python", image + "/bin/python3") if not os.path.lexists(image + "/bin/python3") else None
        old = os.path.join(self.base, "old")
        wheel = wheels.make(old, "torch", "1.0")
        subprocess.run([image + "/bin/python", "-m", "pip", "install", "-q", "--no-index", wheel], check=True)
        wheels.make(self.wheels, "torch", "2.0")
        wheels.make(self.wheels, "lightning", "2.0", requires=("torch>=0.9",))
        attempt = self.attempt()
        attempt.attempt["env"]["PATH"] = os.path.join(image, "bin") + ":" + os.environ["PATH"]
        attempt.write("requirements.txt", "alpha\nlightning\n")
        python = deps.prepare(attempt.context())
        self.assertEqual(
            self.say(python, "import alpha, bigtorch, torch, lightning; print(bigtorch.VERSION, torch.VERSION)"),
            "image 1.0",
        )
        self.assertEqual(len(attempt.decisions), 1 if self.with_uv else 0)
        attempt.write("requirements.txt", "lightning\ntorch>=2\n")
        python = deps.prepare(attempt.context())
        self.assertEqual(self.say(python, "import torch; print(torch.VERSION)"), "2.0")

    def test_a_failure_has_the_installers_last_lines_and_no_secret(self) -> None:
        attempt = self.attempt()
        attempt.write("requirements.txt", "alpha\nno-such-package==9.9\n")
        attempt.secrets["TOKEN"] = "s3cr3t-token"
        attempt.attempt["env"].update(
            PIP_FIND_LINKS=self.wheels, PIP_EXTRA_INDEX_URL="https://user:pa55word@127.0.0.1:9/simple"
        )
        attempt.secrets["UV_FIND_LINKS"] = self.wheels
        with self.assertRaises(SetupError) as caught:
            deps.prepare(attempt.context())
        self.assertIn("no-such-package", caught.exception.why)
        self.assertIn("requirements.txt failed", caught.exception.what)
        for text in (attempt.setup_log, caught.exception.why, repr(attempt.events)):
            self.assertNotIn("pa55word", text)
        self.assertIsNone(
            env_cache.cached(
                os.path.join(self.base, "cache", "env", os.listdir(os.path.join(self.base, "cache", "env"))[0])
            )
        )

    def test_what_belongs_to_the_working_folder_is_not_shared(self) -> None:
        attempt = self.attempt()
        wheels.make(os.path.join(attempt.work, "vendored"), "gamma", "3.0")
        attempt.write("requirements.txt", "./vendored/gamma-3.0-py3-none-any.whl\n")
        python = deps.prepare(attempt.context())
        self.assertEqual(self.say(python, "import gamma; print(gamma.VERSION)"), "3.0")
        self.assertTrue(python.interpreter.startswith(attempt.dir + "/env/"))

    def test_a_killed_build_is_never_believed(self) -> None:
        attempt = self.attempt()
        attempt.write("requirements.txt", "alpha\n")
        program = (
            "import sys, os; sys.path.insert(0, sys.argv[1])\n"
            "from tests.support import Attempt\nfrom runctl_agent.deps import python_env as deps\n"
            "a = Attempt(sys.argv[2], dependencies={'kind': 'auto'}, env=eval(sys.argv[3]))\n"
            "a.log = type('L', (), {'append': staticmethod(lambda t: print('line', flush=True))})()\n"
            "deps.prepare(a.context())\n"
        )
        agent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        for lines in (1, 2, 4):
            child = subprocess.Popen(
                [sys.executable, "-c", program, agent, self.base, repr(attempt.attempt["env"])], stdout=subprocess.PIPE
            )
            assert child.stdout is not None
            for _ in range(lines):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
            # The killed one's installer goes on for a moment: what it still writes is swept by the next build only once it is gone.
            end = time.monotonic() + 60
            while self.naming(self.base) and time.monotonic() < end:
                time.sleep(0.02)
        python = deps.prepare(attempt.context())
        self.assertEqual(self.say(python, self.VERSIONS), "1.0 2.0")
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(python.interpreter))))
        self.assertEqual(sorted(name[:2] for name in os.listdir(folder)), ["e-", "lo", "re"])

    def naming(self, text: str) -> List[str]:
        """Processes with this text in their command line."""
        found = []
        for pid in os.listdir("/proc"):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    if pid.isdigit() and int(pid) != os.getpid() and text.encode() in file.read():
                        found.append(pid)
            except OSError:
                continue
        return found

    def test_two_at_once_build_once(self) -> None:
        attempts = [
            Attempt(os.path.join(self.base, str(n)), dependencies={"kind": "auto"}, env=self.index()) for n in range(3)
        ]
        results: List[Any] = []
        built: List[str] = []
        original = building.Builder._build

        def counting(builder: Any, target: str) -> Dict[str, Any]:
            built.append(target)
            return original(builder, target)

        building.Builder._build = counting  # type: ignore[method-assign]
        self.addCleanup(setattr, building.Builder, "_build", original)

        def go(attempt: Attempt) -> None:
            attempt.write("requirements.txt", "alpha\n")
            ctx = attempt.context()
            ctx.cache = os.path.join(self.base, "cache")
            results.append(deps.prepare(ctx))

        threads = [threading.Thread(target=go, args=(attempt,)) for attempt in attempts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len({python.interpreter for python in results}), 1)
        self.assertEqual((len(results), len(built)), (3, 1))


class PipTest(InstallCases):
    def test_without_venv_packages_go_to_a_folder(self) -> None:
        attempt = self.attempt()
        attempt.write("requirements.txt", "alpha\n")
        probe = pythons.probe

        def without(interpreter: str, env: Dict[str, str]) -> pythons.Python:
            found = probe(interpreter, env)
            found.venv = False
            return found

        pythons.probe = without
        self.addCleanup(setattr, pythons, "probe", probe)
        python = deps.prepare(attempt.context())
        self.assertEqual(self.say(python, self.VERSIONS), "1.0 2.0")
        self.assertNotIn("VIRTUAL_ENV", python.env)

    def test_with_nothing_to_install_with_the_cure_is_named(self) -> None:
        attempt = self.attempt()
        attempt.write("requirements.txt", "alpha\n")
        probe = pythons.probe

        def without(interpreter: str, env: Dict[str, str]) -> pythons.Python:
            found = probe(interpreter, env)
            found.pip = found.ensurepip = False
            return found

        pythons.probe = without
        self.addCleanup(setattr, pythons, "probe", probe)
        with self.assertRaises(SetupError) as caught:
            deps.prepare(attempt.context())
        self.assertIn("python3-pip", " ".join(caught.exception.fix))

    def test_a_script_for_another_python_is_refused(self) -> None:
        attempt = self.attempt()
        attempt.write("train.py", INLINE.replace(">=3.8", ">=4.1"))
        with self.assertRaises(SetupError) as caught:
            deps.prepare(attempt.context())
        self.assertIn("needs Python >=4.1", caught.exception.what)

    def test_a_uv_lock_without_uv_keeps_its_versions(self) -> None:
        wheels.make(self.wheels, "alpha", "1.5", requires=("beta",))
        attempt = self.attempt()
        attempt.write("pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = ["alpha"]\n')
        attempt.write(
            "uv.lock",
            'version = 1\n[[package]]\nname = "alpha"\nversion = "1.0"\nsource = { registry = "https://index" }\n'
            '[[package]]\nname = "x"\nversion = "1"\nsource = { virtual = "." }\n',
        )
        python = deps.prepare(attempt.context())
        self.assertEqual(self.say(python, self.VERSIONS), "1.0 2.0")
        self.assertIn("uv.lock", attempt.decisions[0])

    def test_cancel_ends_the_installer_and_its_children(self) -> None:
        attempt = self.attempt()
        attempt.write("requirements.txt", "./slow\n")
        mark = os.path.join(self.base, "pid")
        attempt.write(
            "slow/setup.py",
            "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
            "open(%r, 'w').write(str(child.pid))\nos.rename(%r, %r)\ntime.sleep(600)\n"
            % (mark + ".tmp", mark + ".tmp", mark),
        )
        attempt.attempt["env"]["PIP_NO_BUILD_ISOLATION"] = "0"
        failure: List[BaseException] = []

        def go() -> None:
            try:
                deps.prepare(attempt.context())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        end = time.monotonic() + 60
        while not os.path.exists(mark) and thread.is_alive() and time.monotonic() < end:
            thread.join(0.01)
        if not os.path.exists(mark) and failure and "setuptools" in str(getattr(failure[0], "why", "")):
            self.skipTest("this Python has no setuptools to build with")
        self.assertTrue(os.path.exists(mark), attempt.setup_log)
        began = time.monotonic()
        attempt.cancelled.set()
        thread.join()
        self.assertIsInstance(failure[0], Cancelled)
        self.assertLess(time.monotonic() - began, 5)
        with open(mark) as file:
            pid = int(file.read())
        end = time.monotonic() + 5
        while _running(pid) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertFalse(_running(pid))


class UvTest(InstallCases):
    with_uv = True

    def test_a_lock_is_installed_as_it_is(self) -> None:
        attempt = self.attempt(script="scripts/train.py")
        attempt.write("scripts/train.py", "import mine, alpha")
        attempt.write("src/mine/__init__.py", "NAME = 'mine'")
        attempt.write(
            "pyproject.toml",
            '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = ["alpha"]\n'
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        )
        env = {**os.environ, **attempt.attempt["env"]}
        locked = subprocess.run(
            [str(UV), "lock", "--python", sys.executable],
            cwd=attempt.work,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if locked.returncode != 0:
            self.skipTest("uv lock: %s" % locked.stdout.decode())
        wheels.make(self.wheels, "alpha", "1.5", requires=("beta",))
        python = deps.prepare(attempt.context())
        self.assertEqual(
            self.say(python, "import alpha, beta, mine; print(alpha.VERSION, beta.VERSION, mine.NAME)"), "1.0 2.0 mine"
        )


def _running(pid: int) -> bool:
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


del InstallCases
