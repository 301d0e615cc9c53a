/** Longer lines are data, not messages: only so much of one is looked at. */
export const MAX_PARSED_CHARS = 8192;

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours of terminals begin with one.
const ANSI = /\u001b\[[0-9;?]{0,16}[A-Za-z]/g;

/**
 * The part of a line that is worth parsing, in time that does not grow with the line: at most 8 KiB, without terminal colours,
 * and of a progress bar that redraws itself by carriage returns its last state.
 */
export function boundedLine(text: string): string {
  const tail = text.slice(-MAX_PARSED_CHARS).replace(/\r+$/, "");
  const redraw = tail.lastIndexOf("\r");
  const part = redraw >= 0 ? tail.slice(redraw + 1) : text.slice(0, MAX_PARSED_CHARS);
  return part.includes("\u001b") ? part.replace(ANSI, "") : part;
}
