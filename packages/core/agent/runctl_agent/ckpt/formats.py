"""Checkpoint formats recognised from outside: which files form one checkpoint and whether it is whole. Nothing is ever unpickled."""

from __future__ import annotations

from .dirs import Tree, judge_unit
from .files import COMPLETE, FOREIGN, TORN, UNKNOWN, Verdict
from .layout import Unit, find_units

__all__ = [
    "COMPLETE",
    "FOREIGN",
    "TORN",
    "UNKNOWN",
    "Tree",
    "Unit",
    "Verdict",
    "find_units",
    "judge_tree",
    "judge_unit",
    "open_tree",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

# Formats whose shards are written by every rank even when nobody told us how many there are.
RANKED = frozenset(("hf-trainer", "accelerate", "deepspeed"))


def open_tree(root: str, sizes: "Dict[str, int]") -> Tree:
    """A Tree over a real folder. A file that goes away while it is read counts as empty."""

    def read(path: str, offset: int, length: int) -> bytes:
        try:
            with open(root + "/" + path, "rb", buffering=0) as file:
                file.seek(offset)
                parts = []
                while length > 0:
                    part = file.read(length)
                    if not part:
                        break
                    parts.append(part)
                    length -= len(part)
                return b"".join(parts)
        except FileNotFoundError:
            return b""

    return Tree(sizes, read)


def judge_tree(root: str, sizes: "Dict[str, int]") -> "List[Tuple[Unit, Verdict]]":
    """Every checkpoint of a folder with its verdict, in order of path."""
    tree = open_tree(root, sizes)
    return [(unit, judge_unit(unit, tree)) for unit in find_units(sizes)]
