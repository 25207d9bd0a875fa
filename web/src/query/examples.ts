/** Expressions offered to someone who has none yet: what the zero-config start can answer at once. */

import type { PanelState } from "./state.ts";

export interface Example {
  title: string;
  expr: string;
  /** What it shows and why it is written so, in a sentence or two. */
  lesson: string;
  /** A metric without which the example has no result. */
  needs: string;
  show: Partial<Pick<PanelState, "tab" | "stacked">>;
}

const GRAPH = { tab: "graph", stacked: false } as const;
const STACKED = { tab: "graph", stacked: true } as const;
const TABLE = { tab: "table" } as const;

/** What an empty page opens with. */
export const CPU: Example = {
  title: "CPU by mode",
  expr: "sum by (mode) (rate(node_cpu_seconds_total[1m]))",
  lesson: "The counter holds the CPU seconds spent since boot. rate() gives the seconds spent per second, and sum by (mode) adds up all cores: 1 is one core fully used.",
  needs: "node_cpu_seconds_total",
  show: STACKED,
};

export const EXAMPLES: readonly Example[] = [
  CPU,
  {
    title: "Memory in use",
    expr: "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
    lesson: "Two gauges divided: the share of memory that could still be handed out, taken from one. 0.25 means a quarter is in use.",
    needs: "node_memory_MemAvailable_bytes",
    show: GRAPH,
  },
  {
    title: "Load",
    expr: '{__name__=~"node_load1|node_load5|node_load15"}',
    lesson: "How many tasks want a CPU, averaged over 1, 5 and 15 minutes. A metric's name is a label too, so one selector can pick several.",
    needs: "node_load1",
    show: GRAPH,
  },
  {
    title: "Network received",
    expr: "rate(node_network_receive_bytes_total[1m])",
    lesson: "Bytes per second for each network device. A counter only makes sense through rate().",
    needs: "node_network_receive_bytes_total",
    show: GRAPH,
  },
  {
    title: "Disk space left",
    expr: "node_filesystem_avail_bytes / node_filesystem_size_bytes",
    lesson: "The share of each file system that is still free, one row for each. Use the Table tab to read current values.",
    needs: "node_filesystem_avail_bytes",
    show: TABLE,
  },
  {
    title: "Targets",
    expr: "up",
    lesson: "Written by the server for each target at each scrape: 1 when the scrape worked, 0 when it failed.",
    needs: "up",
    show: TABLE,
  },
  {
    title: "Scrape duration",
    expr: "scrape_duration_seconds",
    lesson: "How long each target took to answer the last scrape, also written by the server.",
    needs: "up",
    show: GRAPH,
  },
  {
    title: "API requests by handler",
    expr: "topk(5, sum by (handler) (rate(prometheus_http_requests_total[1m])))",
    lesson: "The five busiest endpoints of this server. topk picks them anew at each point of the graph.",
    needs: "prometheus_http_requests_total",
    show: GRAPH,
  },
  {
    title: "Samples stored per second",
    expr: "rate(prometheus_tsdb_head_samples_appended_total[1m])",
    lesson: "How fast samples come in: series times scrapes.",
    needs: "prometheus_tsdb_head_samples_appended_total",
    show: GRAPH,
  },
];

/** What an empty page opens with while the server is younger than the window of `rate()`. */
export const YOUNG: Example = {
  ...CPU,
  expr: CPU.expr.replace("rate", "irate"),
  lesson: "The counter holds the CPU seconds spent since boot. irate() takes the last two samples only, so it is right from the second scrape on; sum by (mode) adds up all cores.",
};

/** Returns the example with this very expression. */
export function exampleOf(expr: string): Example | undefined {
  return [...EXAMPLES, YOUNG].find((example) => example.expr === expr.trim());
}

/** A selector for the metrics the examples need. */
export function neededMetrics(): string {
  const names = [...new Set(EXAMPLES.map((example) => example.needs))].sort();
  return `{__name__=~"${names.join("|")}"}`;
}
