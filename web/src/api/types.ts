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

/** A name and how many, or how many bytes. */
export interface Stat {
  name: string;
  value: number;
}

/** Times in milliseconds. */
export interface HeadStats {
  numSeries: number;
  numLabelPairs: number;
  chunkCount: number;
  minTime: number;
  maxTime: number;
}

export interface TsdbData {
  headStats: HeadStats;
  seriesCountByMetricName: Stat[];
  labelValueCountByLabelName: Stat[];
  memoryInBytesByLabelName: Stat[];
  seriesCountByLabelValuePair: Stat[];
}

/** What a block says of itself; times in milliseconds. */
export interface Block {
  ulid: string;
  minTime: number;
  maxTime: number;
  stats: { numSamples?: number; numSeries?: number; numChunks?: number; numTombstones?: number };
  compaction: { level: number; hints?: string[] };
}

/** Bytes of the file system, and how many are to stay free. */
export interface DiskData {
  total: number;
  free: number;
  floor: number;
  compactionPaused: boolean;
}

/** Something that cannot be read, and why, if that is known. */
export interface Named {
  name: string;
  reason: string;
}

export interface StorageData {
  disk?: DiskData;
  repairs: string[];
  quarantined: Named[];
  leftOut: Named[];
}

/** What comes back around the data of every answer. */
export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
  /** From sending the request to having read the answer. */
  elapsedMs: number;
}
