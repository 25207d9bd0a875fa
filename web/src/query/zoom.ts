/** Moving and scaling the time window of a graph. */

/** A window of time: how long it is, and where it ends; null follows the clock. */
export interface Window {
  rangeMs: number;
  endMs: number | null;
}

export const RANGES_MS: readonly number[] = [
  60_000, 5 * 60_000, 15 * 60_000, 30 * 60_000, 3_600_000, 3 * 3_600_000, 6 * 3_600_000, 12 * 3_600_000,
  86_400_000, 2 * 86_400_000, 7 * 86_400_000, 14 * 86_400_000, 28 * 86_400_000, 56 * 86_400_000, 365 * 86_400_000,
];

const RANGE_MIN_MS = 1000;

/** The window between two instants, in whole seconds, at least one. */
export function between(startMs: number, endMs: number): Window {
  const start = Math.floor(startMs / 1000) * 1000;
  const end = Math.ceil(endMs / 1000) * 1000;
  return { rangeMs: Math.max(RANGE_MIN_MS, end - start), endMs: end };
}

/** Twice as long around the same middle; one that would reach past now follows the clock. */
export function zoomOut(window: Window, now: number): Window {
  const end = window.endMs === null ? null : window.endMs + window.rangeMs / 2;
  return settle({ rangeMs: window.rangeMs * 2, endMs: end }, now);
}

/** Earlier (-1) or later (+1) by half a window. */
export function shift(window: Window, direction: -1 | 1, now: number): Window {
  const end = (window.endMs ?? now) + (direction * window.rangeMs) / 2;
  return settle({ rangeMs: window.rangeMs, endMs: Math.round(end / 1000) * 1000 }, now);
}

/** The next range of the list above (+1) or below (-1). */
export function nextRange(rangeMs: number, direction: -1 | 1): number {
  const list = direction > 0 ? RANGES_MS : [...RANGES_MS].reverse();
  return list.find((range) => direction * (range - rangeMs) > 0) ?? rangeMs;
}

/** The shortest range that shows all of a span, for a server that has only just begun; an hour at most. */
export function rangeForUptime(uptimeMs: number): number {
  return [1, 2, 5, 15, 30].map((minutes) => minutes * 60_000).find((range) => uptimeMs < range) ?? 3_600_000;
}

function settle(window: Window, now: number): Window {
  return window.endMs !== null && window.endMs >= now ? { ...window, endMs: null } : window;
}
