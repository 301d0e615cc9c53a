"""Which files of a folder belong together as one checkpoint. The TypeScript twin is checkpoint/formats/layout.ts."""

from __future__ import annotations

from . import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Optional


class Unit:
    """One checkpoint: `path` as the script knows it, `files` relative to the same root, sorted."""

    __slots__ = ("path", "kind", "format", "files")

    def __init__(self, path: str, kind: str, format: str, files: "List[str]") -> None:
        self.path = path
        self.kind = kind
        self.format = format
        self.files = sorted(files)


class Node:
    """A folder of the listing."""

    __slots__ = ("path", "files", "dirs")

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: "Dict[str, None]" = {}
        self.dirs: "Dict[str, Node]" = {}


def tree_of(paths: "Iterable[str]") -> Node:
    """Folders and files of a flat listing of relative POSIX paths."""
    root = Node("")
    for path in paths:
        node = root
        parts = path.split("/")
        for part in parts[:-1]:
            below = node.dirs.get(part)
            if below is None:
                below = node.dirs[part] = Node(part if node is root else node.path + "/" + part)
            node = below
        node.files[parts[-1]] = None
    return root


def join(folder: str, name: str) -> str:
    """A path below a folder; "" is the root."""
    return name if folder == "" else folder + "/" + name


def files_below(node: Node) -> "List[str]":
    """Every file that is not temporary, folders that are being written left out."""
    found = [join(node.path, name) for name in node.files if not names.is_temporary_file(name)]
    for name, below in node.dirs.items():
        if not names.is_temporary_dir(name):
            found.extend(files_below(below))
    return found


def find_units(paths: "Iterable[str]") -> "List[Unit]":
    """The checkpoints in a listing of regular files (links left out), in order of path."""
    units: "List[Unit]" = []
    _visit(tree_of(paths), "", units)
    return sorted(units, key=lambda unit: unit.path)


def _visit(node: Node, name: str, units: "List[Unit]") -> None:
    format = dir_format(node, name)
    if format is not None:
        files = files_below(node)
        if files:
            units.append(Unit(node.path or ".", "dir", format, files))
        return
    _group_files(node, units)
    for below, child in node.dirs.items():
        if not names.is_temporary_dir(below):
            _visit(child, below, units)


def _format_by_name(node: Node, name: str) -> "Optional[str]":
    rest = name[name.rfind("-") + 1 :]
    if name.startswith("checkpoint-") and _digits(rest) and name == "checkpoint-" + rest:
        return "hf-trainer"
    if name.startswith("checkpoint_") and _digits(name[11:]):
        return "accelerate"
    if name.startswith("global_step") and _digits(name[11:]):
        return "deepspeed"
    if name.startswith("iter_") and len(name) == 12 and _digits(name[5:]):
        return "megatron"
    if name == "release" and any(child.startswith("mp_rank_") for child in node.dirs):
        return "megatron"
    return None


def _digits(text: str) -> bool:
    return text != "" and all(c in "0123456789" for c in text)


def _has_dcp(node: Node) -> bool:
    return ".metadata" in node.files or ".metadata.tmp" in node.files or any(f.endswith(".distcp") for f in node.files)


def _orbax_below(node: Node, depth: int) -> bool:
    if any(f in node.files for f in ("_METADATA", "manifest.ocdbt", "_sharding")):
        return True
    return depth > 0 and any(_orbax_below(child, depth - 1) for child in node.dirs.values())


def dir_format(node: Node, name: str) -> "Optional[str]":
    """The format of a folder that is a checkpoint as a whole; None for a folder that merely holds checkpoints."""
    by_name = _format_by_name(node, name)
    if by_name is not None:
        return by_name
    if any(_format_by_name(child, below) is not None for below, child in node.dirs.items()):
        inner = names.FILE_LIKE_DIR.search(name) is not None
        return "folder" if inner else None
    if "_CHECKPOINT_METADATA" in node.files or "commit_success.txt" in node.files:
        return "orbax"
    parts = [part for part in ("model", "optimizer", "extra_state") if part in node.dirs]
    if len(parts) >= 2 and any(_has_dcp(node.dirs[part]) for part in parts):
        return "bytecheckpoint"
    if _has_dcp(node):
        return "dcp"
    if any(names.DEEPSPEED_SHARD.search(f) for f in node.files):
        return "deepspeed"
    if "saved_model.pb" in node.files:
        return "tensorflow"
    if any(f.startswith("random_states_") and f.endswith(".pkl") for f in node.files):
        return "accelerate"
    if _digits(name) and _orbax_below(node, 2):
        return "orbax"
    if name == "":
        return "folder" if _is_component_set(node) and not node.dirs else None
    if names.FILE_LIKE_DIR.search(name) or names.NUMBERED_DIR.search(name) or names.NAMED_DIR.search(name):
        # Such a folder that only holds further checkpoint folders is a shelf, not a checkpoint.
        if any(not names.is_temporary_file(f) for f in node.files) or not any(
            dir_format(child, below) is not None
            for below, child in node.dirs.items()
            if not names.is_temporary_dir(below)
        ):
            return "folder" if files_below(node) else None
        return "folder" if names.FILE_LIKE_DIR.search(name) else None
    if _is_component_set(node):
        return "folder"
    return None


def _is_component_set(node: Node) -> bool:
    """model.pt beside optimizer.pt, or weights beside config.json: parts of one save that make no sense alone."""
    parts = 0
    for name in node.files:
        if names.extension(name) in names.WEIGHT_EXT:
            if not names.COMPONENT.search(names.stem(name)):
                return False
            parts += 1
        elif names.INDEX_JSON.search(name) and "config.json" in node.files:
            return True
    return parts >= 2 or (parts == 1 and ("config.json" in node.files or "adapter_config.json" in node.files))


def _group_files(node: Node, units: "List[Unit]") -> None:
    left = {
        name: None for name in sorted(node.files) if not names.is_temporary_file(name) and name not in names.TRACKERS
    }

    def take(path: str, kind: str, format: str, members: "List[str]") -> None:
        for name in members:
            left.pop(name, None)
        units.append(Unit(join(node.path, path), kind, format, [join(node.path, name) for name in members]))

    _take_tensorflow(left, take)
    _take_indexed(left, take)
    _take_ranked(left, take)
    _take_shards(left, take)
    weights = [name for name in left if names.extension(name) in names.WEIGHT_EXT]
    sides: "Dict[str, List[str]]" = {}
    for name in left:
        if names.extension(name) in names.SIDE_EXT:
            sides.setdefault(names.stem(name), []).append(name)
    for name in weights:
        take(name, "file", "file", [name] + sides.pop(names.stem(name), []))
    for name in list(left):
        ext = names.extension(name)
        if ext == ".json":
            # Beside real weights a JSON file describes something; alone it may be a plain-Python script's own checkpoint.
            if not weights and not names.SIDE_JSON.search(name) and not names.INDEX_JSON.search(name):
                take(name, "file", "file", [name])
        elif (
            ext not in names.OTHER_EXT
            and not name.startswith("events.out.tfevents")
            and not name.startswith("README")
            and name != "LICENSE"
        ):
            take(name, "file", "file", [name])


def _take_tensorflow(left: "Dict[str, None]", take: "object") -> None:
    prefixes: "Dict[str, List[str]]" = {}
    for name in left:
        found = names.TF_DATA.search(name)
        if found is not None:
            prefixes.setdefault(found.group(1), []).append(name)
    for name in left:
        # An index without data is only TensorFlow's when its name says so.
        if name.endswith(".index") and (name[:-6] in prefixes or name[:-6].startswith("ckpt")):
            prefixes.setdefault(name[:-6], []).append(name)
    for prefix, members in prefixes.items():
        take(prefix, "file", "tensorflow", members)  # type: ignore[operator]


def _take_indexed(left: "Dict[str, None]", take: "object") -> None:
    for index in [name for name in left if names.INDEX_JSON.search(name)]:
        found = names.INDEX_JSON.search(index)
        assert found is not None
        members = [index]
        for name in left:
            shard = names.SHARD_OF.search(name)
            if shard is not None and shard.group(1) == found.group(1) and shard.group(4) == "." + found.group(2):
                members.append(name)
        take(index, "file", "sharded", members)  # type: ignore[operator]


def _take_ranked(left: "Dict[str, None]", take: "object") -> None:
    groups: "Dict[str, List[str]]" = {}
    for name in left:
        found = names.COMPOSER_FILE.search(name)
        if found is not None:
            groups.setdefault(found.group(1), []).append(name)
    for base, members in groups.items():
        take(base + "-rank0.pt", "file", "composer", members)  # type: ignore[operator]


def _take_shards(left: "Dict[str, None]", take: "object") -> None:
    groups: "Dict[str, List[str]]" = {}
    for name in left:
        found = names.SHARD_OF.search(name)
        if found is not None and names.extension(name) in names.WEIGHT_EXT:
            groups.setdefault("%s\n%s\n%s" % (found.group(1), found.group(3), found.group(4)), []).append(name)
    for members in groups.values():
        take(sorted(members)[0], "file", "shards", members)  # type: ignore[operator]
