// Unquoted in the command position these would be grammar, not a program's name.
const RESERVED = new Set("if then else elif fi do done case esac while until for in function select time coproc".split(" "));

/**
 * One argument for a POSIX shell, quoted so that it arrives literally whatever it holds. The one place that does this.
 * Throws TypeError for a NUL, which no argument can carry.
 */
export function shellQuote(argument: string): string {
  if (argument.includes("\0")) throw new TypeError("A shell argument cannot hold a NUL character.");
  // "=" is missing on purpose: `a=b` in the command position would be an assignment.
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(argument) && !RESERVED.has(argument)) return argument;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** A whole argv as one line for `sh -c`. */
export function shellQuoteAll(argv: readonly string[]): string {
  return argv.map(shellQuote).join(" ");
}
