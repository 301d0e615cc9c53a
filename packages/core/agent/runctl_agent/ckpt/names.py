"""What file and folder names say: temporary, side file, component, shard, step. The TypeScript twin is checkpoint/formats/names.ts."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# ASCII digits only: JavaScript's \d is that, and both languages must agree.
WEIGHT_EXT = frozenset(
    (
        ".pt",
        ".pth",
        ".ckpt",
        ".bin",
        ".pkl",
        ".pickle",
        ".safetensors",
        ".npz",
        ".npy",
        ".joblib",
        ".keras",
        ".h5",
        ".hdf5",
        ".msgpack",
    )
)
SIDE_EXT = frozenset((".json", ".yaml", ".yml", ".txt"))
# Files that live beside checkpoints and are none.
OTHER_EXT = frozenset(
    (
        ".txt",
        ".log",
        ".csv",
        ".tsv",
        ".md",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".html",
        ".png",
        ".jpg",
        ".jpeg",
        ".svg",
        ".pdf",
        ".gif",
    )
    + (".out", ".err", ".lock", ".pid", ".jsonl", ".py", ".sh", ".symlink", ".tfevents", ".lnk", ".url", ".gitignore")
)
TRACKERS = frozenset(
    ("latest", "latest_checkpointed_iteration.txt", "checkpoint", "last_checkpoint", "latest_universal")
)
# JSON files that describe a model or a log and are no checkpoint by themselves.
SIDE_JSON = re.compile(
    r"^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config|adapter_config|metadata|args|"
    r"hparams|params|metrics|history|log|logs|results|all_results|train_results|eval_results|modules|README)\.json\Z"
)
COMPONENT = re.compile(
    r"^(model|pytorch_model|adapter_model|weights|optimizer|optim|opt|scheduler|sched|lr_scheduler|scaler|grad_scaler|ema|ema_model|rng|rng_state|rng_state_[0-9]+|"
    r"random_states_[0-9]+|training_state|trainer_state|train_state|state|training_args|sampler|dataloader|generator|discriminator|encoder|decoder)\Z"
)
NUMBERED_DIR = re.compile(
    r"^(?:.*[-_.])?(?:global[-_]?step|steps?|epochs?|ep|iter|iteration|ckpt|checkpoint|update|round|batch|ba|save|snapshot)[-_=.]?[0-9]+\Z|^[0-9]+\Z",
    re.I | re.A | re.S,
)
NAMED_DIR = re.compile(r"^(?:best|last|latest|final|newest)(?:[-_](?:model|checkpoint|ckpt))?\Z", re.I | re.A)
FILE_LIKE_DIR = re.compile(r"\.(?:ckpt|pt|pth)\Z", re.I | re.A)
DEEPSPEED_SHARD = re.compile(
    r"(?:^|_)(?:zero_pp_rank_([0-9]+)_)?mp_rank_([0-9]+)(?:_[0-9]+)?_(model|optim)_states\.pt\Z"
)
COMPOSER_FILE = re.compile(r"^(ep[0-9]+-ba[0-9]+)-rank([0-9]+)\.pt\Z")
SHARD_OF = re.compile(r"^(.*?)(?:[-_.]?(?:rank|shard|part))?[-_]([0-9]{1,5})[-_]of[-_]([0-9]{1,5})(.*)\Z", re.S)
TF_DATA = re.compile(r"^(.*)\.data-([0-9]{5})-of-([0-9]{5})\Z", re.S)
INDEX_JSON = re.compile(r"^(.*)\.(safetensors|bin)\.index\.json\Z", re.S)
DISTCP_NAME = re.compile(rb"__[0-9]+_[0-9]+\.distcp")

_TMP_FILE = re.compile(
    r"(?:\.(?:tmp|temp|part|partial|incomplete|crdownload|swp|swx)(?:[-._0-9].*)?|~)\Z|^(?:tmp|temp)[-_.]|^tmp[a-z0-9_]{8}\Z|^\.",
    re.I | re.S | re.A,
)
_TMP_DIR = re.compile(
    r"^(?:tmp|temp)[-_.]|\.(?:tmp|temp|partial|incomplete)(?:[-._].*)?\Z|\.orbax-checkpoint-tmp|^\.|^__pycache__\Z",
    re.I | re.S | re.A,
)
_STEPS = (
    re.compile(r"(?:global[-_]?)?step[-_=]?([0-9]+)", re.I | re.A),
    re.compile(r"iter(?:ation)?[-_=]?([0-9]+)", re.I | re.A),
    re.compile(r"ba([0-9]+)", re.I | re.A),
    re.compile(r"(?:checkpoint|ckpt)[-_=]?([0-9]+)", re.I | re.A),
    re.compile(r"ep(?:och)?[-_=]?([0-9]+)", re.I | re.A),
    re.compile(r"([0-9]+)(?:\.[A-Za-z][A-Za-z0-9]*)*\Z"),
)


def is_temporary_file(name: str) -> bool:
    """A name that its writer will rename, or a hidden one. `.metadata` belongs to PyTorch DCP and is none."""
    return name != ".metadata" and _TMP_FILE.search(name) is not None


def is_temporary_dir(name: str) -> bool:
    """A folder that is being written, or a hidden one."""
    return _TMP_DIR.search(name) is not None


def extension(name: str) -> str:
    """Lower-case ".ext" of the last dot, "" when there is none."""
    at = name.rfind(".")
    return name[at:].lower() if at > 0 else ""


def stem(name: str) -> str:
    """The name without its last extension."""
    at = name.rfind(".")
    return name[:at] if at > 0 else name


def step_of(path: str) -> "Optional[int]":
    """The step or epoch that a checkpoint's own name tells; None when it tells none. For showing and retention, never for trust."""
    name = path.rsplit("/", 1)[-1]
    for pattern in _STEPS:
        found = pattern.search(name)
        if found is not None and len(found.group(1)) <= 15:
            return int(found.group(1))
    return None
