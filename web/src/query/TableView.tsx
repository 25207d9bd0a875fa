/** The table tab: the value of each series at one instant. */

import { useState, type ReactNode } from "react";
import type { Point, QueryData, VectorSample } from "../api/types.ts";
import { Empty, SeriesName } from "../app/controls.tsx";
import { useZone } from "../app/settings.ts";
import { formatLabels, parseValue } from "../lib/format.ts";
import { formatInstant, type Zone } from "../lib/time.ts";
import { plural, type ViewProps } from "./GraphView.tsx";
import { isShown, Messages, Timings } from "./Messages.tsx";
import { MomentControl } from "./RangeControl.tsx";
import { useTable } from "./results.ts";

const ROWS_MAX = 500;

type Order = "none" | "falling" | "rising";

interface Row {
  key: string;
  name: ReactNode;
  value: ReactNode;
  number: number;
}

export function TableView({ panel, onChange, asking, tabs, end }: ViewProps) {
  const [zone, setZone] = useZone();
  const table = useTable(asking);
  return (
    <div role="tabpanel" aria-label="Table">
      <div className="panel-bar">
        {tabs}
        <div className="toolbar">
          <MomentControl momentMs={panel.momentMs} zone={zone} onZone={setZone} onChange={(momentMs) => onChange({ ...panel, momentMs })} />
          {end}
        </div>
      </div>
      <Messages answer={table.data} error={table.error} />
      {table.isLoading && <Empty title="Loading" busy />}
      {isShown(table.error) && table.data && (
        <>
          <div className={table.isPlaceholderData ? "stale" : undefined}>
            <Result data={table.data.data} zone={zone} />
          </div>
          <Timings answer={table.data} facts={[plural(sizeOf(table.data.data), "series", "series")]} />
        </>
      )}
    </div>
  );
}

function Result({ data, zone }: { data: QueryData; zone: Zone }) {
  const [order, setOrder] = useState<Order>("none");
  const [limit, setLimit] = useState(ROWS_MAX);
  const rows = arrange(rowsOf(data, zone), order);
  if (rows.length === 0) return <Empty title="Empty result">The expression is right, but no series has a value at this time.</Empty>;
  const next = order === "none" ? "falling" : order === "falling" ? "rising" : "none";
  return (
    <>
      <div className="table-scroll">
        <table className="result">
          <thead>
            <tr>
              <th scope="col">Series</th>
              <th scope="col" className="number" aria-sort={order === "none" ? "none" : order === "rising" ? "ascending" : "descending"}>
                <button type="button" className="sort" onClick={() => setOrder(next)} title="Sort by value">
                  Value{order === "falling" ? " ↓" : order === "rising" ? " ↑" : ""}
                </button>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, limit).map((row) => (
              <tr key={row.key}>
                <td>{row.name}</td>
                <td className="number">{row.value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > limit && (
        <button type="button" className="button quiet" onClick={() => setLimit(rows.length)}>Show all {rows.length} rows (now {limit})</button>
      )}
    </>
  );
}

function rowsOf(data: QueryData, zone: Zone): Row[] {
  switch (data.resultType) {
    case "vector":
      return data.result.map((sample, n) => ({
        key: formatLabels(sample.metric) + n, name: <SeriesName labels={sample.metric} />, value: textOf(sample), number: numberOf(sample),
      }));
    case "matrix":
      return data.result.map((series, n) => ({
        key: formatLabels(series.metric) + n,
        name: <SeriesName labels={series.metric} />,
        value: <Points points={series.values ?? (series.histograms ?? []).map(([t, it]) => [t, `count ${it.count}, sum ${it.sum}`])} zone={zone} />,
        number: parseValue(series.values?.at(-1)?.[1] ?? "NaN"),
      }));
    default:
      return [{ key: "value", name: <span className="muted">{data.resultType}</span>, value: data.result[1], number: 0 }];
  }
}

function Points({ points, zone }: { points: Point[]; zone: Zone }) {
  return (
    <div className="points">
      {points.map(([t, value]) => (
        <div key={t}>
          {value} <span className="muted" title={String(t)}>@ {formatInstant(t * 1000, zone)}</span>
        </div>
      ))}
    </div>
  );
}

function textOf(sample: VectorSample): string {
  if (sample.histogram) return `count ${sample.histogram[1].count}, sum ${sample.histogram[1].sum}`;
  return sample.value?.[1] ?? "";
}

function numberOf(sample: VectorSample): number {
  return parseValue(sample.value?.[1] ?? sample.histogram?.[1].sum ?? "NaN");
}

function arrange(rows: Row[], order: Order): Row[] {
  if (order === "none") return rows;
  const sign = order === "rising" ? 1 : -1;
  const rank = (row: Row) => (Number.isNaN(row.number) ? -Infinity : row.number);
  return rows.toSorted((a, b) => sign * (rank(a) - rank(b) || 0));
}

function sizeOf(data: QueryData): number {
  return data.resultType === "vector" || data.resultType === "matrix" ? data.result.length : 1;
}
