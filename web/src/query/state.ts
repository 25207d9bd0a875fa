/**
 * The state of the query page and its form in the address, under upstream's parameter names, so
 * that a link made by either program opens in the other.
 */

import { formatDuration, formatInstant, parseDuration, parseInstant } from "../lib/time.ts";
import type { Density, Resolution } from "./step.ts";

export type Tab = "table" | "graph";

export interface PanelState {
  expr: string;
  tab: Tab;
  rangeMs: number;
  /** End of the graph; null follows the clock. */
  endMs: number | null;
  /** Evaluation time of the table; null follows the clock. */
  momentMs: number | null;
  resolution: Resolution;
  stacked: boolean;
}

export interface PageState {
  panels: PanelState[];
  /** Milliseconds between two refreshes; 0 is off. */
  refreshMs: number;
}

export const DEFAULT_PANEL: Readonly<PanelState> = {
  expr: "",
  tab: "table",
  rangeMs: 3_600_000,
  endMs: null,
  momentMs: null,
  resolution: { kind: "auto", density: "medium" },
  stacked: false,
};

/** Reads the state from the search part of an address. Unreadable values fall back to the default, one by one. */
export function readState(search: string): PageState {
  const params = new URLSearchParams(search);
  const panels: PanelState[] = [];
  for (let n = 0; hasPanel(params, n); n++) panels.push(readPanel(params, `g${n}.`));
  return {
    panels: panels.length > 0 ? panels : [{ ...DEFAULT_PANEL }],
    refreshMs: parseDuration(params.get("refresh") ?? "") ?? 0,
  };
}

/** Writes the state as the search part of an address. */
export function writeState(state: PageState): string {
  const params = new URLSearchParams();
  state.panels.forEach((panel, n) => writePanel(params, `g${n}.`, panel));
  if (state.refreshMs > 0) params.set("refresh", formatDuration(state.refreshMs));
  return `?${params}`;
}

/** True when an address says nothing about what to query. */
export function isBlank(search: string): boolean {
  return !hasPanel(new URLSearchParams(search), 0);
}

function hasPanel(params: URLSearchParams, n: number): boolean {
  return [...params.keys()].some((key) => key.startsWith(`g${n}.`));
}

function readPanel(params: URLSearchParams, prefix: string): PanelState {
  const get = (name: string) => params.get(prefix + name) ?? "";
  const tab = get("tab");
  return {
    expr: get("expr"),
    tab: tab === "graph" || tab === "0" ? "graph" : "table",
    rangeMs: parseDuration(get("range_input")) ?? DEFAULT_PANEL.rangeMs,
    endMs: parseInstant(get("end_input"), "utc"),
    momentMs: parseInstant(get("moment_input"), "utc"),
    resolution: readResolution(get),
    stacked: get("display_mode") === "stacked" || get("stacked") === "1",
  };
}

function readResolution(get: (name: string) => string): Resolution {
  const kind = get("res_type");
  const stepMs = parseDuration(get("res_step")) ?? parseDuration(get("step_input"));
  if (stepMs !== null && kind !== "auto") return { kind: kind === "fixed" ? "fixed" : "custom", stepMs };
  const density = get("res_density");
  return { kind: "auto", density: density === "low" || density === "high" ? density : ("medium" satisfies Density) };
}

function writePanel(params: URLSearchParams, prefix: string, panel: PanelState): void {
  const set = (name: string, value: string) => params.set(prefix + name, value);
  set("expr", panel.expr);
  set("tab", panel.tab);
  if (panel.momentMs !== null) set("moment_input", formatInstant(panel.momentMs, "utc"));
  if (panel.endMs !== null) set("end_input", formatInstant(panel.endMs, "utc"));
  set("range_input", formatDuration(panel.rangeMs));
  set("res_type", panel.resolution.kind);
  if (panel.resolution.kind === "auto") set("res_density", panel.resolution.density);
  else set("res_step", String(panel.resolution.stepMs / 1000));
  set("display_mode", panel.stacked ? "stacked" : "lines");
}
