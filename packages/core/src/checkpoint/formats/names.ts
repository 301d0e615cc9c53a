// What file and folder names say. The host agent's twin is agent/runctl_agent/ckpt/names.py; a table test compares both.

/** Extensions of files that hold weights or states. */
export const WEIGHT_EXTENSIONS: ReadonlySet<string> = new Set(
  ".pt .pth .ckpt .bin .pkl .pickle .safetensors .npz .npy .joblib .keras .h5 .hdf5 .msgpack".split(" "),
);
/** Files of the same stem beside weights that belong to them. */
export const SIDE_EXTENSIONS: ReadonlySet<string> = new Set([".json", ".yaml", ".yml", ".txt"]);
/** Files that live beside checkpoints and are none. */
export const OTHER_EXTENSIONS: ReadonlySet<string> = new Set(
  (
    ".txt .log .csv .tsv .md .yaml .yml .toml .ini .cfg .html .png .jpg .jpeg .svg .pdf .gif " +
    ".out .err .lock .pid .jsonl .py .sh .symlink .tfevents .lnk .url .gitignore"
  ).split(" "),
);
/** Files that say which checkpoint is newest. */
export const TRACKERS: ReadonlySet<string> = new Set([
  "latest",
  "latest_checkpointed_iteration.txt",
  "checkpoint",
  "last_checkpoint",
  "latest_universal",
]);
/** JSON files that describe a model or a log and are no checkpoint by themselves. */
export const SIDE_JSON =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config|adapter_config|metadata|args|hparams|params|metrics|history|log|logs|results|all_results|train_results|eval_results|modules|README)\.json$/;
/** Stems that name a part of a save rather than a save. */
export const COMPONENT =
  /^(model|pytorch_model|adapter_model|weights|optimizer|optim|opt|scheduler|sched|lr_scheduler|scaler|grad_scaler|ema|ema_model|rng|rng_state|rng_state_[0-9]+|random_states_[0-9]+|training_state|trainer_state|train_state|state|training_args|sampler|dataloader|generator|discriminator|encoder|decoder)$/;
export const NUMBERED_DIR =
  /^(?:.*[-_.])?(?:global[-_]?step|steps?|epochs?|ep|iter|iteration|ckpt|checkpoint|update|round|batch|ba|save|snapshot)[-_=.]?[0-9]+$|^[0-9]+$/is;
export const NAMED_DIR = /^(?:best|last|latest|final|newest)(?:[-_](?:model|checkpoint|ckpt))?$/i;
export const FILE_LIKE_DIR = /\.(?:ckpt|pt|pth)$/i;
export const DEEPSPEED_SHARD = /(?:^|_)(?:zero_pp_rank_([0-9]+)_)?mp_rank_([0-9]+)(?:_[0-9]+)?_(model|optim)_states\.pt$/;
export const COMPOSER_FILE = /^(ep[0-9]+-ba[0-9]+)-rank([0-9]+)\.pt$/;
export const SHARD_OF = /^(.*?)(?:[-_.]?(?:rank|shard|part))?[-_]([0-9]{1,5})[-_]of[-_]([0-9]{1,5})(.*)$/s;
export const TF_DATA = /^(.*)\.data-([0-9]{5})-of-([0-9]{5})$/s;
export const INDEX_JSON = /^(.*)\.(safetensors|bin)\.index\.json$/s;

const TMP_FILE =
  /(?:\.(?:tmp|temp|part|partial|incomplete|crdownload|swp|swx)(?:[-._0-9].*)?|~)$|^(?:tmp|temp)[-_.]|^tmp[a-z0-9_]{8}$|^\./is;
const TMP_DIR = /^(?:tmp|temp)[-_.]|\.(?:tmp|temp|partial|incomplete)(?:[-._].*)?$|\.orbax-checkpoint-tmp|^\.|^__pycache__$/is;
const STEPS = [
  /(?:global[-_]?)?step[-_=]?([0-9]+)/i,
  /iter(?:ation)?[-_=]?([0-9]+)/i,
  /ba([0-9]+)/i,
  /(?:checkpoint|ckpt)[-_=]?([0-9]+)/i,
  /ep(?:och)?[-_=]?([0-9]+)/i,
  /([0-9]+)(?:\.[A-Za-z][A-Za-z0-9]*)*$/,
];

/** A name that its writer will rename, or a hidden one. `.metadata` belongs to PyTorch DCP and is none. */
export function isTemporaryFile(name: string): boolean {
  return name !== ".metadata" && TMP_FILE.test(name);
}

/** A folder that is being written, or a hidden one. */
export function isTemporaryDir(name: string): boolean {
  return TMP_DIR.test(name);
}

/** Lower-case ".ext" of the last dot, "" when there is none. */
export function extension(name: string): string {
  const at = name.lastIndexOf(".");
  return at > 0 ? name.slice(at).toLowerCase() : "";
}

/** The name without its last extension. */
export function stem(name: string): string {
  const at = name.lastIndexOf(".");
  return at > 0 ? name.slice(0, at) : name;
}

/** The last segment of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A path below a folder; "" is the root. */
export function joinPath(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** True for one or more ASCII digits. */
export function isDigits(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

/** The step or epoch that a checkpoint's own name tells. For showing and retention, never for trust. */
export function stepOf(path: string): number | undefined {
  const name = baseName(path);
  for (const pattern of STEPS) {
    const digits = pattern.exec(name)?.[1];
    if (digits !== undefined && digits.length <= 15) return Number(digits);
  }
  return undefined;
}
