"""What the project says it needs: the nearest of inline script metadata (PEP 723), uv.lock, pyproject.toml and requirements.txt."""

from __future__ import annotations

import os
import re

from ..context import SetupError
from . import toml_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..context import Context

# The pattern is the one of the specification ("Inline script metadata", packaging.python.org).
_INLINE = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_REQUIRES_PYTHON = re.compile(r"""(?m)^\s*requires-python\s*=\s*(['"])(?P<spec>[^'"]+)\1""")
_INCLUDE = re.compile(r"^(?:-r|--requirement|-c|--constraint)(?:\s+|\s*=\s*)(?P<file>.+)$")
_LOCAL = re.compile(r"^(?:-e|--editable|\.{0,2}/|\.$|\.\[|file:)|@\s*(?:file:|\.)")
_UNSUPPORTED = ("setup.py", "setup.cfg", "Pipfile", "poetry.lock", "environment.yml", "environment.yaml", "conda.yml")


class Source:
    """Where requirements were found. `kind`: "inline" (script metadata), "lock" (uv.lock), "project" (pyproject.toml), "requirements"."""

    def __init__(self, kind: str, path: str, text: str) -> None:
        self.kind = kind
        self.path = path
        """The file, absolute."""
        self.text = text
        """All that decides what gets installed, included files too: what the cache is keyed by."""
        self.requires_python: "Optional[str]" = None
        self.local = False
        """It installs something from the working folder itself, so the environment is of use to this attempt only."""

    @property
    def folder(self) -> str:
        return os.path.dirname(self.path)


def read_text(path: str) -> str:
    """A text file; SetupError when it cannot be read as one."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise SetupError("%s cannot be read" % os.path.basename(path), str(error), ["save it as UTF-8 text"]) from error


def inline_metadata(path: str) -> "Optional[str]":
    """The TOML of the script's `# /// script` block; None without one. SetupError when there are several."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(1 << 20)
    except (OSError, ValueError):
        return None
    blocks = [match.group("content") for match in _INLINE.finditer(text) if match.group("type") == "script"]
    if len(blocks) > 1:
        raise SetupError(
            "the script has %d blocks of inline metadata" % len(blocks),
            "PEP 723 allows one",
            ["merge them into one `# /// script`"],
        )
    if not blocks:
        return None
    return "".join(line[2:] if line.startswith("# ") else line[1:] for line in blocks[0].splitlines(keepends=True))


def parse_toml(text: str, name: str) -> "Optional[Dict[str, Any]]":
    """The document, None without a reader; SetupError for text that is not TOML."""
    try:
        return toml_reader.loads(text)
    except ValueError as error:
        raise SetupError("%s is not valid TOML" % name, str(error), ["correct it"]) from error


def requirement_files(path: str, seen: "Optional[Dict[str, str]]" = None) -> "Dict[str, str]":
    """A requirements file and those it includes by -r and -c: absolute path -> text."""
    found: "Dict[str, str]" = {} if seen is None else seen
    path = os.path.normpath(path)
    if path in found:
        return found
    text = found[path] = read_text(path)
    for line in text.splitlines():
        match = _INCLUDE.match(line.strip())
        if match and "://" not in match.group("file"):
            included = os.path.join(os.path.dirname(path), match.group("file").split(" #")[0].strip().strip("'\""))
            if not os.path.isfile(included):
                raise SetupError(
                    "%s includes a file that is not there" % os.path.basename(path),
                    line.strip(),
                    ["add the file to the code, or take the line out"],
                )
            requirement_files(included, found)
    return found


def _requirements(path: str) -> Source:
    files = requirement_files(path)
    source = Source("requirements", path, "\n".join(files.values()))
    source.local = any(_LOCAL.search(line.strip()) for text in files.values() for line in text.splitlines())
    return source


def _project(path: str) -> "Optional[Source]":
    """pyproject.toml when it names dependencies; one that only configures tools is none."""
    text = read_text(path)
    document = parse_toml(text, "pyproject.toml")
    if document is None:
        names = re.search(r"(?m)^\s*dependencies\s*=", text) is not None and "[project]" in text
    else:
        project = document.get("project")
        names = isinstance(project, dict) and (
            "dependencies" in project or "dependencies" in project.get("dynamic", [])
        )
    if not names:
        return None
    source = Source("project", path, text)
    match = _REQUIRES_PYTHON.search(text)
    source.requires_python = match.group("spec") if match else None
    return source


def _inline(path: str) -> "Optional[Source]":
    block = inline_metadata(path)
    if block is None:
        return None
    source = Source("inline", path, block)
    match = _REQUIRES_PYTHON.search(block)
    source.requires_python = match.group("spec") if match else None
    return source


def _lock(folder: str) -> "Optional[Source]":
    lock, project = os.path.join(folder, "uv.lock"), os.path.join(folder, "pyproject.toml")
    if not (os.path.isfile(lock) and os.path.isfile(project)):
        return None
    project_text = read_text(project)
    source = Source("lock", lock, read_text(lock) + "\n" + project_text)
    match = _REQUIRES_PYTHON.search(project_text)
    source.requires_python = match.group("spec") if match else None
    return source


def from_file(ctx: "Context", name: str) -> Source:
    """The source that the run names by `dependencies: { file }`, relative to the working folder. SetupError when it is of no use."""
    path = os.path.normpath(os.path.join(ctx.work, name))
    root = os.path.realpath(ctx.work)
    if not os.path.isfile(path):
        raise SetupError(
            "the dependency file %s does not exist" % name,
            "the staged code has no such file",
            ["check `dependencies.file`"],
        )
    if not os.path.realpath(path).startswith(root + "/"):
        raise SetupError(
            "the dependency file %s is outside the code" % name,
            "it must be part of the project",
            ["move it into the project"],
        )
    base = os.path.basename(path)
    found: "Optional[Source]" = None
    if base == "uv.lock":
        found = _lock(os.path.dirname(path))
    elif base.endswith(".toml"):
        found = _project(path)
    elif base.endswith(".py"):
        found = None if base == "setup.py" else _inline(path)
    elif base.endswith((".txt", ".in", ".pip")):
        return _requirements(path)
    if found is None:
        raise SetupError(
            "%s says no dependencies that can be installed" % name,
            "understood are requirements files (.txt, .in), pyproject.toml with project.dependencies, uv.lock, and scripts with inline metadata",
            ["give one of these", 'or list them: dependencies: { packages: ["numpy"] }'],
        )
    return found


def discover(ctx: "Context") -> "Optional[Source]":
    """The nearest source, from the script's folder up to the working folder; None when nothing is said. Never looks outside."""
    script = ctx.attempt.get("script")
    folders = [ctx.work]
    if script:
        path = os.path.normpath(os.path.join(ctx.work, script))
        if path.endswith(".py"):
            found = _inline(path)
            if found is not None:
                return found
        folder = os.path.dirname(path)
        nearer: "List[str]" = []
        while folder.startswith(ctx.work + "/"):
            nearer.append(folder)
            folder = os.path.dirname(folder)
        folders = nearer + folders
    for folder in folders:
        found = _lock(folder)
        if found is None and os.path.isfile(os.path.join(folder, "pyproject.toml")):
            found = _project(os.path.join(folder, "pyproject.toml"))
        if found is None and os.path.isfile(os.path.join(folder, "requirements.txt")):
            found = _requirements(os.path.join(folder, "requirements.txt"))
        if found is not None:
            return found
    for folder in folders:
        for name in _UNSUPPORTED:
            if os.path.isfile(os.path.join(folder, name)):
                ctx.decision(
                    "%s is not read for dependencies: the machine's Python is used as it is; a requirements.txt, pyproject.toml or "
                    "uv.lock would be installed" % os.path.relpath(os.path.join(folder, name), ctx.work)
                )
                return None
    return None
