/** Names that have broken tools before. */
export const ODD_NAMES = [
  "a space",
  "it's",
  'say "hi"',
  "new\nline",
  "emoji 🦀",
  "-leading",
  "trailing.",
  "per%20cent",
  "q?m#h",
  "ünï",
  "plus+&=",
  "back\\slash",
  "$(touch x)",
];
