/** What an empty query page opens with. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiError, call } from "../api/client.ts";
import { CPU, EXAMPLES, neededMetrics, YOUNG, type Example } from "./examples.ts";
import { DEFAULT_PANEL, type PanelState } from "./state.ts";
import { rangeForUptime } from "./zoom.ts";

const WAIT_MS = 20_000;
const ASK_MS = 500;
const ASK_MORE_MS = 2_000;
const REFRESH_YOUNG_MS = 2_000;
const REFRESH_MS = 5_000;
const LOOK_BACK_S = 300;
/** Until then a rate over one minute reads too low. */
const YOUNG_MS = 90_000;

export interface Landing {
  /** Examples the server can answer. */
  examples: Example[];
  /** The panel to open with; absent while it is looked for and when there is none. */
  panel?: PanelState;
  refreshMs: number;
  /** What keeps the page empty: nothing that passes, no samples yet, or no server. */
  waiting: "no" | "samples" | "server";
}

/**
 * Finds out which examples have data, and what to open an empty page with.
 *
 * - `wanted`: the page has room for examples.
 * - `blank`: the address names no expression.
 *
 * A server that has just started has no samples for a second or two. It is asked again until the
 * first example can be shown, or until `WAIT_MS` after its first answer.
 */
export function useLanding(wanted: boolean, blank: boolean): Landing {
  const [waited, setWaited] = useState(false);
  const available = useQuery({
    queryKey: ["examples"],
    queryFn: fetchAvailable,
    enabled: wanted,
    staleTime: 60_000,
    refetchInterval: ({ state }) => nextAsk(state.data, state.error, waited),
  });
  const answered = available.isSuccess;
  useEffect(() => {
    if (!answered) return;
    const timer = setTimeout(() => setWaited(true), WAIT_MS);
    return () => clearTimeout(timer);
  }, [answered]);
  const uptimeMs = useUptime(blank);
  const opensWith = useRef<Example | null>(null);
  const metrics = available.data ?? new Set<string>();
  const examples = EXAMPLES.filter((example) => metrics.has(example.needs));
  if (!blank) opensWith.current = null;
  else if (metrics.has(CPU.needs) && uptimeMs !== null) opensWith.current ??= uptimeMs < YOUNG_MS ? YOUNG : CPU;
  const opens = opensWith.current;
  return {
    examples,
    panel: opens ? { ...DEFAULT_PANEL, ...opens.show, expr: opens.expr, rangeMs: rangeForUptime(uptimeMs ?? 0) } : undefined,
    refreshMs: opens === YOUNG ? REFRESH_YOUNG_MS : opens ? REFRESH_MS : 0,
    waiting: isTransient(available.error) ? "server" : opens || waited || available.error ? "no" : "samples",
  };
}

/** Often until there is something to open with, then slower for the examples still missing. */
function nextAsk(found: Set<string> | undefined, error: Error | null, waited: boolean): number | false {
  if (isTransient(error)) return ASK_MS;
  if (waited || error || (found && EXAMPLES.every((example) => found.has(example.needs)))) return false;
  return found?.has(CPU.needs) ? ASK_MORE_MS : ASK_MS;
}

async function fetchAvailable({ signal }: { signal: AbortSignal }): Promise<Set<string>> {
  const start = String(Math.floor(Date.now() / 1000) - LOOK_BACK_S);
  const { data } = await call<string[]>("label/__name__/values", { "match[]": neededMetrics(), start }, { signal });
  return new Set(data);
}

/** How long the server runs; null until it has said so. */
function useUptime(enabled: boolean): number | null {
  const info = useQuery({
    queryKey: ["runtimeinfo"],
    queryFn: ({ signal }) => call<{ startTime: string; serverTime?: string }>("status/runtimeinfo", {}, { signal }),
    enabled,
    refetchInterval: ({ state }) => (state.data ? 10_000 : ASK_MS),
  });
  if (!info.data) return null;
  const { startTime, serverTime } = info.data.data;
  const started = Date.parse(startTime);
  const now = serverTime ? Date.parse(serverTime) : Date.now();
  return Number.isNaN(started) ? 0 : Math.max(0, now - started);
}

function isTransient(error: Error | null): boolean {
  return error instanceof ApiError && error.isTransient;
}
