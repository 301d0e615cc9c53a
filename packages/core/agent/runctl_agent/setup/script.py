"""How a script is run: Python by the environment's interpreter, others as their first line or their kind says."""

from __future__ import annotations

import os

from ..context import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

PYTHONS = ("python3", "python")


def _is_python(program: str) -> bool:
    name = os.path.basename(program)
    return name in PYTHONS or (name.startswith("python3.") and name[8:].isdigit())


def _shebang(path: str) -> "Optional[List[str]]":
    """The words of the first line after "#!"; None without one. As the kernel reads it: a program and at most one argument."""
    try:
        with open(path, "rb") as file:
            first = file.readline(4096)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    words = first[2:].strip().decode("utf-8", "replace").split(None, 1)
    return words or None


def command(work: str, script: str, args: "List[str]", interpreter: str) -> "List[str]":
    """argv for a script of the working folder. Its path stays relative, as its own messages show it. SetupError: missing or not runnable."""
    path = os.path.join(work, script)
    if not os.path.exists(path):
        raise SetupError(
            "the script %s does not exist" % script,
            "the staged code has no such file",
            ["check the path, relative to the project root"],
        )
    if os.path.isdir(path):
        raise SetupError("%s is a folder" % script, "a script is one file", ["name the file inside it"])
    # A name with a leading dash would be an option of the program that runs it; one without a slash is looked for on the PATH.
    name = "./" + script if script.startswith("-") else script
    if script.endswith(".py"):
        return [interpreter, name] + args
    program = name if "/" in name else "./" + name
    words = _shebang(path)
    if words is None:
        if script.endswith((".sh", ".bash")):
            return ["bash" if script.endswith(".bash") else "sh", name] + args
        if os.access(path, os.X_OK):
            return [program] + args
        raise SetupError(
            "it is not clear how to run %s" % script,
            "it is no Python or shell script, has no #! line and may not be executed",
            [
                "name it .py or .sh",
                "give it a first line such as #!/usr/bin/env python3",
                "use command: [...] instead of script",
            ],
        )
    target = words[1].split() if len(words) > 1 and os.path.basename(words[0]) == "env" else words[:1]
    if target[:1] == ["-S"]:
        target = target[1:]
    if target and _is_python(target[0]):
        return [interpreter] + target[1:] + [name] + args
    if os.access(path, os.X_OK):
        return [program] + args
    return words + [name] + args
