/** How the chart is drawn, and what happens when one points at it. */

import type { RefObject } from "react";
import uPlot from "uplot";
import { formatShort, type Unit } from "../lib/format.ts";
import { formatClock, formatDay, type Zone } from "../lib/time.ts";
import { paintOf, variable } from "./colours.ts";
import { isIsolated, type Frame } from "./frame.ts";
import type { Hover } from "./Tooltip.tsx";

export interface ChartInput {
  frame: Frame;
  /** What is drawn: the columns, or their sums from below. */
  lines: (number | null)[][];
  hidden: ReadonlySet<number>;
  stacked: boolean;
  unit: Unit;
  zone: Zone;
  onHover: (hover: Hover | null) => void;
  onZoom: (startMs: number, endMs: number) => void;
  onZoomOut: () => void;
}

type Input = RefObject<ChartInput>;

const FONT = '11px "Inter Variable", system-ui, sans-serif';
const DRAG_MIN_PX = 5;
/** Marking the hovered point of each of very many series costs more than it shows. */
const MARKED_MAX = 60;
const AREA_ALPHA = 0.5;
const DAY_S = 86_400;

/** Options for `count` series. Whatever may change while the chart lives is read through `input`. */
export function optionsFor(input: Input, count: number, size: { width: number; height: number }): uPlot.Options {
  const { stacked, zone, hidden } = input.current;
  const visible = Array.from({ length: count }, (_, n) => n).filter((n) => !hidden.has(n));
  return {
    ...size,
    padding: [12, 30, 0, 4],
    legend: { show: false },
    focus: { alpha: 0.25 },
    tzDate: (t) => (zone === "utc" ? uPlot.tzDate(new Date(t * 1000), "Etc/UTC") : new Date(t * 1000)),
    scales: {
      x: { time: true, range: () => [input.current.frame.grid.startMs / 1000, input.current.frame.grid.endMs / 1000] },
      y: { range: (_, min, max) => valueRange(min, max, stacked) },
    },
    axes: [timeAxis(zone), valueAxis(input)],
    series: [{}, ...Array.from({ length: count }, (_, n) => seriesOptions(n, n === visible[0], count, stacked))],
    bands: stacked ? visible.slice(1).map((n, k) => ({ series: [n + 1, (visible[k] ?? 0) + 1], fill: paintOf(n, AREA_ALPHA), dir: -1 })) : [],
    cursor: {
      points: { size: 7, show: count <= MARKED_MAX },
      drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PX },
      bind: {
        dblclick: () => () => {
          input.current.onZoomOut();
          return null;
        },
      },
    },
    hooks: {
      setCursor: [(chart) => input.current.onHover(hoverAt(chart, input.current))],
      setSelect: [(chart) => zoomTo(chart, input.current)],
    },
  };
}

/** Stacked, the lowest visible series is filled down to zero; the areas above it are bands between two lines. */
function seriesOptions(n: number, lowest: boolean, count: number, stacked: boolean): uPlot.Series {
  const alone = count === 1;
  return {
    stroke: paintOf(n),
    width: stacked ? 1 : 1.5,
    fill: stacked ? (lowest ? paintOf(n, AREA_ALPHA) : undefined) : alone ? paintOf(n, 0.1) : undefined,
    points: {
      size: 6,
      width: 0,
      fill: paintOf(n),
      filter: (chart, index) => {
        const values = chart.data[index] as (number | null)[];
        return values.flatMap((_, k) => (isIsolated(values, k) ? [k] : []));
      },
      show: true,
    },
  };
}

/** Shows zero when the values are near it or stacked; otherwise leaves some room above and below. */
function valueRange(min: number | null, max: number | null, stacked: boolean): [number, number] {
  if (min == null || max == null) return [0, 1];
  const low = stacked || (min >= 0 && min < max * 0.6) ? Math.min(0, min) : min;
  const high = stacked || (max <= 0 && max > min * 0.6) ? Math.max(0, max) : max;
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [low === 0 ? 0 : low - room, high === 0 && low !== 0 ? 0 : high + room];
}

function timeAxis(zone: Zone): uPlot.Axis {
  return {
    ...axisColours(),
    space: 74,
    size: 38,
    values: (_, splits, __, ___, increment) => timeLabels(splits, increment, zone),
  };
}

/** Clock times; the day is written below the first label of each day. */
function timeLabels(splits: number[], increment: number, zone: Zone): string[] {
  let day = "";
  return splits.map((t) => {
    const today = formatDay(t * 1000, zone);
    const text = increment >= DAY_S ? today.slice(5) : formatClock(t * 1000, zone, increment < 60);
    const label = today === day || increment >= DAY_S ? text : `${text}\n${today}`;
    day = today;
    return label;
  });
}

function valueAxis(input: Input): uPlot.Axis {
  return {
    ...axisColours(),
    space: 34,
    values: (_, splits) => splits.map((value) => formatShort(value, input.current.unit)),
    size: (_, labels) => 16 + 6.6 * Math.max(3, ...(labels ?? []).map((label) => label?.length ?? 0)),
  };
}

function axisColours(): uPlot.Axis {
  return {
    font: FONT,
    stroke: () => variable("--text-muted"),
    grid: { stroke: () => variable("--grid"), width: 1 },
    ticks: { show: false },
    gap: 6,
  };
}

function zoomTo(chart: uPlot, input: ChartInput): void {
  const { left, width } = chart.select;
  if (width < DRAG_MIN_PX) return;
  const start = chart.posToVal(left, "x") * 1000;
  const end = chart.posToVal(left + width, "x") * 1000;
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  input.onZoom(start, end);
}

function hoverAt(chart: uPlot, input: ChartInput): Hover | null {
  const { idx, left = -1, top = -1 } = chart.cursor;
  if (idx == null || left < 0 || top < 0) return null;
  return {
    index: idx,
    left: left + chart.bbox.left / devicePixelRatio,
    top: top + chart.bbox.top / devicePixelRatio,
    width: chart.width,
    column: nearest(chart, input, idx, top),
  };
}

/** The column whose line (or, stacked, whose area) is under the pointer. */
function nearest(chart: uPlot, { lines, stacked }: ChartInput, index: number, top: number): number | null {
  let best: number | null = null;
  let distance = Infinity;
  lines.forEach((line, n) => {
    const value = line[index];
    if (value == null) return;
    const gap = top - chart.valToPos(value, "y");
    const away = stacked && gap < 0 ? Infinity : Math.abs(gap);
    if (away < distance || best === null) [best, distance] = [n, away];
  });
  return best;
}
