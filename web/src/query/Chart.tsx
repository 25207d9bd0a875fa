/** The chart itself: uPlot on a canvas, with what one points at shown beside it. */

import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import type { Unit } from "../lib/format.ts";
import type { Zone } from "../lib/time.ts";
import { optionsFor, type ChartInput } from "./chartOptions.ts";
import { stack, type Frame } from "./frame.ts";
import { Tooltip, type Hover } from "./Tooltip.tsx";

export interface ChartProps {
  frame: Frame;
  hidden: ReadonlySet<number>;
  stacked: boolean;
  unit: Unit;
  zone: Zone;
  /** The series to bring out, from the legend. */
  focus: number | null;
  onZoom: (startMs: number, endMs: number) => void;
  onZoomOut: () => void;
}

const HEIGHT_MIN = 220;
const HEIGHT_MAX = 420;

export function Chart(props: ChartProps) {
  const { frame, hidden, stacked, unit, zone, focus } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const theme = useThemeEpoch();

  const lines = useMemo(
    () => (stacked ? stack(frame.columns, hidden) : frame.columns.map((column, n) => (hidden.has(n) ? column.values.map(() => null) : column.values))),
    [frame, hidden, stacked],
  );
  const input = useRef<ChartInput>(null!);
  input.current = { frame, lines, hidden, stacked, unit, zone, onHover: setHover, onZoom: props.onZoom, onZoomOut: props.onZoomOut };

  const count = frame.columns.length;
  const stackedOver = stacked ? [...hidden].join() : "";
  useEffect(() => {
    if (!host.current) return;
    const chart = new uPlot(optionsFor(input, count, sizeOf(host.current)), dataOf(input.current), host.current);
    plot.current = chart;
    const observer = new ResizeObserver(() => host.current && chart.setSize(sizeOf(host.current)));
    observer.observe(host.current);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
      setHover(null);
    };
  }, [count, stacked, stackedOver, unit, zone, theme]);

  useEffect(() => plot.current?.setData(dataOf(input.current)), [lines]);

  useEffect(() => {
    const chart = plot.current;
    if (chart) chart.setSeries(focus === null ? null as unknown as number : focus + 1, { focus: focus !== null });
  }, [focus]);

  return (
    <div className="chart" role="img" aria-label={`Graph of ${count} series; their figures are in the table below`}>
      <div className="chart-host" ref={host} />
      {hover && <Tooltip hover={hover} frame={frame} hidden={hidden} unit={unit} zone={zone} />}
    </div>
  );
}

function dataOf({ frame, lines }: ChartInput): uPlot.AlignedData {
  return [frame.times, ...lines] as uPlot.AlignedData;
}

function sizeOf(element: HTMLElement): { width: number; height: number } {
  const height = Math.round(window.innerHeight * 0.42);
  return { width: Math.max(200, element.clientWidth), height: Math.min(HEIGHT_MAX, Math.max(HEIGHT_MIN, height)) };
}

/** A number that changes with the theme: a canvas must be painted anew. */
function useThemeEpoch(): number {
  const [epoch, setEpoch] = useState(0);
  useEffect(() => {
    const bump = () => setEpoch((n) => n + 1);
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const observer = new MutationObserver(bump);
    dark.addEventListener("change", bump);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      dark.removeEventListener("change", bump);
      observer.disconnect();
    };
  }, []);
  return epoch;
}
