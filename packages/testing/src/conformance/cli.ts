import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ConfigurationError, RunctlError, type TrainingProvider } from "@runctl/core/provider";
import { loadSubject } from "./load-subject.ts";
import type { ConformanceOptions, ProviderFactory, ProviderSubject } from "./options.ts";
import { providerCases } from "./provider-cases.ts";
import { parseRecording, type Recording, recordProvider } from "./recording.ts";
import type { ConformanceReport } from "./report.ts";
import { POINTS } from "./report.ts";
import { runConformance } from "./run-conformance.ts";
import { reportText } from "./table.ts";

const HELP = `runctl-conformance <module> [options]

Checks a provider against runctl's contract. <module> is a file (or a folder with conformance.ts or index.ts) whose default export is a
factory, { factory, …options }, or a provider.

  --json <file>        write the report as JSON
  --only <ids>         only these cases or points, separated by commas: --only lifecycle-create-twice,4
  --list               list the cases and stop
  --live               real machines, real money; needs --spend-cap
  --spend-cap <n>      what the whole run may cost, in the offers' currency
  --record <file>      keep every exchange, without secrets
  --recording <file>   compare the answers' form with such a file
  --strict             a case that could not be proven counts as a failure
  --help

Ends with 0 when nothing failed, 1 when something did, 2 when it could not begin.
`;

/** Where the program writes and where it stands. */
export interface CliPorts {
  cwd: string;
  out: (text: string) => void;
  err: (text: string) => void;
}

/** The program `runctl-conformance`. Resolves with its exit code. */
export async function conformanceCli(argv: string[], { cwd, out, err }: CliPorts): Promise<number> {
  try {
    const { values, path } = readArguments(argv);
    if (values.help === true) {
      out(HELP);
      return 0;
    }
    if (values.list === true) {
      for (const { id, point, title } of providerCases) out(`${String(point).padStart(2)}  ${id.padEnd(28)}  ${title}\n`);
      return 0;
    }
    const report = await run(values, path, cwd, err);
    out(reportText(report));
    if (values.json !== undefined) await writeFile(resolve(cwd, values.json), `${JSON.stringify(report, null, 2)}\n`);
    return report.ok && !(values.strict === true && report.counts["not-provable"] > 0) ? 0 : 1;
  } catch (error) {
    err(`${error instanceof Error ? error.message : String(error)}\n`);
    if (!RunctlError.is(error) && error instanceof Error && error.stack !== undefined) err(`${error.stack}\n`);
    return 2;
  }
}

type Values = ReturnType<typeof readArguments>["values"];

async function run(values: Values, path: string | undefined, cwd: string, err: (text: string) => void): Promise<ConformanceReport> {
  if (path === undefined) throw wrong("No module was named.", "runctl-conformance ./conformance.ts");
  const only = values.only?.split(",").map((part) => part.trim());
  const unknown = only?.filter((part) => POINTS[Number(part)] === undefined && !providerCases.some((one) => one.id === part));
  if (unknown !== undefined && unknown.length > 0)
    throw wrong(`There is no case or point ${unknown.join(", ")}.`, "runctl-conformance --list shows them.");
  const live = readCap(values);
  const { factory, costsMoney, ...options } = await loadSubject(path, cwd);
  if (costsMoney === true && live === undefined)
    throw wrong("This provider buys real machines.", "Say so, and what it may cost: --live --spend-cap 5");
  const recorder = values.record === undefined ? undefined : recordingFactory(factory, options);
  const all: ConformanceOptions = {
    ...options,
    ...(only === undefined ? {} : { only }),
    ...(live === undefined ? {} : { live }),
    ...(values.recording === undefined ? {} : { recording: await readRecording(resolve(cwd, values.recording)) }),
  };
  const report = await runConformance(recorder?.factory ?? factory, all, ({ id, status }) => {
    if (status === "failed") err(`failed: ${id}\n`);
  });
  if (recorder !== undefined && values.record !== undefined)
    await writeFile(resolve(cwd, values.record), `${JSON.stringify(recorder.recording(), null, 1)}\n`);
  return report;
}

function readArguments(argv: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        json: { type: "string" },
        only: { type: "string" },
        list: { type: "boolean" },
        live: { type: "boolean" },
        "spend-cap": { type: "string" },
        record: { type: "string" },
        recording: { type: "string" },
        strict: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (positionals.length > 1) throw new Error(`One module at a time, not ${positionals.length}: ${positionals.join(", ")}`);
    return { values, path: positionals[0] };
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error), "runctl-conformance --help");
  }
}

function readCap(values: Values): { spendCap: number } | undefined {
  const text = values["spend-cap"];
  if (values.live !== true) {
    if (text !== undefined) throw wrong("--spend-cap without --live: an offline run spends nothing.", "Leave it out, or add --live.");
    return undefined;
  }
  const spendCap = Number(text);
  if (text === undefined || text.trim() === "" || !Number.isFinite(spendCap) || spendCap <= 0)
    throw wrong(
      `--live needs --spend-cap with an amount above 0${text === undefined ? "" : `, not ${JSON.stringify(text)}`}.`,
      "--live --spend-cap 5",
    );
  return { spendCap };
}

async function readRecording(file: string): Promise<Recording> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw wrong(`${file} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`, "Make one with --record.");
  }
  return parseRecording(value);
}

/** Records every subject's provider into one recording. */
function recordingFactory(
  factory: ProviderFactory,
  options: ConformanceOptions,
): { factory: ProviderFactory; recording: () => Recording | undefined } {
  const made: Array<ReturnType<typeof recordProvider>> = [];
  return {
    factory: async () => {
      const found = await factory();
      const subject: ProviderSubject =
        "provider" in found ? found : { provider: found, again: async () => (await factory()) as TrainingProvider };
      const recorder = recordProvider(subject.provider, {
        secrets: [...(options.hooks?.secrets ?? []), ...(subject.hooks?.secrets ?? [])],
      });
      made.push(recorder);
      return { ...subject, provider: recorder.provider };
    },
    recording: () => {
      const [first, ...others] = made.map((one) => one.recording());
      return first === undefined ? undefined : { ...first, exchanges: [...first.exchanges, ...others.flatMap((one) => one.exchanges)] };
    },
  };
}

function wrong(what: string, fix: string): ConfigurationError {
  return new ConfigurationError({ what, fix: [fix] });
}
