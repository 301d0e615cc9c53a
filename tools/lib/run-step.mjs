// One step of a command that a stranger reads: a line while it works well, its output when it does not.
import { spawn } from "node:child_process";

/**
 * @typedef {{ name: string, ok: boolean, seconds: number, output: string, passed: number, failed: string[], skipped: string[] }} StepResult
 */

/**
 * Runs a program and reads its verdict. Lines `PASS …`, `FAIL …` and `SKIP …` are counted one by one; a program that prints none counts as one.
 * @param {string} name What the reader sees.
 * @param {string[]} argv Program and arguments.
 * @param {{ cwd: string, env?: Record<string, string>, onLine?: (line: string) => void }} options
 * @returns {Promise<StepResult>}
 */
export function runStep(name, argv, { cwd, env = {}, onLine }) {
  const started = process.hrtime.bigint();
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let rest = "";
    const take = (text) => {
      output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine?.(line);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (error) => finish(`${output}\n${error.message}`, false));
    child.on("close", (code, signal) => finish(signal ? `${output}\nended by ${signal}` : output, code === 0));

    function finish(text, exitedWell) {
      const marked = (word) =>
        text
          .split("\n")
          .filter((line) => line.startsWith(`${word} `))
          .map((line) => line.slice(word.length + 1));
      const failed = marked("FAIL");
      const skipped = marked("SKIP");
      let passed = marked("PASS").length;
      const ok = exitedWell && failed.length === 0;
      if (!ok && failed.length === 0) failed.push(name);
      if (ok && passed + skipped.length === 0) passed = 1;
      resolve({ name, ok, seconds: Number(process.hrtime.bigint() - started) / 1e9, output: text, passed, failed, skipped });
    }
  });
}

/** The end of a long output: what a reader needs of a failure. */
export function tail(text, lines = 60) {
  const all = text.trimEnd().split("\n");
  const cut = all.length - lines;
  return cut > 0 ? [`… ${cut} lines before`, ...all.slice(cut)].join("\n") : all.join("\n");
}
