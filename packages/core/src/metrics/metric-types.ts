/** One number that a training printed. */
export interface MetricPoint {
  /** As printed; "val loss: 0.3" is "val_loss". */
  name: string;
  /** May be NaN or infinite where the training printed that. */
  value: number;
  /** Step, or epoch where no step was printed. */
  step?: number | undefined;
  /** ISO time of the line. */
  at: string;
  attempt: number;
}

/** How far a run is. What cannot be told is absent, never 0. */
export interface Progress {
  /** 0 to 1. */
  fraction?: number | undefined;
  /** `confidence` comes from how even the recent pace was. */
  eta?: { ms: number; confidence: "low" | "medium" | "high" } | undefined;
  step?: number | undefined;
  totalSteps?: number | undefined;
}

/** What metrics are read from: a log line, or a line of a metrics file. */
export interface MetricLine {
  text: string;
  /** ISO. */
  at: string;
  attempt: number;
}

/** Progress as one line tells it. */
export interface LineProgress {
  /** Epochs: the outer loop. */
  epoch?: { done: number; total: number } | undefined;
  /** Steps, batches or a progress bar: the inner loop, or the only one. */
  steps?: { done: number; total: number } | undefined;
  /** The training's own word for the whole, 0 to 1. */
  fraction?: number | undefined;
}

/** What one line says. */
export interface ParsedLine {
  metrics: Array<{ name: string; value: number; step?: number | undefined }>;
  progress?: LineProgress | undefined;
}
