"""The machine's Python: which one the training gets, and what is to know about it before an environment is made from it."""

from __future__ import annotations

import json
import os
import re

from ..context import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List


_PROBE = """
import json, sys, sysconfig, importlib.util as u
print(json.dumps({"executable": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "prefix": sys.prefix,
  "base": sys.base_prefix, "platform": sysconfig.get_platform(), "soabi": sysconfig.get_config_var("SOABI") or "",
  "implementation": sys.implementation.name, "site": sorted({sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}),
  "pip": u.find_spec("pip") is not None, "venv": u.find_spec("venv") is not None, "ensurepip": u.find_spec("ensurepip") is not None,
  "frameworks": [n for n in ("torch", "torchvision", "torchaudio", "triton", "tensorflow", "jax", "jaxlib") if u.find_spec(n)]}))
"""
_CLAUSE = re.compile(r"\s*(===|==|!=|<=|>=|~=|<|>)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?\s*\Z")


class Python:
    """What an interpreter said of itself."""

    def __init__(self, facts: "Dict[str, object]") -> None:
        self.executable = str(facts["executable"])
        self.version = str(facts["version"])
        self.prefix = str(facts["prefix"])
        self.in_venv = facts["prefix"] != facts["base"]
        site = facts["site"]
        self.site: "List[str]" = [str(path) for path in site] if isinstance(site, list) else []
        self.pip = bool(facts["pip"])
        self.venv = bool(facts["venv"])
        self.ensurepip = bool(facts["ensurepip"])
        frameworks = facts["frameworks"]
        self.frameworks: "List[str]" = [str(name) for name in frameworks] if isinstance(frameworks, list) else []
        """Large packages that the machine brings, built for its GPU: what an image is chosen for, and gigabytes to fetch again."""
        self.identity = "%s-%s-%s-%s" % (facts["implementation"], facts["version"], facts["platform"], facts["soabi"])


def probe(interpreter: str, env: "Dict[str, str]") -> Python:
    """Asks an interpreter about itself. SetupError when it does not run."""
    import subprocess

    try:
        result = subprocess.run(
            [interpreter, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            timeout=120,
        )
        return Python(json.loads(result.stdout.decode("utf-8").strip().splitlines()[-1]))
    except (OSError, ValueError, IndexError, KeyError, subprocess.TimeoutExpired) as error:
        raise SetupError(
            "%s cannot be used" % interpreter, str(error), ["install python3 (3.8 or newer) on the machine"]
        ) from error


def _numbers(version: str) -> "List[int]":
    return [int(part) for part in version.split(".")]


def _padded(left: "List[int]", right: "List[int]") -> "tuple[List[int], List[int]]":
    size = max(len(left), len(right))
    return left + [0] * (size - len(left)), right + [0] * (size - len(right))


def satisfies(version: str, spec: str) -> bool:
    """Does a release such as "3.11.2" satisfy a specifier such as ">=3.10,<4"? Clauses that are not understood count as satisfied."""
    for clause in spec.split(","):
        match = _CLAUSE.match(clause)
        if not match:
            continue
        operator, wanted_text, star = match.groups()
        wanted = _numbers(wanted_text)
        have = _numbers(version)
        if star or operator == "~=":
            prefix = wanted if star else wanted[:-1]
            same = have[: len(prefix)] == prefix
            fits = not same if operator == "!=" else same
            if operator == "~=":
                fits = fits and have >= wanted
        else:
            left, right = _padded(have, wanted)
            fits = {
                "===": left == right,
                "==": left == right,
                "!=": left != right,
                "<=": left <= right,
                ">=": left >= right,
                "<": left < right,
                ">": left > right,
            }[operator]
        if not fits:
            return False
    return True


def bin_path(env_dir: str, path: str) -> str:
    """PATH with an environment's programs first."""
    return os.path.join(env_dir, "bin") + os.pathsep + path
