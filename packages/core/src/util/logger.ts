import type { JsonObject } from "./json.ts";

/** Any of these methods may be missing; pino, winston and console fit with a line of adapter. Fields never hold a secret. */
export interface Logger {
  debug?(message: string, fields?: JsonObject): void;
  info?(message: string, fields?: JsonObject): void;
  warn?(message: string, fields?: JsonObject): void;
  error?(message: string, fields?: JsonObject): void;
}

/** The default: runctl prints nothing. */
export const silentLogger: Logger = {};
