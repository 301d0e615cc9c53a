"""Is one file whole? Bounded reads, nothing is ever unpickled. The TypeScript twins are checkpoint/formats/{zip,safetensors,hdf5,numpy,file}.ts."""

from __future__ import annotations

import json
import re
import struct

from .names import extension

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple

    Read = Callable[[int, int], bytes]

COMPLETE, TORN, FOREIGN, UNKNOWN = "complete", "torn", "foreign", "unknown"
# The old PyTorch form begins with its magic number as a pickle of its own.
TORCH_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
MAX_DIRECTORY = 16 << 20
MAX_JSON = 16 << 20
# The limit of the safetensors format itself (safetensors/src/tensor.rs, MAX_HEADER_SIZE).
MAX_SAFETENSORS_HEADER = 100_000_000


class Verdict:
    """What the bytes say. `reason` is for people; `step` and `world` when the content tells them."""

    __slots__ = ("status", "format", "reason", "step", "world")

    def __init__(
        self,
        status: str,
        format: str,
        reason: "Optional[str]" = None,
        step: "Optional[int]" = None,
        world: "Optional[int]" = None,
    ) -> None:
        self.status = status
        self.format = format
        self.reason = reason
        self.step = step
        self.world = world


_BY_EXT = {
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".ckpt": "pytorch",
    ".bin": "pytorch",
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".npy": "npy",
    ".keras": "keras",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".joblib": "joblib",
    ".json": "json",
}


def judge_file(name: str, size: int, read: "Read") -> Verdict:
    """The verdict on one file by its name and bytes."""
    ext = extension(name)
    format = _BY_EXT.get(ext, "unknown")
    if size == 0:
        return Verdict(TORN, format, "it is empty")
    head = read(0, min(size, 64))
    if head.startswith(b"version https://git-lfs"):
        return Verdict(FOREIGN, format, "it is a git-lfs pointer, not the file itself")
    if head[:14].lower() == b"<!doctype html" or head[:5].lower() == b"<html":
        return Verdict(FOREIGN, format, "it is an HTML page")
    if format != "unknown" and format != "json" and head.count(0) == len(head):
        return Verdict(TORN, format, "it begins with zeros: space was reserved and not written")
    if head[:4] == b"PK\x03\x04" or head[:4] == b"PK\x05\x06" or (len(head) < 4 and b"PK\x03\x04".startswith(head)):
        return judge_zip(format, size, read)
    if head.startswith(b"\x89HDF\r\n\x1a\n") or ext in (".h5", ".hdf5"):
        return judge_hdf5(size, read)
    if head.startswith(b"\x93NUMPY") or ext == ".npy":
        return judge_npy(size, read)
    if ext == ".safetensors":
        return judge_safetensors(size, read)
    if ext in (".npz", ".keras"):
        return Verdict(TORN, format, "it is not a zip archive")
    if ext == ".json":
        return judge_json(size, read)
    if head.startswith(TORCH_LEGACY):
        return Verdict(UNKNOWN, "pytorch-legacy", "the old PyTorch form has no end mark")
    if ext in (".pkl", ".pickle", ".joblib") and head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        if read(size - 1, 1) != b".":
            return Verdict(TORN, format, "its last byte is not the pickle's STOP mark")
        return Verdict(UNKNOWN, format, "a pickle cannot be proven whole without running it")
    return Verdict(
        UNKNOWN,
        format if ext in (".pkl", ".pickle", ".joblib") else "unknown",
        "its format has no end mark that can be checked",
    )


class ZipEntry:
    """One line of the central directory."""

    __slots__ = ("name", "method", "packed", "size", "offset")

    def __init__(self, name: bytes, method: int, packed: int, size: int, offset: int) -> None:
        self.name = name
        self.method = method
        self.packed = packed
        self.size = size
        self.offset = offset


def zip_entries(size: int, read: "Read") -> "Tuple[Optional[str], List[ZipEntry]]":
    """(reason it is torn or None, entries). The directory is read up to 16 MiB; beyond that only its place is checked."""
    tail_size = min(size, 65_535 + 22 + 20)
    tail = read(size - tail_size, tail_size)
    end = -1
    at = len(tail)
    while at > 0:
        at = tail.rfind(b"PK\x05\x06", 0, at)
        if at < 0:
            break
        # Only a record that ends exactly at the end of the file counts; weights may hold the same four bytes.
        if at + 22 <= len(tail) and at + 22 + struct.unpack_from("<H", tail, at + 20)[0] == len(tail):
            end = at
            break
        at += 3
    if end < 0:
        return "its zip end-of-central-directory record is missing", []
    count, directory_size, directory_at = struct.unpack_from("<HII", tail, end + 10)
    directory_end = size - tail_size + end
    large = count == 0xFFFF or directory_size == 0xFFFFFFFF or directory_at == 0xFFFFFFFF
    if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07":
        # PyTorch writes this record into small files too.
        record_at = struct.unpack_from("<Q", tail, end - 20 + 8)[0]
        record = read(record_at, 56) if record_at + 56 <= size else b""
        if len(record) == 56 and record[:4] == b"PK\x06\x06":
            count, directory_size, directory_at = struct.unpack_from("<QQQ", record, 32)
            directory_end = record_at
        elif large:
            return "its zip64 end record is missing", []
    if directory_at + directory_size != directory_end:
        return "its zip directory is not where the end record says", []
    if directory_size > MAX_DIRECTORY:
        return None, []
    directory = read(directory_at, directory_size)
    entries: "List[ZipEntry]" = []
    at = 0
    while at + 46 <= len(directory):
        if directory[at : at + 4] != b"PK\x01\x02":
            return "its zip directory is damaged", []
        method = struct.unpack_from("<H", directory, at + 10)[0]
        packed, plain, name_size, extra_size, comment_size = struct.unpack_from("<IIHHH", directory, at + 20)
        offset = struct.unpack_from("<I", directory, at + 42)[0]
        name = directory[at + 46 : at + 46 + name_size]
        extra = directory[at + 46 + name_size : at + 46 + name_size + extra_size]
        plain, packed, offset = _zip64(extra, plain, packed, offset)
        if offset + 30 + packed > directory_at:
            return "an entry of its zip directory lies outside the file", []
        entries.append(ZipEntry(name, method, packed, plain, offset))
        at += 46 + name_size + extra_size + comment_size
    if len(entries) != count or at != len(directory):
        return "its zip directory has %d of %d entries" % (len(entries), count), []
    for entry in entries[:1] + entries[-1:]:
        if read(entry.offset, 4) != b"PK\x03\x04":
            return "an entry's header is missing where the zip directory says", []
    return None, entries


def _zip64(extra: bytes, plain: int, packed: int, offset: int) -> "Tuple[int, int, int]":
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = [
                struct.unpack_from("<Q", extra, p)[0] for p in range(at + 4, min(at + 4 + length, len(extra)) - 7, 8)
            ]
            if plain == 0xFFFFFFFF and values:
                plain = values.pop(0)
            if packed == 0xFFFFFFFF and values:
                packed = values.pop(0)
            if offset == 0xFFFFFFFF and values:
                offset = values.pop(0)
            break
        at += 4 + length
    return plain, packed, offset


def judge_zip(format: str, size: int, read: "Read") -> Verdict:
    """PyTorch since 1.6, Lightning, NumPy .npz and Keras 3 are zip archives; the end record is written last."""
    reason, entries = zip_entries(size, read)
    if reason is not None:
        return Verdict(TORN, "zip" if format == "unknown" else format, reason)
    if any(entry.name == b"data.pkl" or entry.name.endswith(b"/data.pkl") for entry in entries):
        text = stored_entry(entries, b"data.pkl", 4096, read)
        return Verdict(COMPLETE, "lightning" if b"pytorch-lightning_version" in text else "pytorch")
    if entries and all(entry.name.endswith(b".npy") for entry in entries):
        return Verdict(COMPLETE, "npz")
    if any(entry.name.endswith(b".weights.h5") for entry in entries):
        return Verdict(COMPLETE, "keras")
    if not entries and size > MAX_DIRECTORY:
        return Verdict(COMPLETE, "zip" if format == "unknown" else format)
    return Verdict(COMPLETE, "npz" if format == "npz" else "zip")


def stored_entry(entries: "List[ZipEntry]", name: bytes, limit: int, read: "Read") -> bytes:
    """The first bytes of an entry that is stored without compression, as PyTorch stores data.pkl; b"" otherwise."""
    for entry in entries:
        if entry.method == 0 and (entry.name == name or entry.name.endswith(b"/" + name)):
            header = read(entry.offset, 30)
            if len(header) != 30:
                return b""
            name_size, extra_size = struct.unpack_from("<HH", header, 26)
            return read(entry.offset + 30 + name_size + extra_size, min(entry.packed, limit))
    return b""


def int_after_key(text: bytes, key: bytes) -> "Optional[int]":
    """The small integer that a pickle stores for a text key, found by looking at its bytes: key, optional memo, BININT*."""
    at = text.find(key)
    if at < 0:
        return None
    at += len(key)
    op = text[at : at + 1]
    if op == b"q":
        at += 2
    elif op == b"r":
        at += 5
    elif op == b"\x94":
        at += 1
    op = text[at : at + 1]
    if op == b"K" and len(text) >= at + 2:
        return text[at + 1]
    if op == b"M" and len(text) >= at + 3:
        return int(struct.unpack_from("<H", text, at + 1)[0])
    if op == b"J" and len(text) >= at + 5:
        return int(struct.unpack_from("<i", text, at + 1)[0])
    return None


def judge_safetensors(size: int, read: "Read") -> Verdict:
    """8 bytes header length, JSON header, data: the file's size must be exactly 8 + header + largest end offset."""
    if size < 10:
        return Verdict(TORN, "safetensors", "it is shorter than any safetensors file")
    length = struct.unpack("<Q", read(0, 8))[0]
    if length > MAX_SAFETENSORS_HEADER:
        return Verdict(
            TORN, "safetensors", "its header claims %d bytes, the format allows %d" % (length, MAX_SAFETENSORS_HEADER)
        )
    if 8 + length > size:
        return Verdict(TORN, "safetensors", "its header claims %d bytes, the file has %d" % (length, size))
    try:
        header = json.loads(read(8, length).decode("utf-8"))
    except (ValueError, RecursionError):
        return Verdict(TORN, "safetensors", "its header is not JSON")
    if not isinstance(header, dict):
        return Verdict(TORN, "safetensors", "its header is not a JSON object")
    end = 0
    for key, tensor in header.items():
        if key == "__metadata__":
            continue
        offsets = tensor.get("data_offsets") if isinstance(tensor, dict) else None
        if (
            not isinstance(offsets, list)
            or len(offsets) != 2
            or not all(_is_int(o) for o in offsets)
            or not 0 <= offsets[0] <= offsets[1]
        ):
            return Verdict(TORN, "safetensors", "a tensor's data_offsets are damaged")
        end = max(end, int(offsets[1]))
    if 8 + length + end != size:
        return Verdict(TORN, "safetensors", "it should have %d bytes and has %d" % (8 + length + end, size))
    return Verdict(COMPLETE, "safetensors")


def _is_int(value: "Any") -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def judge_hdf5(size: int, read: "Read") -> Verdict:
    """The superblock holds the end-of-file address (HDF5 file format specification, II.A)."""
    at = 0
    while at + 64 <= size and at <= 1 << 20:
        if read(at, 8) == b"\x89HDF\r\n\x1a\n":
            break
        at = 512 if at == 0 else at * 2
    else:
        return Verdict(TORN, "hdf5", "its HDF5 superblock is missing")
    block = read(at, 96)
    version = block[8]
    if version in (0, 1):
        width, first = block[13], 24 + (4 if version == 1 else 0)
    elif version in (2, 3):
        width, first = block[9], 12
        if version == 3 and block[11] & 1:
            return Verdict(TORN, "hdf5", "it is still marked as open for writing")
    else:
        return Verdict(UNKNOWN, "hdf5", "its superblock version %d is not known" % version)
    if width not in (2, 4, 8) or first + 3 * width > len(block):
        return Verdict(TORN, "hdf5", "its superblock is damaged")
    base = int.from_bytes(block[first : first + width], "little")
    end = int.from_bytes(block[first + 2 * width : first + 3 * width], "little")
    if base != at:
        end += at
    if size < end:
        return Verdict(TORN, "hdf5", "it should have %d bytes and has %d" % (end, size))
    return Verdict(COMPLETE, "hdf5")


_NPY_DESCR = re.compile(rb"'descr'\s*:\s*'([<>|=]?)([a-zA-Z])([0-9]*)'")
_NPY_SHAPE = re.compile(rb"'shape'\s*:\s*\(([0-9, ]*)\)")


def judge_npy(size: int, read: "Read") -> Verdict:
    """Magic, version, header; the data's size follows from dtype and shape (numpy.lib.format)."""
    head = read(0, min(size, 12))
    if len(head) < 12 or head[:6] != b"\x93NUMPY":
        return Verdict(TORN, "npy", "its NumPy header is missing")
    if head[6] == 1:
        start, length = 10, struct.unpack_from("<H", head, 8)[0]
    else:
        start, length = 12, struct.unpack_from("<I", head, 8)[0]
    if start + length > size or length > 1 << 20:
        return Verdict(TORN, "npy", "its NumPy header is damaged")
    header = read(start, length)
    descr, shape = _NPY_DESCR.search(header), _NPY_SHAPE.search(header)
    if descr is None or shape is None:
        return Verdict(UNKNOWN, "npy", "its data type is not a plain one")
    if descr.group(2) == b"O":
        return Verdict(UNKNOWN, "npy", "it holds pickled objects")
    item = int(descr.group(3) or b"1") * (4 if descr.group(2) == b"U" else 1)
    for part in shape.group(1).split(b","):
        if part.strip():
            item *= int(part)
    if start + length + item > size:
        return Verdict(TORN, "npy", "it should have %d bytes and has %d" % (start + length + item, size))
    if start + length + item < size:
        return Verdict(UNKNOWN, "npy", "more follows after its array")
    return Verdict(COMPLETE, "npy")


def judge_json(size: int, read: "Read") -> Verdict:
    """Whole when it parses; beyond 16 MiB only its last character is looked at."""
    if size > MAX_JSON:
        tail = read(size - 64, 64).rstrip(b" \t\r\n")
        if tail[-1:] in (b"}", b"]"):
            return Verdict(UNKNOWN, "json", "it is too large to parse")
        return Verdict(TORN, "json", "it does not end as JSON does")
    try:
        value = json.loads(read(0, size).decode("utf-8"), parse_constant=_constant)
    except (ValueError, RecursionError):
        return Verdict(TORN, "json", "it is not JSON")
    step = None
    if isinstance(value, dict):
        for key in ("step", "global_step", "iteration", "epoch"):
            if _is_int(value.get(key)) and 0 <= value[key] <= 2**53:
                step = int(value[key])
                break
    return Verdict(COMPLETE, "json", None, step)


def _constant(_name: str) -> float:
    # Python writes NaN and Infinity into JSON; both languages accept them.
    return 0.0
