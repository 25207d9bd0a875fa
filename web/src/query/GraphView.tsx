/** The graph tab: time window, chart, legend. */

import { useMemo, useState, type ReactNode } from "react";
import { Empty, Notice, Select } from "../app/controls.tsx";
import { useZone } from "../app/settings.ts";
import { formatLabels, guessUnit } from "../lib/format.ts";
import { formatDuration, parseDuration } from "../lib/time.ts";
import { Chart } from "./Chart.tsx";
import type { Frame } from "./frame.ts";
import { Legend } from "./Legend.tsx";
import { isShown, Messages, Timings } from "./Messages.tsx";
import { RangeControl } from "./RangeControl.tsx";
import { useGraph, type Asking } from "./results.ts";
import type { PanelState } from "./state.ts";
import { POINTS_MAX, stepFor, type Density, type Resolution } from "./step.ts";
import { between, zoomOut, type Window } from "./zoom.ts";

const FIXED_MS = [1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000];
/** More lines than this tell nobody anything, and make the page slow. */
const SERIES_MAX = 200;
const NOTHING: ReadonlySet<string> = new Set();

export interface ViewProps {
  panel: PanelState;
  onChange: (panel: PanelState) => void;
  asking: Asking;
  /** Put before the controls of the view. */
  tabs: ReactNode;
  /** Controls the page adds at the end of the toolbar. */
  end: ReactNode;
}

export function GraphView({ panel, onChange, asking, tabs, end }: ViewProps) {
  const [zone, setZone] = useZone();
  const graph = useGraph(asking);
  const move = (window: Window) => onChange({ ...panel, ...window });
  return (
    <div role="tabpanel" aria-label="Graph">
      <div className="panel-bar">
        {tabs}
        <div className="toolbar">
          <RangeControl window={panel} zone={zone} onChange={move} onZone={setZone} />
          <ResolutionControl value={panel.resolution} rangeMs={panel.rangeMs} onChange={(resolution) => onChange({ ...panel, resolution })} />
          <label className="switch">
            <input type="checkbox" checked={panel.stacked} onChange={(event) => onChange({ ...panel, stacked: event.target.checked })} />
            <span>Stacked</span>
          </label>
          {end}
        </div>
      </div>
      <Messages answer={graph.data} error={graph.error} />
      {isShown(graph.error) && graph.data && (
        <GraphResult
          key={panel.expr}
          panel={panel}
          frame={graph.data.frame}
          busy={graph.isPlaceholderData}
          onZoom={(startMs, endMs) => move(between(startMs, endMs))}
          onZoomOut={() => move(zoomOut(panel, Date.now()))}
        />
      )}
      {graph.isLoading && <Empty title="Loading" busy />}
      {isShown(graph.error) && graph.data && (
        <Timings answer={graph.data} facts={[plural(graph.data.frame.columns.length, "series", "series"), `step ${formatDuration(graph.data.frame.grid.stepMs)}`, `${graph.data.frame.times.length} points`]} />
      )}
    </div>
  );
}

interface GraphResultProps {
  panel: PanelState;
  frame: Frame;
  busy: boolean;
  onZoom: (startMs: number, endMs: number) => void;
  onZoomOut: () => void;
}

function GraphResult({ panel, frame: whole, busy, onZoom, onZoomOut }: GraphResultProps) {
  const [zone] = useZone();
  const [all, setAll] = useState(false);
  const [hiddenNames, setHiddenNames] = useState(NOTHING);
  const [focus, setFocus] = useState<number | null>(null);
  const frame = useMemo(() => (all ? whole : { ...whole, columns: whole.columns.slice(0, SERIES_MAX) }), [whole, all]);
  const hidden = useMemo(
    () => new Set(frame.columns.flatMap((column, n) => (hiddenNames.has(formatLabels(column.labels)) ? [n] : []))),
    [frame, hiddenNames],
  );
  if (frame.columns.length === 0) {
    if (frame.histogramsOnly > 0) return <Empty title="Only histograms">The result holds native histograms. Use histogram_quantile() or the Table tab to read them.</Empty>;
    return <Empty title="Empty result">The expression is right, but no series has a value in this time range.</Empty>;
  }
  const unit = guessUnit(panel.expr);
  return (
    <div className={busy ? "stale" : undefined}>
      {frame.columns.length < whole.columns.length && (
        <Notice kind="info" title={`The first ${frame.columns.length} of ${whole.columns.length} series are drawn`}>
          An aggregation such as sum or topk makes a graph of this size readable. <button type="button" className="link" onClick={() => setAll(true)}>Draw all</button>
        </Notice>
      )}
      <Chart frame={frame} hidden={hidden} stacked={panel.stacked} unit={unit} zone={zone} focus={focus} onZoom={onZoom} onZoomOut={onZoomOut} />
      <Legend columns={frame.columns} hidden={hidden} unit={unit} onFocus={setFocus} onHide={(next) => setHiddenNames(namesOf(frame, next))} />
    </div>
  );
}

function ResolutionControl({ value, rangeMs, onChange }: { value: Resolution; rangeMs: number; onChange: (resolution: Resolution) => void }) {
  const auto = (density: Density) => [density, `Auto, ${density} (${formatDuration(stepFor({ kind: "auto", density }, rangeMs))})`] as const;
  const allowed = FIXED_MS.filter((ms) => rangeMs / ms < POINTS_MAX && ms <= rangeMs);
  const steps = value.kind === "auto" || allowed.includes(value.stepMs) ? allowed : [...allowed, value.stepMs].sort((a, b) => a - b);
  const options: (readonly [string, string])[] = [auto("low"), auto("medium"), auto("high"), ...steps.map((ms) => [formatDuration(ms), formatDuration(ms)] as const)];
  const choose = (key: string) => {
    const stepMs = parseDuration(key);
    onChange(stepMs === null ? { kind: "auto", density: key as Density } : { kind: "fixed", stepMs });
  };
  return <Select label="Step" value={value.kind === "auto" ? value.density : formatDuration(value.stepMs)} options={options} onChange={choose} />;
}

function namesOf(frame: Frame, hidden: ReadonlySet<number>): ReadonlySet<string> {
  return new Set(frame.columns.filter((_, n) => hidden.has(n)).map((column) => formatLabels(column.labels)));
}

export function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
