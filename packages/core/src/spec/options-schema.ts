import { z } from "zod";
import { costThresholdsSchema } from "../cost/thresholds.ts";
import type { FieldGuide } from "./field-guide.ts";
import { guideFor } from "./field-guide.ts";
import { runSpecSchema } from "./run-spec-schema.ts";
import { strict } from "./strict-object.ts";

const build = () => {
  const amount = z.number().positive().optional();
  const count = z.number().int().min(1).optional();
  return {
    project: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .optional(),
    user: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .optional(),
    store: z.string().min(1).optional(),
    budget: strict({ perDay: amount, total: amount, perHour: amount }).optional(),
    thresholds: strict(costThresholdsSchema.shape).optional(),
    limits: strict({ maxRunning: count, warnRunning: count }).optional(),
    defaults: runSpecSchema().optional(),
  };
};

let built: ReturnType<typeof build> | undefined;

/** Shapes of the options that are plain data, shared by the constructor and the configuration file. Built at first use. */
export function plainOptionShapes(): ReturnType<typeof build> {
  built ??= build();
  return built;
}

/** What only code can give. Checked for being there and of the right type, never looked into. */
export const LIVE_OPTIONS = ["providers", "state", "stores", "resolveSecret", "logger", "clock", "random"] as const;

const NAME = "1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit";
const guide = (takes: string, example: string, meaning: string, byDefault: string): FieldGuide => ({
  takes,
  example,
  meaning,
  default: byDefault,
});

/** What each plain option takes: for errors and for the guide. */
export const OPTION_FIELDS: Readonly<Record<string, FieldGuide>> = {
  project: guide(NAME, '"digits"', "What costs, budgets and cleanup are grouped by.", "the project root's folder name, made safe"),
  user: guide(NAME, '"ada"', "Whose runs these are.", "the user of the operating system"),
  store: guide(
    "a location: a path, file://… or s3://…",
    '"s3://my-bucket/runctl"',
    "Where runs keep code, logs, checkpoints and outputs.",
    "the provider's own, else beside the state",
  ),
  budget: guide("an object of amounts in USD", "{ perDay: 50 }", "Limits of everything the project spends.", "no limit"),
  "budget.perDay": guide("a number above 0, in USD", "50", "Spent within a calendar day (UTC).", "no limit"),
  "budget.total": guide("a number above 0, in USD", "1000", "Spent in total.", "no limit"),
  "budget.perHour": guide("a number above 0, in USD", "20", "Prices per hour of everything that runs.", "no limit"),
  thresholds: guide("an object of amounts in USD", "{ perHour: 20 }", "Amounts that warn.", "see its keys"),
  "thresholds.machinePerHour": guide("a number above 0, in USD, or false", "5", "Burn of one machine.", "5"),
  "thresholds.machineTotal": guide("a number above 0, in USD, or false", "10", "Accumulated cost of one machine.", "10"),
  "thresholds.perHour": guide("a number above 0, in USD, or false", "50", "Burn of everything.", "50"),
  "thresholds.perDay": guide("a number above 0, in USD, or false", "100", "Projected cost of a day.", "100"),
  "thresholds.total": guide("a number above 0, in USD, or false", "500", "Accumulated cost of everything.", "500"),
  limits: guide("an object", "{ maxRunning: 20 }", "How many machines may exist at one time.", "see its keys"),
  "limits.maxRunning": guide("a whole number from 1", "50", "Above it, runs queue.", "50"),
  "limits.warnRunning": guide("a whole number from 1", "10", "At it, one alarm is raised.", "10"),
  defaults: guide("an object of RunSpec fields", '{ market: "spot" }', "Fields that every run has unless its spec says otherwise.", "{}"),
};

/** The guide's entry for a path in the options; below `defaults` it is RunSpec's. */
export function optionGuide(path: readonly PropertyKey[]): FieldGuide | undefined {
  if (path[0] === "defaults" && path.length > 1) return guideFor(path.slice(1)).guide;
  return OPTION_FIELDS[path.filter((part) => typeof part !== "number").join(".")];
}
