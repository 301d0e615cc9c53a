import type { Intent, TrainingProvider } from "@runctl/core/provider";

/** One call of the provider that some case made. */
export interface Observation {
  /** The case that made it. */
  caseId: string;
  /** `create`, `find`, `volumes.attach` … */
  operation: string;
  args: unknown[];
  /** What it resolved with; absent when it rejected. */
  result?: unknown;
  /** What it rejected with. */
  error?: unknown;
  ok: boolean;
}

/** What is told of each call. */
export interface Observer {
  /** Before a purchase; throwing keeps it from being made. */
  beforeCreate(intent: Intent): void;
  seen(observation: Omit<Observation, "caseId">): void;
}

/** The provider, with every call watched. Methods keep their own `this`; what is absent stays absent. */
export function observed<T extends TrainingProvider>(provider: T, observer: Observer): T {
  const wrapped = new Map<string, unknown>();
  return new Proxy(provider, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof key === "symbol") return value;
      if (key === "volumes" && typeof value === "object" && value !== null) {
        if (!wrapped.has(key)) wrapped.set(key, watch(value as Record<string, unknown>, "volumes.", observer));
        return wrapped.get(key);
      }
      if (typeof value !== "function") return value;
      if (!wrapped.has(key)) wrapped.set(key, watched(target, key, value as Callable, observer));
      return wrapped.get(key);
    },
  });
}

/** These answer without a promise. */
const AT_ONCE = new Set(["hostHooks", "validateOptions", "volumes.recommend"]);

type Callable = (...args: unknown[]) => unknown;

function watch(part: Record<string, unknown>, prefix: string, observer: Observer): unknown {
  return new Proxy(part, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" && typeof key === "string" ? watched(target, prefix + key, value as Callable, observer) : value;
    },
  });
}

function watched(target: object, operation: string, method: Callable, observer: Observer): Callable {
  return (...args) => {
    if (operation === "create") observer.beforeCreate(args[0] as Intent);
    // Kept as they were when the call was made.
    const kept = args.map(plain);
    const note = (ok: boolean, value: unknown): void =>
      observer.seen(ok ? { operation, args: kept, ok, result: value } : { operation, args: kept, ok, error: value });
    let answer: unknown;
    try {
      answer = Reflect.apply(method, target, args);
    } catch (error) {
      note(false, error);
      // A method that should have rejected: cases read both in the same way.
      if (!AT_ONCE.has(operation)) return Promise.reject(error as Error);
      throw error;
    }
    if (!(answer instanceof Promise)) {
      note(true, answer);
      return answer;
    }
    return answer.then(
      (value) => {
        note(true, value);
        return value;
      },
      (error: unknown) => {
        note(false, error);
        throw error;
      },
    );
  };
}

function plain(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    // Options with a signal in them: the signal is no data.
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).filter(([, part]) => !(part instanceof AbortSignal) && typeof part !== "function"))
      : undefined;
  }
}
