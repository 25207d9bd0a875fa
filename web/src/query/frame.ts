/** A range result laid out in columns, as a graph needs it. */

import type { Labels, MatrixSeries } from "../api/types.ts";
import { parseValue } from "../lib/format.ts";
import type { Grid } from "./step.ts";

export interface Column {
  labels: Labels;
  /** One value for each time; null where the series has none (or none that can be drawn). */
  values: (number | null)[];
  /** Over the values that are there. */
  min: number;
  max: number;
  avg: number;
  last: number;
}

export interface Frame {
  grid: Grid;
  /** Seconds since the epoch, one for each step of the grid. */
  times: number[];
  columns: Column[];
  /** Series that hold only native histograms, which a line cannot show. */
  histogramsOnly: number;
}

/** Lays a matrix out on its grid. A point off the grid goes to the nearest step. */
export function toFrame(matrix: MatrixSeries[], grid: Grid): Frame {
  const steps = Math.round((grid.endMs - grid.startMs) / grid.stepMs) + 1;
  const times = Array.from({ length: steps }, (_, n) => (grid.startMs + n * grid.stepMs) / 1000);
  const drawable = matrix.filter((series) => (series.values?.length ?? 0) > 0);
  return {
    grid,
    times,
    columns: drawable.map((series) => toColumn(series, grid, steps)),
    histogramsOnly: matrix.length - drawable.length,
  };
}

/**
 * Adds up the visible columns, bottom first.
 *
 * Returns one line for each column: its own value plus all below it. A hidden column, and a step
 * at which no visible column has a value, gives nulls.
 */
export function stack(columns: readonly Column[], hidden: ReadonlySet<number>): (number | null)[][] {
  const steps = columns[0]?.values.length ?? 0;
  const visible = columns.filter((_, n) => !hidden.has(n));
  const present = Array.from({ length: steps }, (_, k) => visible.some((column) => column.values[k] != null));
  const sum = new Array<number>(steps).fill(0);
  return columns.map((column, n) => {
    if (hidden.has(n)) return new Array<null>(steps).fill(null);
    return column.values.map((value, k) => {
      sum[k] = (sum[k] ?? 0) + (value ?? 0);
      return present[k] ? sum[k] : null;
    });
  });
}

/** True where a value stands alone, so that a line through it would not be seen. */
export function isIsolated(values: readonly (number | null | undefined)[], index: number): boolean {
  return values[index] != null && values[index - 1] == null && values[index + 1] == null;
}

/** The labels whose values differ between the columns; those that all share only take up room in a legend. */
export function sharedLabels(columns: readonly Column[]): Labels {
  const [first, ...rest] = columns;
  if (!first || rest.length === 0) return {};
  return Object.fromEntries(
    Object.entries(first.labels).filter(([name, value]) => rest.every((column) => column.labels[name] === value)),
  );
}

function toColumn(series: MatrixSeries, grid: Grid, steps: number): Column {
  const values = new Array<number | null>(steps).fill(null);
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  let last = NaN;
  for (const [t, text] of series.values ?? []) {
    const at = Math.round((t * 1000 - grid.startMs) / grid.stepMs);
    const value = parseValue(text);
    last = value;
    if (at < 0 || at >= steps || !Number.isFinite(value)) continue;
    values[at] = value;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    count += 1;
  }
  return { labels: series.metric, values, min, max, avg: sum / count, last };
}
