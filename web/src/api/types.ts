/** Shapes of the HTTP API as this page uses them. */

export type Labels = Record<string, string>;

/** A point: seconds since the epoch, value as text. */
export type Point = [number, string];

export interface HistogramValue {
  count: string;
  sum: string;
}

export interface VectorSample {
  metric: Labels;
  value?: Point;
  histogram?: [number, HistogramValue];
}

export interface MatrixSeries {
  metric: Labels;
  values?: Point[];
  histograms?: [number, HistogramValue][];
}

export interface QueryStats {
  timings?: { execTotalTime?: number };
  samples?: { totalQueryableSamples?: number; peakSamples?: number };
}

export type QueryData = { stats?: QueryStats } & (
  | { resultType: "vector"; result: VectorSample[] }
  | { resultType: "matrix"; result: MatrixSeries[] }
  | { resultType: "scalar" | "string"; result: Point }
);

export type Health = "up" | "down" | "unknown";

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: Health;
  scrapeInterval: string;
  scrapeTimeout: string;
}

export interface TargetsData {
  activeTargets: Target[];
  droppedTargetCounts?: Record<string, number> | null;
}

/** How memory stands against its limit, in bytes, and which jobs were refused how many new series. */
export interface MemoryData {
  limit: number;
  used: number;
  scarce: boolean;
  refused: { job: string; value: number }[];
}

/** What comes back around the data of every answer. */
export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
  /** From sending the request to having read the answer. */
  elapsedMs: number;
}
