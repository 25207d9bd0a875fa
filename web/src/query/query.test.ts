import assert from "node:assert/strict";
import { test } from "node:test";
import { isIsolated, sharedLabels, stack, toFrame } from "./frame.ts";
import { DEFAULT_PANEL, isBlank, readState, writeState, type PageState } from "./state.ts";
import { gridFor, stepFor } from "./step.ts";
import { between, nextRange, rangeForUptime, shift, zoomOut } from "./zoom.ts";
import { exampleOf, EXAMPLES, neededMetrics, YOUNG } from "./examples.ts";

const HOUR = 3_600_000;

test("a step follows the range", () => {
  const check = (rangeMs: number, expected: number, density: "low" | "medium" | "high" = "medium") =>
    assert.equal(stepFor({ kind: "auto", density }, rangeMs), expected);
  check(60_000, 1000);
  check(HOUR, 14_000);
  check(HOUR, 36_000, "low");
  check(HOUR, 4000, "high");
  check(14 * 24 * HOUR, 4_838_000);
  assert.equal(stepFor({ kind: "fixed", stepMs: 5000 }, HOUR), 5000);
});

test("fine grids are aligned, coarse ones end where they should", () => {
  assert.deepEqual(gridFor(100_999, 10_000, 2000), { startMs: 90_000, endMs: 100_000, stepMs: 2000 });
  assert.equal(gridFor(100_999, HOUR * 24, 120_000).endMs, 100_999);
});

test("upstream's links open", () => {
  const alert = readState("?g0.expr=up+%3D%3D+0&g0.tab=1").panels[0];
  assert.deepEqual(alert, { ...DEFAULT_PANEL, expr: "up == 0", tab: "table" });
  const old = readState("?g0.expr=x&g0.tab=0&g0.stacked=1&g0.range_input=30m&g0.step_input=15").panels[0];
  assert.equal(old?.tab, "graph");
  assert.equal(old?.stacked, true);
  assert.equal(old?.rangeMs, 30 * 60_000);
  assert.deepEqual(old?.resolution, { kind: "custom", stepMs: 15_000 });
  assert.equal(readState("?g0.expr=a&g1.expr=b&g3.expr=d").panels.length, 2);
  assert.equal(readState("?g0.range_input=nonsense").panels[0]?.rangeMs, HOUR);
  assert.ok(isBlank("") && isBlank("?refresh=5s") && !isBlank("?g0.expr="));
});

test("state survives the address", () => {
  const state: PageState = {
    refreshMs: 15_000,
    panels: [
      { ...DEFAULT_PANEL, expr: 'rate(a{b="c&d"}[5m]) > 1', tab: "graph", stacked: true, endMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
      { ...DEFAULT_PANEL, expr: "up", momentMs: Date.UTC(2026, 0, 2), resolution: { kind: "fixed", stepMs: 10_000 } },
    ],
  };
  assert.deepEqual(readState(writeState(state)), state);
});

test("a matrix becomes columns with gaps", () => {
  const grid = { startMs: 10_000, endMs: 14_000, stepMs: 1000 };
  const frame = toFrame(
    [
      { metric: { a: "1" }, values: [[10, "1"], [12, "3"], [14, "NaN"]] },
      { metric: { a: "2" }, histograms: [[10, { count: "1", sum: "1" }]] },
    ],
    grid,
  );
  assert.deepEqual(frame.times, [10, 11, 12, 13, 14]);
  assert.deepEqual(frame.columns[0]?.values, [1, null, 3, null, null]);
  assert.equal(frame.columns[0]?.avg, 2);
  assert.ok(Number.isNaN(frame.columns[0]?.last));
  assert.equal(frame.histogramsOnly, 1);
  assert.ok(isIsolated(frame.columns[0]?.values ?? [], 2));
});

test("columns are stacked without the hidden ones", () => {
  const grid = { startMs: 0, endMs: 2000, stepMs: 1000 };
  const { columns } = toFrame(
    [
      { metric: { m: "a" }, values: [[0, "1"], [1, "1"]] },
      { metric: { m: "b" }, values: [[0, "2"], [1, "2"]] },
      { metric: { m: "c" }, values: [[0, "4"]] },
    ],
    grid,
  );
  assert.deepEqual(stack(columns, new Set()), [[1, 1, null], [3, 3, null], [7, 3, null]]);
  assert.deepEqual(stack(columns, new Set([1])), [[1, 1, null], [null, null, null], [5, 1, null]]);
});

test("labels all series share are found", () => {
  const column = (labels: Record<string, string>) => ({ labels, values: [], min: 0, max: 0, avg: 0, last: 0 });
  assert.deepEqual(sharedLabels([column({ a: "1", b: "1" }), column({ a: "1", b: "2" })]), { a: "1" });
  assert.deepEqual(sharedLabels([column({ a: "1" })]), {});
});

test("windows move and scale", () => {
  assert.deepEqual(between(1_200, 3_400), { rangeMs: 3000, endMs: 4000 });
  assert.deepEqual(between(5_000, 5_000), { rangeMs: 1000, endMs: 5000 });
  assert.deepEqual(zoomOut({ rangeMs: HOUR, endMs: null }, 0), { rangeMs: 2 * HOUR, endMs: null });
  assert.deepEqual(zoomOut({ rangeMs: 1000, endMs: 10_000 }, 99_000), { rangeMs: 2000, endMs: 10_500 });
  assert.deepEqual(zoomOut({ rangeMs: 1000, endMs: 10_000 }, 10_200), { rangeMs: 2000, endMs: null });
  assert.deepEqual(shift({ rangeMs: 10_000, endMs: null }, -1, 50_000), { rangeMs: 10_000, endMs: 45_000 });
  assert.deepEqual(shift({ rangeMs: 10_000, endMs: 45_000 }, 1, 50_000), { rangeMs: 10_000, endMs: null });
  assert.equal(nextRange(60_000, 1), 300_000);
  assert.equal(nextRange(60_000, -1), 60_000);
  assert.equal(nextRange(2 * HOUR, -1), HOUR);
  assert.equal(rangeForUptime(9_000), 60_000);
  assert.equal(rangeForUptime(30 * HOUR), HOUR);
});

test("each example is found by its expression and asked for", () => {
  for (const example of EXAMPLES) {
    assert.equal(exampleOf(` ${example.expr} `), example);
    assert.ok(neededMetrics().includes(example.needs));
  }
  assert.equal(YOUNG.expr, "sum by (mode) (irate(node_cpu_seconds_total[1m]))");
  assert.equal(exampleOf(YOUNG.expr)?.title, EXAMPLES[0]?.title);
});
