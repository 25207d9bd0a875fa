/** Which targets are shown, and in what order. */

import type { Health, Target } from "../api/types.ts";

export interface Filter {
  /** Empty shows all. */
  health: Health[];
  pool: string;
  search: string;
}

/** True when a target passes all parts of the filter. Each word must be found in its address, error or a label. */
export function matches(target: Target, filter: Filter): boolean {
  if (filter.health.length > 0 && !filter.health.includes(target.health)) return false;
  if (filter.pool !== "" && filter.pool !== target.scrapePool) return false;
  const words = filter.search.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return true;
  const pairs = Object.entries(target.labels).map(([name, value]) => `${name}="${value}" ${name}=${value}`);
  const text = [target.scrapeUrl, target.lastError, ...pairs].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** The targets of each pool, pools by name, targets down before unknown before up, then by address. */
export function groupByPool(targets: readonly Target[]): Map<string, Target[]> {
  const pools = new Map<string, Target[]>();
  const order = targets.toSorted(
    (a, b) => compare(a.scrapePool, b.scrapePool) || rank(a.health) - rank(b.health) || compare(a.scrapeUrl, b.scrapeUrl),
  );
  for (const target of order) {
    const list = pools.get(target.scrapePool);
    if (list) list.push(target);
    else pools.set(target.scrapePool, [target]);
  }
  return pools;
}

/** How many targets are in each state. */
export function countHealth(targets: readonly Target[]): Record<Health, number> {
  const counts: Record<Health, number> = { up: 0, down: 0, unknown: 0 };
  for (const target of targets) counts[target.health] += 1;
  return counts;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(health: Health): number {
  return health === "down" ? 0 : health === "unknown" ? 1 : 2;
}
