/** Folders and files that no training needs. Re-included only by an `include` pattern that ends in the very name. */
const JUNK_NAMES = new Set([
  ".git",
  ".hg",
  ".svn",
  "__pycache__",
  "node_modules",
  ".DS_Store",
  ".mypy_cache",
  ".pytest_cache",
  ".ruff_cache",
  ".ipynb_checkpoints",
  ".tox",
  ".nox",
  ".eggs",
  ".terraform",
]);

/** runctl's own folder: state, and by default the store itself. Nothing re-includes it. */
export const STATE_FOLDER = ".runctl";

/** Entries whose presence makes the folder a virtual environment (venv, conda). */
export const ENVIRONMENT_MARKERS: ReadonlySet<string> = new Set(["pyvenv.cfg", "conda-meta"]);

const SECRET_FOLDERS = new Set([".aws", ".ssh", ".gnupg", ".azure", ".gcloud", ".kube"]);
const SECRET_NAMES = new Set([
  ".netrc",
  "_netrc",
  ".pypirc",
  ".npmrc",
  ".git-credentials",
  ".pgpass",
  ".htpasswd",
  ".dockercfg",
  ".boto",
  ".s3cfg",
  "rclone.conf",
  "kaggle.json",
  "credentials",
  "secrets.json",
  "secrets.toml",
  "secrets.yaml",
  "secrets.yml",
]);
const SECRET_PATTERN =
  /^(?:\.env(?:[.\-_].*)?|.*\.env|id_(?:rsa|dsa|ecdsa|ed25519).*|credentials.*\.json|client_secrets?.*\.json|service[-_]account.*\.json|.*\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|tfstate))$/i;
const HARMLESS = /^\.env\.(?:example|sample|template|dist)$/i;

/** True for names that hold no code and no data: version control, caches, installed packages. */
export function isJunk(name: string): boolean {
  return JUNK_NAMES.has(name);
}

/** True for names under which people keep keys, tokens and passwords. */
export function looksSecret(name: string, isFolder: boolean): boolean {
  if (isFolder) return SECRET_FOLDERS.has(name);
  return SECRET_NAMES.has(name) || (SECRET_PATTERN.test(name) && !HARMLESS.test(name));
}
