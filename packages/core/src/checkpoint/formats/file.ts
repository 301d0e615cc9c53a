import { judgeHdf5 } from "./hdf5.ts";
import { judgeJson } from "./json-file.ts";
import { extension } from "./names.ts";
import { judgeNpy } from "./numpy.ts";
import { judgeSafetensors } from "./safetensors.ts";
import { type ReadAt, torn, unproven, type Verdict } from "./verdict.ts";
import { judgeZip } from "./zip.ts";

// The old PyTorch form begins with its magic number as a pickle of its own.
const TORCH_LEGACY = Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex");
const BY_EXTENSION: Record<string, string> = {
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
};
const PICKLES = new Set([".pkl", ".pickle", ".joblib"]);

/** The verdict on one file by its name and bytes; reads a bounded part of it. The twin is agent/runctl_agent/ckpt/files.py. */
export async function judgeFile(name: string, size: number, read: ReadAt): Promise<Verdict> {
  const ext = extension(name);
  const format = BY_EXTENSION[ext] ?? "unknown";
  if (size === 0) return torn(format, "it is empty");
  const head = Buffer.from(await read(0, Math.min(size, 64)));
  const text = head.toString("latin1");
  if (text.startsWith("version https://git-lfs")) {
    return { status: "foreign", format, reason: "it is a git-lfs pointer, not the file itself" };
  }
  if (text.slice(0, 14).toLowerCase() === "<!doctype html" || text.slice(0, 5).toLowerCase() === "<html") {
    return { status: "foreign", format, reason: "it is an HTML page" };
  }
  if (format !== "unknown" && format !== "json" && head.every((byte) => byte === 0)) {
    return torn(format, "it begins with zeros: space was reserved and not written");
  }
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06") || (text.length < 4 && "PK\x03\x04".startsWith(text))) {
    return judgeZip(format, size, read);
  }
  if (text.startsWith("\x89HDF\r\n\x1a\n") || ext === ".h5" || ext === ".hdf5") return judgeHdf5(size, read);
  if (text.startsWith("\x93NUMPY") || ext === ".npy") return judgeNpy(size, read);
  if (ext === ".safetensors") return judgeSafetensors(size, read);
  if (ext === ".npz" || ext === ".keras") return torn(format, "it is not a zip archive");
  if (ext === ".json") return judgeJson(size, read);
  if (head.subarray(0, TORCH_LEGACY.length).equals(TORCH_LEGACY)) return unproven("pytorch-legacy", "the old PyTorch form has no end mark");
  const protocol = head[1] ?? 0;
  if (PICKLES.has(ext) && head[0] === 0x80 && protocol >= 2 && protocol <= 5) {
    const last = await read(size - 1, 1);
    if (last[0] !== 0x2e) return torn(format, "its last byte is not the pickle's STOP mark");
    return unproven(format, "a pickle cannot be proven whole without running it");
  }
  return unproven(PICKLES.has(ext) ? format : "unknown", "its format has no end mark that can be checked");
}
