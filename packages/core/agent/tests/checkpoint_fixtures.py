"""Checkpoints of every format, whole and broken, made with the real writers where they are installed. Run as a script it prints, as JSON, each
case with what is expected and what the host agent says; the TypeScript table test judges the same files."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import zipfile
from typing import Any, Callable, Dict, List, Optional, Tuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runctl_agent.ckpt.candidates import look
from runctl_agent.ckpt.formats import judge_tree

# path -> (status, format), with a part of the reason where it matters
Expected = Dict[str, Tuple[Any, ...]]
Case = Tuple[str, Callable[[str], None], Expected]
CASES: List[Case] = []


def case(name: str, expected: Expected) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    def add(make: Callable[[str], None]) -> Callable[[str], None]:
        CASES.append((name, make, expected))
        return make

    return add


def write(path: str, data: bytes) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def torch_zip(path: str, value: Any = None, size: int = 4000) -> str:
    """A file as torch.save writes it: stored entries, archive/data.pkl first. The pickle holds plain values only."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"state": 1} if value is None else value, protocol=2))
        archive.writestr("archive/data/0", os.urandom(size))
        archive.writestr("archive/version", b"3\n")
    return path


def cut(path: str, keep: float = 0.5, drop: Optional[int] = None) -> None:
    size = os.path.getsize(path)
    os.truncate(path, size - drop if drop is not None else int(size * keep))


def safetensors(path: str, floats: int = 100) -> str:
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [floats], "data_offsets": [0, 4 * floats]}}
    ).encode()
    return write(path, struct.pack("<Q", len(header)) + header + b"\1" * (4 * floats))


def hdf5(path: str, version: int = 0, extra: int = 0) -> str:
    size = 800
    if version == 0:
        block = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
        block += struct.pack("<QQQQ", 0, 2**64 - 1, size, 2**64 - 1)
    else:
        block = (
            b"\x89HDF\r\n\x1a\n"
            + bytes([version, 8, 8, extra])
            + struct.pack("<QQQQ", 0, 2**64 - 1, size, 48)
            + b"abcd"
        )
    return write(path, block.ljust(size, b"\7"))


def npy(path: str, count: int = 50) -> str:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 2), }" % count
    header = header.ljust(118 - 1) + b"\n"
    return write(path, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\2" * (count * 16))


def dcp_metadata(names: List[str]) -> bytes:
    return pickle.dumps(
        {"storage": {str(i): {"relative_path": name, "offset": 0} for i, name in enumerate(names)}}, protocol=4
    )


def dcp(folder: str, ranks: int, metadata: bool = True, missing: int = -1) -> None:
    names = ["__%d_0.distcp" % rank for rank in range(ranks)]
    for rank, name in enumerate(names):
        if rank != missing:
            write(folder + "/" + name, os.urandom(300))
    if metadata:
        write(folder + "/.metadata", dcp_metadata(names))


def hf(folder: str, step: int, ranks: int = 0) -> None:
    safetensors(folder + "/model.safetensors")
    torch_zip(folder + "/optimizer.pt")
    torch_zip(folder + "/scheduler.pt")
    write(folder + "/config.json", b'{"model_type": "tiny"}')
    write(folder + "/training_args.bin", b"\x80\x02}q\x00.")
    for rank in range(ranks):
        torch_zip("%s/rng_state_%d.pth" % (folder, rank))
    write(folder + "/trainer_state.json", json.dumps({"global_step": step, "best_metric": float("nan")}).encode())


def deepspeed(
    folder: str, dp: int, mp: int = 1, told: bool = True, missing: Tuple[int, int] = (-1, -1), optim: bool = True
) -> None:
    for m in range(mp):
        value: Dict[str, Any] = {"module": 1}
        if told:
            value.update(dp_world_size=dp, mp_world_size=mp, ds_config={"zero_optimization": {"stage": 2}})
        torch_zip("%s/mp_rank_%02d_model_states.pt" % (folder, m), value)
        for d in range(dp):
            if optim and (d, m) != missing:
                torch_zip("%s/zero_pp_rank_%d_mp_rank_%02d_optim_states.pt" % (folder, d, m))
    write(os.path.dirname(folder) + "/latest", os.path.basename(folder).encode())


# --- single files


@case(
    "pytorch zip",
    {
        "a.pt": ("complete", "pytorch"),
        "b.pth": ("torn", "pytorch", "end-of-central-directory"),
        "c.bin": ("torn", "pytorch", "end-of-central"),
    },
)
def _(d: str) -> None:
    torch_zip(d + "/a.pt")
    cut(torch_zip(d + "/b.pth"))
    cut(torch_zip(d + "/c.bin"), drop=1)


@case("pytorch zip, damaged directory", {"a.pt": ("torn", "pytorch", "directory")})
def _(d: str) -> None:
    path = torch_zip(d + "/a.pt")
    with open(path, "r+b") as file:
        data = file.read()
        file.seek(data.rindex(b"PK\x01\x02"))
        file.write(b"XXXX")


@case(
    "pytorch zip with the end mark inside its weights",
    {"a.pt": ("torn", "pytorch", "end-of-central"), "b.pt": ("complete", "pytorch")},
)
def _(d: str) -> None:
    for name in ("a.pt", "b.pt"):
        path = d + "/" + name
        os.makedirs(d, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
            archive.writestr("archive/data/0", b"PK\x05\x06" * 100)
    cut(d + "/a.pt", drop=120)


@case("zip64", {"a.pt": ("complete", "pytorch"), "b.pt": ("torn", "pytorch")})
def _(d: str) -> None:
    for name in ("a.pt", "b.pt"):
        os.makedirs(d, exist_ok=True)
        pkl, body = b"\x80\x02}q\x00.", b"x" * 500
        entries = [(b"archive/data.pkl", pkl), (b"archive/data/0", body)]
        data, directory = b"", b""
        for entry, content in entries:
            offset = len(data)
            data += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(entry), 20)
            data += entry + struct.pack("<HHQQ", 1, 16, len(content), len(content)) + content
            extra = struct.pack("<HHQQQ", 1, 24, len(content), len(content), offset)
            directory += struct.pack(
                "<4sHHHHHHIIIHHHHHII",
                b"PK\1\2",
                45,
                45,
                0,
                0,
                0,
                0,
                0,
                0xFFFFFFFF,
                0xFFFFFFFF,
                len(entry),
                len(extra),
                0,
                0,
                0,
                0,
                0xFFFFFFFF,
            )
            directory += entry + extra
        end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, len(directory), len(data))
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(data) + len(directory) + (0 if name == "a.pt" else 7), 1)
        tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        write(d + "/" + name, data + directory + end + locator + tail)


@case(
    "lightning",
    {
        "epoch=3-step=100.ckpt": ("complete", "lightning"),
        "last.ckpt": ("complete", "lightning"),
        "last-v1.ckpt": ("torn", "pytorch"),
    },
)
def _(d: str) -> None:
    value = {"epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.0", "state_dict": {}}
    torch_zip(d + "/epoch=3-step=100.ckpt", value)
    torch_zip(d + "/last.ckpt", value)
    cut(torch_zip(d + "/last-v1.ckpt", value))


@case("links are not followed", {"step-5.ckpt": ("complete", "pytorch")})
def _(d: str) -> None:
    torch_zip(d + "/step-5.ckpt")
    os.symlink("step-5.ckpt", d + "/last.ckpt")
    write(os.path.dirname(d) + "/outside/secret.pt", b"secret")
    os.symlink("../outside/secret.pt", d + "/stolen.pt")
    os.symlink("../outside", d + "/dir")


@case("old pickle form", {"a.pt": ("unknown", "pytorch-legacy")})
def _(d: str) -> None:
    write(d + "/a.pt", bytes.fromhex("80028a0a6cfc9c46f9206aa850192e80024de9032e") + os.urandom(100))


@case(
    "safetensors",
    {
        "a.safetensors": ("complete", "safetensors"),
        "b.safetensors": ("torn", "safetensors", "should have"),
        "hostile-length.safetensors": ("torn", "safetensors", "header claims 1152921504606846976"),
        "long.safetensors": ("torn", "safetensors", "should have"),
        "negative.safetensors": ("torn", "safetensors", "data_offsets"),
        "not-json.safetensors": ("torn", "safetensors", "not JSON"),
        "short.safetensors": ("torn", "safetensors"),
        "beyond.safetensors": ("torn", "safetensors", "the file has"),
        "empty-model.safetensors": ("complete", "safetensors"),
        "zeros.safetensors": ("torn", "safetensors", "zeros"),
    },
)
def _(d: str) -> None:
    safetensors(d + "/a.safetensors")
    cut(safetensors(d + "/b.safetensors"), 0.9)
    write(d + "/hostile-length.safetensors", struct.pack("<Q", 1 << 60) + b"{}" * 20)
    with open(safetensors(d + "/long.safetensors"), "ab") as file:
        file.write(b"!")
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,4]}}'
    write(d + "/negative.safetensors", struct.pack("<Q", len(header)) + header + b"1234")
    write(d + "/not-json.safetensors", struct.pack("<Q", 10) + b"{aaaaaaaa}" + b"1234")
    write(d + "/short.safetensors", b"\x02\0\0")
    write(d + "/beyond.safetensors", struct.pack("<Q", 5000) + b"{}")
    write(d + "/empty-model.safetensors", struct.pack("<Q", 2) + b"{}")
    write(d + "/zeros.safetensors", b"\0" * 4096)


@case("sharded safetensors", {"model.safetensors.index.json": ("complete", "safetensors")})
def _(d: str) -> None:
    names = ["model-0000%d-of-00003.safetensors" % i for i in (1, 2, 3)]
    for name in names:
        safetensors(d + "/" + name)
    write(
        d + "/model.safetensors.index.json",
        json.dumps({"metadata": {}, "weight_map": {"a%d" % i: n for i, n in enumerate(names)}}).encode(),
    )


@case(
    "sharded safetensors, one missing",
    {"m/model.safetensors.index.json": ("torn", "safetensors", "model-00002-of-00002.safetensors")},
)
def _(d: str) -> None:
    safetensors(d + "/m/model-00001-of-00002.safetensors")
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    write(d + "/m/model.safetensors.index.json", json.dumps({"weight_map": weight_map}).encode())


@case("sharded index that leads outside", {"model.safetensors.index.json": ("torn", "safetensors", "outside")})
def _(d: str) -> None:
    write(d + "/model.safetensors.index.json", json.dumps({"weight_map": {"a": "../../etc/passwd"}}).encode())


@case(
    "shards without index", {"w-1-of-2.pt": ("complete", "shards"), "x-00001-of-00003.pt": ("torn", "shards", "2 of 3")}
)
def _(d: str) -> None:
    for name in ("w-1-of-2.pt", "w-2-of-2.pt", "x-00001-of-00003.pt", "x-00003-of-00003.pt"):
        torch_zip(d + "/" + name)


@case(
    "numpy",
    {
        "a.npy": ("complete", "npy"),
        "b.npy": ("torn", "npy", "should have"),
        "c.npy": ("torn", "npy", "header"),
        "d.npz": ("complete", "npz"),
        "e.npz": ("torn", "npz"),
        "f.npz": ("torn", "npz", "not a zip"),
        "g.npy": ("unknown", "npy", "pickled"),
        "h.npy": ("unknown", "npy", "more follows"),
    },
)
def _(d: str) -> None:
    npy(d + "/a.npy")
    cut(npy(d + "/b.npy"), 0.8)
    write(d + "/c.npy", b"nonsense that is long enough")
    for name in ("d.npz", "e.npz"):
        with zipfile.ZipFile(d + "/" + name, "w") as archive:
            archive.write(d + "/a.npy", "w.npy")
    cut(d + "/e.npz")
    write(d + "/f.npz", b"nonsense")
    write(
        d + "/g.npy",
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 60)
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }".ljust(60)
        + b"pickle",
    )
    with open(npy(d + "/h.npy"), "ab") as file:
        file.write(b"more")


@case(
    "pickles and json",
    {
        "a.pkl": ("unknown", "pickle"),
        "b.pkl": ("torn", "pickle", "STOP"),
        "c.joblib": ("unknown", "joblib"),
        "e.pickle": ("unknown", "pickle"),
        "plain/epoch-1.json": ("complete", "json"),
        "plain/epoch-2.json": ("torn", "json"),
        "plain/nan.json": ("complete", "json"),
        "plain/empty.json": ("torn", "json", "empty"),
    },
)
def _(d: str) -> None:
    data = pickle.dumps({"w": list(range(1000))}, protocol=4)
    write(d + "/a.pkl", data)
    write(d + "/b.pkl", data[:-10])
    write(d + "/c.joblib", data)
    write(d + "/e.pickle", b"(lp0\nI1\na.")
    write(d + "/plain/epoch-1.json", b'{"step": 1, "w": [1.5]}')
    write(d + "/plain/epoch-2.json", b'{"step": 2, "w": [1.')
    write(d + "/plain/nan.json", b'{"loss": NaN, "b": -Infinity, "text": "NaN \\" Infinity"}')
    write(d + "/plain/empty.json", b"")


@case(
    "hdf5 and keras",
    {
        "a.h5": ("complete", "hdf5"),
        "b.h5": ("torn", "hdf5", "should have"),
        "c.weights.h5": ("complete", "hdf5"),
        "d.h5": ("torn", "hdf5", "open for writing"),
        "e.h5": ("torn", "hdf5", "superblock"),
        "m.keras": ("complete", "keras"),
        "n.keras": ("torn", "keras"),
    },
)
def _(d: str) -> None:
    hdf5(d + "/a.h5")
    cut(hdf5(d + "/b.h5"), drop=1)
    hdf5(d + "/c.weights.h5", 2)
    hdf5(d + "/d.h5", 3, 1)
    write(d + "/e.h5", b"not at all " * 20)
    for name in ("m.keras", "n.keras"):
        with zipfile.ZipFile(d + "/" + name, "w") as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("model.weights.h5", b"x" * 300)
    cut(d + "/n.keras")


@case("foreign", {"a.pt": ("foreign", "pytorch", "git-lfs"), "b.safetensors": ("foreign", "safetensors", "HTML")})
def _(d: str) -> None:
    write(d + "/a.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n")
    write(d + "/b.safetensors", b"<!DOCTYPE html><html><body>404</body></html>")


@case(
    "unknown kinds and what is no checkpoint",
    {"state_12": ("unknown", "unknown"), "weights.dat": ("unknown", "unknown"), "zeros.dat": ("unknown", "unknown")},
)
def _(d: str) -> None:
    write(d + "/state_12", b"anything")
    write(d + "/weights.dat", b"anything else")
    write(d + "/zeros.dat", b"\0" * 100)
    for name in (
        "train.log",
        "metrics.csv",
        "events.out.tfevents.1",
        "config.yaml",
        "README.md",
        ".hidden",
        "x.pt.tmp",
        "y.pt.tmp.123",
        "z.ckpt~",
        "q.partial",
    ):
        write(d + "/" + name, b"no checkpoint")
    write(d + "/tmp-checkpoint-5/model.safetensors", b"")
    write(d + "/tmpab12_9xy", b"mkstemp")


@case("side files belong to their weights", {"epoch-3.pt": ("complete", "pytorch")})
def _(d: str) -> None:
    torch_zip(d + "/epoch-3.pt")
    write(d + "/epoch-3.json", b'{"loss": 1}')
    write(d + "/epoch-3.txt", b"notes")


@case("parts of one save", {".": ("unknown", "folder")})
def _(d: str) -> None:
    torch_zip(d + "/model.pt")
    torch_zip(d + "/optimizer.pt")
    write(d + "/state.json", b"{}")


ODD = [
    "with space.pt",
    "quote'\".pt",
    "new\nline-2.pt",
    "--dash.pt",
    "emoji-😀.pt",
    "\U0001f600.pt",
    "\uff5e.pt",
    "back\\slash.pt",
    "$(touch pwned).pt",
    "end.pt\n",
]


@case("odd names", {name: (("unknown", "unknown") if name.endswith("\n") else ("complete", "pytorch")) for name in ODD})
def _(d: str) -> None:
    for name in ODD:
        if name.endswith("\n"):
            write(d + "/" + name, b"ends with a line feed, so it has no known extension")
        else:
            torch_zip(d + "/" + name)


# --- folders


@case(
    "hf trainer",
    {"checkpoint-500": ("complete", "hf-trainer"), "checkpoint-1000": ("torn", "hf-trainer", "trainer_state.json")},
)
def _(d: str) -> None:
    hf(d + "/checkpoint-500", 500)
    hf(d + "/checkpoint-1000", 1000)
    os.unlink(d + "/checkpoint-1000/trainer_state.json")
    write(d + "/tmp-checkpoint-1500/model.safetensors", b"half")


@case(
    "hf trainer, torn parts",
    {
        "out/checkpoint-1": ("torn", "hf-trainer", "model.safetensors"),
        "out/checkpoint-2": ("torn", "hf-trainer", "optimizer.pt"),
        "out/checkpoint-3": ("torn", "hf-trainer", "trainer_state.json"),
        "out/checkpoint-4": ("torn", "hf-trainer", "weights"),
        "out/checkpoint-5": ("torn", "hf-trainer", "rank 1"),
        "out/checkpoint-6": ("complete", "hf-trainer"),
        "out/checkpoint-7": ("torn", "hf-trainer", "is missing"),
    },
)
def _(d: str) -> None:
    for n in range(1, 7):
        hf("%s/out/checkpoint-%d" % (d, n), n, ranks=3 if n >= 5 else 0)
    cut(d + "/out/checkpoint-1/model.safetensors")
    cut(d + "/out/checkpoint-2/optimizer.pt")
    cut(d + "/out/checkpoint-3/trainer_state.json")
    os.unlink(d + "/out/checkpoint-4/model.safetensors")
    os.unlink(d + "/out/checkpoint-5/rng_state_1.pth")
    hf(d + "/out/checkpoint-7", 7)
    os.rename(d + "/out/checkpoint-7/model.safetensors", d + "/out/checkpoint-7/model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    write(d + "/out/checkpoint-7/model.safetensors.index.json", json.dumps(index).encode())


@case(
    "hf trainer with FSDP shards",
    {"checkpoint-3": ("complete", "hf-trainer"), "checkpoint-4": ("torn", "hf-trainer", "__1_0.distcp")},
)
def _(d: str) -> None:
    for n in (3, 4):
        folder = "%s/checkpoint-%d" % (d, n)
        hf(folder, n, ranks=2)
        os.unlink(folder + "/model.safetensors")
        dcp(folder + "/pytorch_model_fsdp_0", 2, missing=1 if n == 4 else -1)
        dcp(folder + "/optimizer_0", 2)


@case(
    "accelerate",
    {
        "checkpoint_0": ("complete", "accelerate"),
        "checkpoint_1": ("torn", "accelerate", "rank 0"),
        "checkpoint_2": ("torn", "accelerate", "random states"),
    },
)
def _(d: str) -> None:
    for n in range(3):
        safetensors("%s/checkpoint_%d/model.safetensors" % (d, n))
        write("%s/checkpoint_%d/optimizer.bin" % (d, n), b"\x80\x02}q\x00.")
        for rank in range(2):
            write("%s/checkpoint_%d/random_states_%d.pkl" % (d, n, rank), pickle.dumps({"step": n}, protocol=2))
    os.unlink(d + "/checkpoint_1/random_states_0.pkl")
    for rank in range(2):
        os.unlink("%s/checkpoint_2/random_states_%d.pkl" % (d, rank))


@case(
    "P-26 dcp and torchtitan",
    {
        "step-10": ("complete", "dcp"),
        "step-20": ("torn", "dcp", "__2_0.distcp, named in .metadata, is missing"),
        "step-30": ("torn", "dcp", ".metadata, written last"),
        "step-40": ("torn", "dcp", "STOP"),
        "step-50": ("torn", "dcp", "empty"),
    },
)
def _(d: str) -> None:
    dcp(d + "/step-10", 4)
    dcp(d + "/step-20", 4, missing=2)
    dcp(d + "/step-30", 4, metadata=False)
    write(d + "/step-30/.metadata.tmp", b"half")
    dcp(d + "/step-40", 4)
    cut(d + "/step-40/.metadata", drop=1)
    dcp(d + "/step-50", 4)
    write(d + "/step-50/__3_0.distcp", b"")


@case("dcp in the folder itself, large metadata", {".": ("complete", "dcp")})
def _(d: str) -> None:
    dcp(d, 2)
    # Names on both sides of a block border must be found.
    write(
        d + "/.metadata", b"\x80\x04" + b"x" * ((1 << 20) - 8) + b"__0_0.distcp" + b"y" * 1000 + b"__1_0.distcp" + b"."
    )


@case(
    "P-26 deepspeed",
    {
        "global_step1": ("complete", "deepspeed"),
        "global_step2": ("torn", "deepspeed", "rank 3 is missing"),
        "global_step3": ("torn", "deepspeed", "optimizer states are missing"),
        "global_step4": ("torn", "deepspeed", "rank 1 is missing"),
        "global_step5": ("torn", "deepspeed", "zero_pp_rank_0_mp_rank_00_optim_states.pt"),
        "global_step6": ("complete", "deepspeed"),
        "global_step7": ("torn", "deepspeed", "model states"),
    },
)
def _(d: str) -> None:
    deepspeed(d + "/global_step1", 4, 2)
    deepspeed(d + "/global_step2", 4, missing=(3, 0))
    deepspeed(d + "/global_step3", 4, optim=False)
    deepspeed(d + "/global_step4", 4, told=False, missing=(1, 0))
    deepspeed(d + "/global_step5", 2)
    cut(d + "/global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt")
    deepspeed(d + "/global_step6", 300)
    deepspeed(d + "/global_step7", 2, 2)
    os.unlink(d + "/global_step7/mp_rank_01_model_states.pt")


@case("megatron", {"iter_0000100": ("complete", "megatron"), "iter_0000200": ("torn", "megatron", "still says 100")})
def _(d: str) -> None:
    for n in (100, 200):
        torch_zip("%s/iter_%07d/mp_rank_00/model_optim_rng.pt" % (d, n))
    write(d + "/latest_checkpointed_iteration.txt", b"100")


@case(
    "megatron, odd trackers",
    {
        "a/iter_0000100": ("torn", "megatron", "missing"),
        "b/iter_0000100": ("torn", "megatron", "no number"),
        "c/release": ("complete", "megatron"),
    },
)
def _(d: str) -> None:
    torch_zip(d + "/a/iter_0000100/mp_rank_00/model_optim_rng.pt")
    torch_zip(d + "/b/iter_0000100/mp_rank_00/model_optim_rng.pt")
    write(d + "/b/latest_checkpointed_iteration.txt", b"\xff1")
    torch_zip(d + "/c/release/mp_rank_00/model_optim_rng.pt")
    write(d + "/c/latest_checkpointed_iteration.txt", b"release\n")


@case(
    "orbax",
    {
        "100": ("complete", "orbax"),
        "200": ("torn", "orbax", "JSON"),
        "300": ("torn", "orbax", "committed"),
        "400": ("unknown", "orbax"),
        "500": ("complete", "orbax"),
    },
)
def _(d: str) -> None:
    for n in (100, 200, 300, 400, 500):
        write("%s/%d/default/_METADATA" % (d, n), b"{}")
        write("%s/%d/default/manifest.ocdbt" % (d, n), b"ocdbt")
        write("%s/%d/default/d/abcdef" % (d, n), b"data")
    write(d + "/100/_CHECKPOINT_METADATA", b'{"init_timestamp_nsecs": 1, "commit_timestamp_nsecs": 2}')
    write(d + "/200/_CHECKPOINT_METADATA", b'{"init')
    write(d + "/300/_CHECKPOINT_METADATA", b'{"init_timestamp_nsecs": 1, "commit_timestamp_nsecs": null}')
    write(d + "/500/commit_success.txt", b"ok")
    write(d + "/600.orbax-checkpoint-tmp-17/default/_METADATA", b"{}")


@case(
    "tensorflow",
    {
        "ckpt-1": ("complete", "tensorflow"),
        "ckpt-2": ("torn", "tensorflow", "1 of 2"),
        "ckpt-3": ("torn", "tensorflow", "index"),
        "ckpt-4": ("torn", "tensorflow", "data"),
        "export": ("complete", "tensorflow"),
    },
)
def _(d: str) -> None:
    for n, shards in ((1, 2), (2, 1), (3, 2)):
        for i in range(shards):
            write("%s/ckpt-%d.data-%05d-of-00002" % (d, n, i), b"data")
        if n != 3:
            write("%s/ckpt-%d.index" % (d, n), b"index")
    write(d + "/ckpt-4.index", b"index")
    write(d + "/checkpoint", b'model_checkpoint_path: "ckpt-1"\n')
    write(d + "/export/saved_model.pb", b"graph")
    write(d + "/export/variables/variables.index", b"index")
    write(d + "/export/variables/variables.data-00000-of-00001", b"data")


@case(
    "P-26 composer",
    {
        "ep1-ba10-rank0.pt": ("complete", "composer"),
        "ep2-ba20-rank0.pt": ("torn", "composer", "rank 1"),
        "ep3-ba30-rank0.pt": ("torn", "composer", "end-of-central"),
    },
)
def _(d: str) -> None:
    for ep, ranks in ((1, (0, 1)), (2, (0, 2)), (3, (0, 1))):
        for rank in ranks:
            torch_zip("%s/ep%d-ba%d-rank%d.pt" % (d, ep, ep * 10, rank))
    cut(d + "/ep3-ba30-rank1.pt")
    os.symlink("ep1-ba10-rank0.pt", d + "/latest-rank0.pt")
    write(d + "/latest-rank0.pt.symlink", b"ep1-ba10-rank0.pt")


@case("bytecheckpoint", {"step_5": ("complete", "bytecheckpoint"), "step_6": ("torn", "bytecheckpoint", "extra_state")})
def _(d: str) -> None:
    for n in (5, 6):
        for part in ("model", "optimizer", "extra_state"):
            dcp("%s/step_%d/%s" % (d, n, part), 2)
    os.unlink(d + "/step_6/extra_state/.metadata")


@case(
    "other folders",
    {
        "best": ("unknown", "folder"),
        "epoch-1": ("unknown", "folder"),
        "epoch-2": ("torn", "folder", "model.pt"),
        "epoch=0-step=5.ckpt": ("complete", "folder"),
        "lightning_logs/version_0/checkpoints/epoch=1.ckpt": ("complete", "pytorch"),
        "runs/a-7.pt": ("complete", "pytorch"),
    },
)
def _(d: str) -> None:
    for name in ("best", "epoch-1", "epoch-2"):
        torch_zip("%s/%s/model.pt" % (d, name))
        torch_zip("%s/%s/opt.pt" % (d, name))
    cut(d + "/epoch-2/model.pt")
    deepspeed(d + "/epoch=0-step=5.ckpt/checkpoint", 2)
    torch_zip(d + "/lightning_logs/version_0/checkpoints/epoch=1.ckpt")
    torch_zip(d + "/runs/a-7.pt")


def _real_torch() -> None:
    """Real files of the real writer, where it is installed."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return

    @case(
        "real torch.save",
        {
            "zip.pt": ("complete", "pytorch"),
            "legacy.pt": ("unknown", "pytorch-legacy"),
            "torn.pt": ("torn", "pytorch"),
            "script.pt": ("complete", "pytorch"),
        },
    )
    def _(d: str) -> None:
        os.makedirs(d)
        model = torch.nn.Linear(50, 20)
        torch.save(model.state_dict(), d + "/zip.pt")
        torch.save(model.state_dict(), d + "/torn.pt")
        torch.save(model.state_dict(), d + "/legacy.pt", _use_new_zipfile_serialization=False)
        torch.jit.script(model).save(d + "/script.pt")
        cut(d + "/torn.pt")

    @case(
        "P-26 real torch.save with DeepSpeed's world size",
        {"global_step9": ("torn", "deepspeed", "rank 2 is missing"), "global_step10": ("complete", "deepspeed")},
    )
    def _(d: str) -> None:
        for n, ranks in ((9, 2), (10, 3)):
            folder = "%s/global_step%d" % (d, n)
            os.makedirs(folder)
            state = {
                "module": {"w": torch.ones(3)},
                "dp_world_size": 3,
                "mp_world_size": 1,
                "ds_config": {"zero_optimization": {"stage": 1}},
            }
            torch.save(state, folder + "/mp_rank_00_model_states.pt")
            for rank in range(ranks):
                torch.save({"o": torch.ones(2)}, "%s/zero_pp_rank_%d_mp_rank_00_optim_states.pt" % (folder, rank))


def build(base: str) -> List[Dict[str, Any]]:
    """Makes every case below `base` and judges it with the host agent's code."""
    _real_torch()
    cases: List[Dict[str, Any]] = []
    for number, (name, make, expected) in enumerate(CASES):
        folder = "%s/%02d/dir" % (base, number)
        make(folder)
        found = [
            {
                "path": unit.path,
                "kind": unit.kind,
                "files": unit.files,
                "status": verdict.status,
                "format": verdict.format,
            }
            for unit, verdict in judge_tree(folder, look(folder).sizes())
        ]
        more = [
            {"reason": verdict.reason, "step": verdict.step, "world": verdict.world}
            for _unit, verdict in judge_tree(folder, look(folder).sizes())
        ]
        for item, rest in zip(found, more):
            item.update(rest)
        cases.append({"name": name, "dir": folder, "expected": expected, "host": found})
    return cases


if __name__ == "__main__":
    print(json.dumps(build(sys.argv[1])))
