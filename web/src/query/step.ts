/** How finely a range is sampled. */

export type Density = "low" | "medium" | "high";

export type Resolution =
  | { kind: "auto"; density: Density }
  | { kind: "fixed" | "custom"; stepMs: number };

/** Most points the server computes for one series. */
export const POINTS_MAX = 11_000;

const POINTS: Record<Density, number> = { low: 100, medium: 250, high: 750 };
const STEP_MIN_MS = 1000;
const ALIGNED_UP_TO_MS = 60_000;

/** The grid a range is evaluated on, in milliseconds. */
export interface Grid {
  startMs: number;
  endMs: number;
  stepMs: number;
}

/** Returns the step for a range: upstream's divisors, whole seconds, never finer than one. */
export function stepFor(resolution: Resolution, rangeMs: number): number {
  if (resolution.kind !== "auto") return resolution.stepMs;
  const step = Math.floor(rangeMs / POINTS[resolution.density] / 1000) * 1000;
  return Math.max(STEP_MIN_MS, step);
}

/**
 * Returns the grid that ends at `endMs`.
 *
 * A fine grid is aligned to multiples of its step, so that a graph which follows the clock keeps
 * its points instead of recomputing each a little to the side. A coarse one is not: it would hide
 * the newest minutes.
 */
export function gridFor(endMs: number, rangeMs: number, stepMs: number): Grid {
  const end = stepMs <= ALIGNED_UP_TO_MS ? Math.floor(endMs / stepMs) * stepMs : endMs;
  return { startMs: end - Math.floor(rangeMs / stepMs) * stepMs, endMs: end, stepMs };
}
