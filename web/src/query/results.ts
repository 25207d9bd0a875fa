/** Asking the server what a panel shows. */

import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { ApiError, call } from "../api/client.ts";
import type { Answer, QueryData } from "../api/types.ts";
import { toFrame, type Frame } from "./frame.ts";
import type { PanelState } from "./state.ts";
import { gridFor, stepFor } from "./step.ts";

const RETRY_MS = 2_000;
const EAGER_MS = 500;

export interface Asking {
  panel: PanelState;
  /** Changes each time the user asks for the same thing again. */
  run: number;
  refreshMs: number;
  /** Asks twice a second until there is a first point. */
  eager: boolean;
}

export interface GraphAnswer extends Answer<QueryData> {
  frame: Frame;
}

/** The graph of a panel. While the next answer is under way, the last one stays. */
export function useGraph({ panel, run, refreshMs, eager }: Asking): UseQueryResult<GraphAnswer, Error> {
  const { expr, rangeMs, endMs } = panel;
  const stepMs = stepFor(panel.resolution, rangeMs);
  return useQuery({
    queryKey: ["graph", expr, rangeMs, endMs, stepMs, run],
    enabled: expr.trim() !== "",
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const grid = gridFor(endMs ?? Date.now(), rangeMs, stepMs);
      const params = {
        query: expr, start: seconds(grid.startMs), end: seconds(grid.endMs), step: seconds(stepMs), stats: "true",
      };
      const answer = await call<QueryData>("query_range", params, { signal, post: true });
      return { ...answer, frame: toFrame(answer.data.resultType === "matrix" ? answer.data.result : [], grid) };
    },
    refetchInterval: ({ state }) => {
      const waits = eager && (state.data?.frame.columns.length ?? 0) === 0;
      return nextAsk(state.error, waits, endMs === null ? refreshMs : 0);
    },
  });
}

/** The table of a panel: its value at one instant. */
export function useTable({ panel, run, refreshMs, eager }: Asking): UseQueryResult<Answer<QueryData>, Error> {
  const { expr, momentMs } = panel;
  return useQuery({
    queryKey: ["table", expr, momentMs, run],
    enabled: expr.trim() !== "",
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => {
      const params = { query: expr, time: seconds(momentMs ?? Date.now()), stats: "true" };
      return call<QueryData>("query", params, { signal, post: true });
    },
    refetchInterval: ({ state }) => nextAsk(state.error, eager && !state.data, momentMs === null ? refreshMs : 0),
  });
}

function nextAsk(error: Error | null, eager: boolean, refreshMs: number): number | false {
  if (error instanceof ApiError && error.isTransient) return RETRY_MS;
  if (eager) return EAGER_MS;
  return refreshMs > 0 ? refreshMs : false;
}

function seconds(ms: number): string {
  return String(ms / 1000);
}
