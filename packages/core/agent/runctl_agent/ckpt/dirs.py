"""Is a checkpoint of several files whole: the format's own marker, every shard, every rank. The TypeScript twin is checkpoint/formats/unit.ts."""

from __future__ import annotations

import json
import struct

from . import names
from .files import (
    COMPLETE,
    FOREIGN,
    MAX_JSON,
    TORN,
    UNKNOWN,
    Verdict,
    int_after_key,
    judge_file,
    stored_entry,
    zip_entries,
)
from .layout import Unit, dir_format, files_below, join, tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Set, Tuple

    ReadPath = Callable[[str, int, int], bytes]


class Tree:
    """A listing with sizes and a bounded reader: read(path, offset, length)."""

    def __init__(self, sizes: "Dict[str, int]", read: "ReadPath") -> None:
        self.sizes = sizes
        self.read = read

    def text(self, path: str, limit: int = MAX_JSON) -> "Optional[bytes]":
        """A small file's bytes; None when it is not there or too large."""
        size = self.sizes.get(path)
        return None if size is None or size > limit else self.read(path, 0, size)

    def judge(self, path: str) -> Verdict:
        """The verdict on one file."""
        return judge_file(path.rsplit("/", 1)[-1], self.sizes[path], lambda at, length: self.read(path, at, length))


def judge_unit(unit: Unit, tree: Tree, expected: "Optional[int]" = None) -> Verdict:
    """The verdict on a checkpoint. `expected` is the number of ranks that write shards, when it is known from elsewhere."""
    try:
        verdict = _JUDGES[unit.format](unit, tree, expected)
    except (struct.error, IndexError, KeyError):
        verdict = Verdict(TORN, unit.format, "it changed while it was read")
    except OSError as error:
        verdict = Verdict(TORN, unit.format, "it cannot be read: %s" % (error.strerror or error))
    if verdict.step is None:
        verdict.step = names.step_of(unit.path)
    else:
        by_name = names.step_of(unit.path)
        verdict.step = by_name if by_name is not None else verdict.step
    return verdict


def _bad(tree: Tree, paths: "List[str]", unit: Unit) -> "Tuple[Optional[str], bool]":
    """(the first torn or foreign file with its reason, whether every file was proven whole)."""
    whole = True
    for path in paths:
        name = path.rsplit("/", 1)[-1]
        if names.extension(name) not in names.WEIGHT_EXT and not name.endswith(".json"):
            continue
        verdict = tree.judge(path)
        if verdict.status in (TORN, FOREIGN):
            return "%s: %s" % (_inside(unit, path), verdict.reason), False
        whole = whole and verdict.status == COMPLETE
    return None, whole


def _inside(unit: Unit, path: str) -> str:
    return path[len(unit.path) + 1 :] if unit.kind == "dir" and unit.path != "." else path


def _rank_gap(found: "Set[int]", expected: "Optional[int]", what: str) -> "Optional[str]":
    count = max(found) + 1 if found else 0
    if expected is not None:
        count = max(count, expected)
    missing = sorted(set(range(min(count, 1_000_000))) - found)
    if missing:
        return "it has %s of %d of %d ranks, rank %d is missing" % (what, len(found), count, missing[0])
    return None


def _file(unit: Unit, tree: Tree, _expected: "Optional[int]") -> Verdict:
    return tree.judge(unit.path)


def _index_gap(tree: Tree, index: str) -> "Optional[str]":
    folder = index.rpartition("/")[0]
    raw = tree.text(index)
    try:
        value = json.loads(raw.decode("utf-8")) if raw is not None else None
    except (ValueError, RecursionError):
        value = None
    weight_map = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(weight_map, dict):
        return "its index %s has no weight_map" % index.rsplit("/", 1)[-1]
    for shard in sorted({str(s) for s in weight_map.values()}):
        if "/" in shard or shard in ("", ".", ".."):
            return "its index names a file outside its folder"
        if join(folder, shard) not in tree.sizes:
            return "%s of its index is missing" % shard
    return None


def _sharded(unit: Unit, tree: Tree, _expected: "Optional[int]") -> Verdict:
    format = "safetensors" if unit.path.endswith(".safetensors.index.json") else "pytorch"
    reason = _index_gap(tree, unit.path)
    if reason is None:
        reason = _bad(tree, unit.files, unit)[0]
    return Verdict(COMPLETE, format) if reason is None else Verdict(TORN, format, reason)


def _of_gap(paths: "List[str]") -> "Optional[str]":
    """Names like model-00001-of-00003.bin: all three must be there, counted from 0 or from 1."""
    groups: "Dict[str, Set[int]]" = {}
    for path in paths:
        found = names.SHARD_OF.search(path)
        if found is not None:
            groups.setdefault("%s\n%d\n%s" % (found.group(1), int(found.group(3)), found.group(4)), set()).add(
                int(found.group(2))
            )
    for key, numbers in sorted(groups.items()):
        count = int(key.split("\n")[-2])
        if len(numbers) < count:
            return "it has %d of %d shards" % (len(numbers), count)
    return None


def _shards(unit: Unit, tree: Tree, _expected: "Optional[int]") -> Verdict:
    reason = _of_gap(unit.files)
    whole = False
    if reason is None:
        reason, whole = _bad(tree, unit.files, unit)
    if reason is not None:
        return Verdict(TORN, "shards", reason)
    return (
        Verdict(COMPLETE, "shards")
        if whole
        else Verdict(UNKNOWN, "shards", "its shards have no end mark that can be checked")
    )


def _tensorflow(unit: Unit, tree: Tree, _expected: "Optional[int]") -> Verdict:
    files = set(unit.files)
    if unit.kind == "dir":
        graph = join("" if unit.path == "." else unit.path, "saved_model.pb")
        if not tree.sizes.get(graph):
            return Verdict(TORN, "tensorflow", "saved_model.pb is empty")
        prefixes = (
            [join("" if unit.path == "." else unit.path, "variables/variables")]
            if any("/variables/" in "/" + f for f in files)
            else []
        )
    else:
        prefixes = [unit.path]
    for prefix in prefixes:
        if prefix + ".index" not in files:
            return Verdict(TORN, "tensorflow", "its index file is missing")
        if not tree.sizes.get(prefix + ".index"):
            return Verdict(TORN, "tensorflow", "its index file is empty")
        shards = [
            found
            for found in (names.TF_DATA.search(f) for f in files)
            if found is not None and found.group(1) == prefix
        ]
        if not shards:
            return Verdict(TORN, "tensorflow", "its data files are missing")
        count = int(shards[0].group(3))
        if len(shards) < count:
            return Verdict(TORN, "tensorflow", "it has %d of %d data files" % (len(shards), count))
    return Verdict(COMPLETE, "tensorflow")


def _composer(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    ranks = set()
    for path in unit.files:
        found = names.COMPOSER_FILE.search(path.rsplit("/", 1)[-1])
        if found is not None:
            ranks.add(int(found.group(2)))
    reason = _rank_gap(ranks, expected, "shards")
    if reason is None:
        reason = _bad(tree, unit.files, unit)[0]
    if reason is not None:
        return Verdict(TORN, "composer", reason, None, len(ranks))
    return Verdict(COMPLETE, "composer", None, None, len(ranks))


def _base(unit: Unit) -> str:
    return "" if unit.path == "." else unit.path


def _is_weights(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    own = names.stem(name)
    if names.extension(name) not in names.WEIGHT_EXT:
        return False
    return not (
        own in ("optimizer", "scheduler", "scaler", "training_args", "trainer_state", "sampler")
        or own.startswith(("rng_state", "random_states", "optimizer_", "scheduler_"))
    )


def _nested(unit: Unit, tree: Tree, expected: "Optional[int]") -> "Tuple[Optional[str], int, Set[str]]":
    """Checkpoints of other formats inside a checkpoint folder: (what is wrong, how many are whole, their files)."""
    base = _base(unit)
    node = tree_of(unit.files)
    for part in base.split("/") if base else []:
        node = node.dirs[part]
    whole = 0
    covered: "Set[str]" = set()
    pending = list(node.dirs.items())
    while pending:
        name, child = pending.pop(0)
        format = dir_format(child, name)
        if format not in ("dcp", "deepspeed", "megatron", "orbax", "bytecheckpoint"):
            pending.extend(child.dirs.items())
            continue
        inner = Unit(child.path, "dir", format, files_below(child))
        covered.update(inner.files)
        verdict = (
            _dcp(inner, tree, expected)
            if format == "megatron" and _has_metadata(inner)
            else _JUDGES[format](inner, tree, expected)
        )
        if verdict.status == TORN:
            return "%s: %s" % (_inside(unit, child.path), verdict.reason), whole, covered
        whole += 1 if verdict.status == COMPLETE else 0
    return None, whole, covered


def _has_metadata(unit: Unit) -> bool:
    return join(_base(unit), ".metadata") in unit.files


def _common(unit: Unit, tree: Tree, expected: "Optional[int]") -> "Tuple[Optional[str], int, bool]":
    """What every folder must fulfil: (what is wrong, nested checkpoints that are whole, whether there are weights)."""
    reason, nested, covered = _nested(unit, tree, expected)
    own = [path for path in unit.files if path not in covered]
    for path in own if reason is None else []:
        if names.INDEX_JSON.search(path.rsplit("/", 1)[-1]):
            reason = reason or _index_gap(tree, path)
    reason = reason or _of_gap(own) or _bad(tree, own, unit)[0]
    return reason, nested, nested > 0 or any(_is_weights(path) for path in own)


def _ranks(unit: Unit, prefix: str) -> "Set[int]":
    found = set()
    start = join(_base(unit), prefix)
    for path in unit.files:
        digits = path[len(start) :].split(".")[0] if path.startswith(start) else ""
        if digits and all(c in "0123456789" for c in digits):
            found.add(int(digits))
    return found


def _hf_trainer(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    marker = join(_base(unit), "trainer_state.json")
    if marker not in tree.sizes:
        return Verdict(TORN, "hf-trainer", "trainer_state.json, written last, is missing")
    reason, _nested_whole, weights = _common(unit, tree, expected)
    ranks = _ranks(unit, "rng_state_")
    if reason is None and not weights:
        reason = "it has no weights"
    if reason is None and ranks:
        reason = _rank_gap(ranks, expected, "random states")
    step = None
    if reason is None:
        step = judge_file(
            "trainer_state.json", tree.sizes[marker], lambda at, length: tree.read(marker, at, length)
        ).step
    return Verdict(COMPLETE if reason is None else TORN, "hf-trainer", reason, step, len(ranks) or None)


def _accelerate(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    reason, _nested_whole, weights = _common(unit, tree, expected)
    ranks = _ranks(unit, "random_states_")
    if reason is None and not weights:
        reason = "it has no weights"
    if reason is None:
        reason = (
            "it has no random states, which are written last"
            if not ranks
            else _rank_gap(ranks, expected, "random states")
        )
    return Verdict(COMPLETE if reason is None else TORN, "accelerate", reason, None, len(ranks) or None)


def _dcp(unit: Unit, tree: Tree, _expected: "Optional[int]") -> Verdict:
    base = _base(unit)
    marker = join(base, ".metadata")
    size = tree.sizes.get(marker)
    if size is None:
        return Verdict(TORN, "dcp", ".metadata, written last, is missing")
    if size == 0:
        return Verdict(TORN, "dcp", ".metadata is empty")
    if tree.read(marker, size - 1, 1) != b".":
        return Verdict(TORN, "dcp", ".metadata ends before its STOP mark")
    wanted: "Set[str]" = set()
    carry = b""
    for at in range(0, size, 1 << 20):
        block = carry + tree.read(marker, at, min(1 << 20, size - at))
        wanted.update(name.decode("ascii") for name in names.DISTCP_NAME.findall(block))
        carry = block[-64:]
    for name in sorted(wanted):
        held = tree.sizes.get(join(base, name))
        if not held:
            return Verdict(
                TORN, "dcp", "%s, named in .metadata, is %s" % (name, "missing" if held is None else "empty")
            )
    ranks = {name.split("_")[2] for name in wanted}
    if not wanted:
        reason = _common_leaf(unit, tree)
        return (
            Verdict(TORN, "dcp", reason)
            if reason is not None
            else Verdict(UNKNOWN, "dcp", "its .metadata names no shard")
        )
    return Verdict(COMPLETE, "dcp", None, None, len(ranks))


def _common_leaf(unit: Unit, tree: Tree) -> "Optional[str]":
    return _bad(tree, unit.files, unit)[0]


def _deepspeed(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    optim: "Dict[int, Set[int]]" = {}
    models: "Set[int]" = set()
    sample = None
    for path in unit.files:
        found = names.DEEPSPEED_SHARD.search(path.rsplit("/", 1)[-1])
        if found is None:
            continue
        mp = int(found.group(2))
        if found.group(3) == "model":
            models.add(mp)
            sample = sample or path
        elif found.group(1) is not None:
            optim.setdefault(mp, set()).add(int(found.group(1)))
    if sample is None:
        return Verdict(TORN, "deepspeed", "its model states are missing")
    reason = _bad(tree, unit.files, unit)[0]
    if reason is not None:
        return Verdict(TORN, "deepspeed", reason)
    dp_size, mp_size, zero = _deepspeed_sizes(tree, sample)
    reason = _rank_gap(models, mp_size, "model states")
    if reason is None and zero and not optim:
        reason = "its optimizer states are missing"
    mp_count = len(models)
    if dp_size is None and optim:
        dp_size = (
            expected // mp_count
            if expected is not None and expected >= mp_count
            else max(max(found) + 1 for found in optim.values())
        )
    for mp in sorted(models) if optim and reason is None else []:
        reason = reason or _rank_gap(optim.get(mp, set()), dp_size, "optimizer states")
    return Verdict(COMPLETE if reason is None else TORN, "deepspeed", reason, None, (dp_size or 1) * mp_count)


def _deepspeed_sizes(tree: Tree, path: str) -> "Tuple[Optional[int], Optional[int], bool]":
    """(dp_world_size, mp_world_size, whether ZeRO writes optimizer states), as the model states tell in plain bytes."""

    def read(at: int, length: int) -> bytes:
        return tree.read(path, at, length)

    reason, entries = zip_entries(tree.sizes[path], read) if tree.read(path, 0, 2) == b"PK" else ("", [])
    if reason is not None:
        return None, None, False
    text = stored_entry(entries, b"data.pkl", MAX_JSON, read)
    at = text.find(b"zero_optimization")
    stage = int_after_key(text[at:], b"stage") if at >= 0 else None
    return int_after_key(text, b"dp_world_size"), int_after_key(text, b"mp_world_size"), bool(stage)


def _megatron(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    parent, _, name = unit.path.rpartition("/")
    raw = tree.text(join(parent, "latest_checkpointed_iteration.txt"), 1024)
    text = raw.decode("latin-1").strip(" \t\r\n") if raw is not None else None
    if text is None:
        return Verdict(TORN, "megatron", "latest_checkpointed_iteration.txt, written last, is missing")
    number = int(text) if text != "" and len(text) <= 15 and all(c in "0123456789" for c in text) else None
    if number is None and text != "release":
        return Verdict(TORN, "megatron", "latest_checkpointed_iteration.txt holds no number")
    if name != "release" and (number is None or number < int(name[5:])):
        return Verdict(TORN, "megatron", "latest_checkpointed_iteration.txt still says %s" % text)
    if _has_metadata(unit):
        inner = _dcp(unit, tree, expected)
        if inner.status == TORN:
            return Verdict(TORN, "megatron", inner.reason)
    reason, _nested_whole, weights = _common(unit, tree, expected)
    if reason is None and not weights and not _has_metadata(unit):
        reason = "it has no weights"
    return Verdict(COMPLETE if reason is None else TORN, "megatron", reason)


def _orbax(unit: Unit, tree: Tree, _expected: "Optional[int]") -> Verdict:
    base = _base(unit)
    for path in unit.files:
        if path.rsplit("/", 1)[-1] in ("_METADATA", "manifest.ocdbt") and tree.sizes[path] == 0:
            return Verdict(TORN, "orbax", "%s is empty" % _inside(unit, path))
    raw = tree.text(join(base, "_CHECKPOINT_METADATA"))
    if raw is not None:
        try:
            value = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            return Verdict(TORN, "orbax", "_CHECKPOINT_METADATA is not JSON")
        if isinstance(value, dict) and "commit_timestamp_nsecs" in value and value["commit_timestamp_nsecs"] is None:
            return Verdict(TORN, "orbax", "it was not committed")
        return Verdict(COMPLETE, "orbax")
    if join(base, "commit_success.txt") in tree.sizes:
        return Verdict(COMPLETE, "orbax")
    return Verdict(UNKNOWN, "orbax", "it has no commit mark")


def _bytecheckpoint(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    world = None
    for part in ("model", "optimizer", "extra_state"):
        prefix = join(_base(unit), part) + "/"
        files = [path for path in unit.files if path.startswith(prefix)]
        verdict = _dcp(Unit(prefix[:-1], "dir", "dcp", files), tree, expected)
        if verdict.status == TORN:
            return Verdict(TORN, "bytecheckpoint", "%s: %s" % (part, verdict.reason))
        world = verdict.world if part == "model" else world
    return Verdict(COMPLETE, "bytecheckpoint", None, None, world)


def _folder(unit: Unit, tree: Tree, expected: "Optional[int]") -> Verdict:
    reason, nested, _weights = _common(unit, tree, expected)
    if reason is not None:
        return Verdict(TORN, "folder", reason)
    if nested > 0:
        return Verdict(COMPLETE, "folder")
    return Verdict(UNKNOWN, "folder", "a folder without a known marker: more files may follow")


_JUDGES: "Dict[str, Callable[[Unit, Tree, Optional[int]], Verdict]]" = {
    "file": _file,
    "sharded": _sharded,
    "shards": _shards,
    "tensorflow": _tensorflow,
    "composer": _composer,
    "hf-trainer": _hf_trainer,
    "accelerate": _accelerate,
    "dcp": _dcp,
    "deepspeed": _deepspeed,
    "megatron": _megatron,
    "orbax": _orbax,
    "bytecheckpoint": _bytecheckpoint,
    "folder": _folder,
}
