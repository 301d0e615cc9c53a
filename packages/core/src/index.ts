export { RunctlError } from "./errors/runctl-error.ts";
