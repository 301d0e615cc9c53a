"""Environments made by uv or pip, cached by what decides them."""

from __future__ import annotations

import os
import re
import sys

from ..context import SetupError
from . import env_cache, installer, pythons
from . import sources as dep_sources
from .python_env import PythonEnv, system_python

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..context import Context
    from .installer import Finished
    from .pythons import Python
    from .sources import Source

_INDEX_SETTINGS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
)


_PLANNED = re.compile(r"\s*\+ ([A-Za-z0-9._-]+)==")
"""A line of uv's plan: " + torch==2.5.1"."""


def listed(packages: "List[str]") -> "Optional[Source]":
    """Packages named one by one, as a source; None for none. SetupError for what is no package."""
    for package in packages:
        # In a requirements file a line that begins with a dash is an option.
        if not package.strip() or package.lstrip().startswith(("-", "#")) or "\n" in package or "\r" in package:
            raise SetupError(
                "%r is no package" % package,
                "options and several lines are not allowed",
                ['give names such as "numpy>=1.26"'],
            )
    if not packages:
        return None
    return dep_sources.Source("packages", "", "\n".join(package.strip() for package in packages) + "\n")


class Builder:
    """One environment: found in the cache, or made by uv or pip."""

    def __init__(self, ctx: "Context", source: "Source") -> None:
        import shutil

        self._ctx = ctx
        self._source = source
        self._env = installer.installer_env(
            ctx,
            {
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_NO_INPUT": "1",
                "PIP_PROGRESS_BAR": "off",
                "PIP_ROOT_USER_ACTION": "ignore",
                "PIP_USER": "0",
                "UV_NO_PROGRESS": "1",
                "PYTHONUNBUFFERED": "1",
            },
        )
        # Settings of an environment the agent was started in would lead the installer elsewhere.
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
            self._env.pop(name, None)
        self._uv = shutil.which("uv", path=self._env.get("PATH"))
        self._python = pythons.probe(system_python(ctx), self._env)

    def prepare(self) -> PythonEnv:
        self._check_python()
        self._ctx.setup_log("dependencies: %s, with %s\n" % (self._what(), "uv" if self._uv else "pip"))
        folder = os.path.join(self._ctx.cache, "env", self._key())
        if self._source.local:
            # It points into this attempt's working folder, which no other run may rely on.
            folder = os.path.join(self._ctx.dir, "env")
        reused = env_cache.cached(folder)
        try:
            record = reused or env_cache.get_or_build(self._ctx, folder, self._build)
        except OSError as error:
            raise SetupError(
                "the dependencies cannot be installed into %s" % folder,
                error.strerror or str(error),
                ["make it writable, with room for them"],
            ) from error
        if reused:
            self._ctx.setup_log("dependencies: using the environment prepared before\n")
        return self._result(record)

    def _what(self) -> str:
        return os.path.relpath(self._source.path, self._ctx.work) if self._source.path else "the listed packages"

    def _check_python(self) -> None:
        spec = self._source.requires_python
        if spec and not self._uv and not pythons.satisfies(self._python.version, spec):
            raise SetupError(
                "%s needs Python %s" % (self._what(), spec),
                "the machine's python3 is %s" % self._python.version,
                [
                    "install uv on the machine: it brings the right Python",
                    "use a machine or image with a fitting Python",
                    "relax requires-python",
                ],
            )

    def _key(self) -> str:
        from hashlib import sha256

        redact = installer.Redactor(self._ctx.secrets_env)
        parts = [
            self._source.kind,
            self._source.text,
            self._python.identity,
            self._python.prefix,
            sys.platform,
            "uv" if self._uv else "pip",
            # Which index answered decides what was installed; the password for it does not.
            *("%s=%s" % (name, redact(self._env[name])) for name in _INDEX_SETTINGS if name in self._env),
        ]
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    # Building -----------------------------------------------------------------------------------------------------------

    def _build(self, target: str) -> "Dict[str, Any]":
        venv = os.path.join(target, "venv")
        return self._build_uv(target, venv) if self._uv else self._build_pip(target, venv)

    def _run(
        self, argv: "List[str]", what: str, cwd: "Optional[str]" = None, env: "Optional[Dict[str, str]]" = None
    ) -> "Finished":
        finished = self._try(argv, cwd, env)
        if finished.code != 0:
            raise self._failed(what, finished)
        return finished

    def _try(
        self,
        argv: "List[str]",
        cwd: "Optional[str]" = None,
        env: "Optional[Dict[str, str]]" = None,
        keep: int = installer.LAST_LINES,
    ) -> "Finished":
        try:
            return installer.run(self._ctx, argv, "dependencies", {**self._env, **(env or {})}, cwd, keep=keep)
        except OSError as error:
            raise SetupError(
                "%s cannot be started" % argv[0], error.strerror or str(error), ["check the machine's installation"]
            ) from error

    def _failed(self, what: str, finished: "Finished") -> SetupError:
        return SetupError(
            "%s from %s failed" % (what, self._what()),
            finished.why,
            [
                "correct the dependencies and start the run again",
                "check that the machine reaches the package index",
                'set dependencies: "none" to use what the machine has',
            ],
        )

    def _build_uv(self, target: str, venv: str) -> "Dict[str, Any]":
        uv = str(self._uv)
        spec = self._source.requires_python
        fits = not spec or pythons.satisfies(self._python.version, spec)
        wanted = self._python.executable if fits else str(spec)
        create = [uv, "venv", "--no-project", "--system-site-packages", "--python", wanted, venv]
        self._run(create, "making an environment", cwd=target)
        if fits:
            _see_parent(venv, self._python)
        python = os.path.join(venv, "bin", "python")
        if self._source.kind == "lock":
            sync = [uv, "sync", "--frozen", "--no-install-workspace", "--python", python]
            self._run(
                sync, "installing the dependencies", cwd=self._source.folder, env={"UV_PROJECT_ENVIRONMENT": venv}
            )
        else:
            install = [uv, "pip", "install", "--python", python, "-r", self._requirements_file(target)]
            # Settings for uv (indexes, sources) are those of the folder it is called in.
            cwd = target if self._source.kind == "inline" else self._source.folder or target
            again = self._fetched_again(install, cwd) if fits else []
            if again:
                self._ctx.decision(
                    "pip instead of uv: uv does not see that the machine has %s, and would fetch it again"
                    % ", ".join(again)
                )
                return self._build_pip(target, os.path.join(target, "venv-pip"))
            self._run(install, "installing the dependencies", cwd=cwd)
        return {"interpreter": python, "venv": venv, "site": None}

    def _fetched_again(self, install: "List[str]", cwd: str) -> "List[str]":
        """The machine's own frameworks that uv would install anew: it looks into the environment only, not through it."""
        if not (self._python.frameworks and self._python.pip and self._python.venv):
            return []
        planned = self._try([*install[:3], "--dry-run", *install[3:]], cwd, keep=100_000)
        names = {match.group(1).lower().replace("_", "-") for match in map(_PLANNED.match, planned.tail) if match}
        return [name for name in self._python.frameworks if name in names]

    def _requirements_file(self, target: str) -> str:
        """What is handed to the installer by -r: never on the command line, for it may hold passwords."""
        if self._source.kind in ("requirements", "project"):
            return self._source.path
        if self._source.kind == "inline":
            # The block's own keys come before its tables, so that under this heading it is a project with the same meaning.
            path, text = "pyproject.toml", '[project]\nname = "script"\nversion = "0"\n' + self._source.text
            if not any(line.strip().startswith("dependencies") for line in self._source.text.splitlines()):
                path, text = "requirements.txt", ""
        else:
            path, text = "requirements.txt", self._source.text
        full = os.path.join(target, path)
        with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return full

    def _build_pip(self, target: str, venv: str) -> "Dict[str, Any]":
        requirements = self._pip_arguments(target)
        python = self._python
        if python.venv and (python.pip or python.ensurepip):
            # The machine's pip is seen from inside (system site packages): a second copy is made only where there is none.
            create = (
                [python.executable, "-m", "venv", "--system-site-packages"]
                + (["--without-pip"] if python.pip else [])
                + [venv]
            )
            self._run(create, "making an environment", cwd=target)
            _see_parent(venv, python)
            inner = os.path.join(venv, "bin", "python")
            self._run(
                [inner, "-m", "pip", "install", *requirements],
                "installing the dependencies",
                cwd=self._source.folder or target,
            )
            return {"interpreter": inner, "venv": venv, "site": None}
        if python.pip:
            site = os.path.join(target, "site")
            install = [python.executable, "-m", "pip", "install", "--target", site, *requirements]
            self._run(install, "installing the dependencies", cwd=self._source.folder or target)
            return {"interpreter": python.executable, "venv": None, "site": site}
        raise SetupError(
            "there is nothing to install dependencies with",
            "%s has neither pip nor ensurepip, and uv is not on the PATH" % python.executable,
            [
                "install uv, or python3-pip and python3-venv, on the machine",
                'set dependencies: "none" to use what the machine has',
            ],
        )

    def _pip_arguments(self, target: str) -> "List[str]":
        source = self._source
        if source.kind in ("requirements", "packages"):
            return ["-r", self._requirements_file(target)]
        project = source.text
        if source.kind == "lock":
            project = dep_sources.read_text(os.path.join(source.folder, "pyproject.toml"))
        document = dep_sources.parse_toml(project, self._what())
        if document is None:
            raise SetupError(
                "%s cannot be read" % self._what(),
                "Python %s has no reader for TOML" % self._python.version,
                ["install uv or pip on the machine", "use Python 3.11 or newer", "give a requirements.txt"],
            )
        table = document if source.kind == "inline" else document.get("project", {})
        names = table.get("dependencies", []) if isinstance(table, dict) else []
        if source.kind == "project" and isinstance(table, dict) and "dependencies" in table.get("dynamic", []):
            raise SetupError(
                "the dependencies in %s are dynamic" % self._what(),
                "only the project's build backend knows them, and that needs uv",
                ["install uv on the machine", "list them under project.dependencies", "give a requirements.txt"],
            )
        checked = listed([str(name) for name in names])
        full = os.path.join(target, "requirements.txt")
        with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(checked.text if checked else "")
        arguments = ["-r", full]
        if source.kind == "lock":
            self._ctx.decision(
                "uv.lock is installed by pip with its versions as constraints: uv is not on this machine"
            )
            arguments += ["-c", self._constraints(target)]
        return arguments

    def _constraints(self, target: str) -> str:
        """The lock's versions for pip. Packages that the lock holds in several versions (by marker) are left to the resolver."""
        document = dep_sources.parse_toml(dep_sources.read_text(self._source.path), "uv.lock") or {}
        versions: "Dict[str, List[str]]" = {}
        for package in document.get("package", []):
            origin = package.get("source", {})
            if "version" in package and "registry" in origin:
                versions.setdefault(str(package["name"]), []).append(str(package["version"]))
        full = os.path.join(target, "constraints.txt")
        with open(full, "w", encoding="utf-8") as file:
            file.writelines(
                "%s==%s\n" % (name, found[0]) for name, found in sorted(versions.items()) if len(found) == 1
            )
        return full

    # The result ---------------------------------------------------------------------------------------------------------

    def _result(self, record: "Dict[str, Any]") -> PythonEnv:
        attempt_env: "Dict[str, str]" = self._ctx.attempt.get("env") or {}
        path = attempt_env.get("PATH") or os.environ.get("PATH") or os.defpath
        env: "Dict[str, str]" = {}
        search: "List[str]" = []
        if record.get("venv"):
            env["VIRTUAL_ENV"] = record["venv"]
            env["PATH"] = pythons.bin_path(record["venv"], path)
        if record.get("site"):
            env["PATH"] = pythons.bin_path(record["site"], path)
            search.append(record["site"])
        search += self._package_roots()
        if search:
            before = attempt_env.get("PYTHONPATH") or os.environ.get("PYTHONPATH")
            env["PYTHONPATH"] = os.pathsep.join(search + ([before] if before else []))
        return PythonEnv(record["interpreter"], env)

    def _package_roots(self) -> "List[str]":
        """A locked project that is a package is importable as `uv run` makes it: from src/, else from its folder."""
        if self._source.kind != "lock":
            return []
        document = (
            dep_sources.parse_toml(
                dep_sources.read_text(os.path.join(self._source.folder, "pyproject.toml")), "pyproject.toml"
            )
            or {}
        )
        if "build-system" not in document:
            return []
        inner = os.path.join(self._source.folder, "src")
        return [inner if os.path.isdir(inner) else self._source.folder]


def _see_parent(venv: str, python: "Python") -> None:
    """An environment made from within another one sees the machine's packages but not that one's, where GPU images keep torch."""
    if not python.in_venv:
        return
    import glob

    for site in glob.glob(os.path.join(glob.escape(venv), "lib", "python*", "site-packages")):
        with open(os.path.join(site, "_runctl_parent.pth"), "w", encoding="utf-8") as file:
            # As code: a plain line could not hold every path.
            file.write("import sys; sys.path.extend(%s)\n" % ascii(python.site))
