/** The legend: which line is which series, its figures, and whether it is shown. */

import { useState, type MouseEvent } from "react";
import { SeriesName } from "../app/controls.tsx";
import { formatLabels, formatShort, type Unit } from "../lib/format.ts";
import { colourOf } from "./colours.ts";
import { sharedLabels, type Column } from "./frame.ts";

const ROWS_MAX = 50;
const FIGURES = ["last", "min", "avg", "max"] as const;

type Figure = (typeof FIGURES)[number];

interface LegendProps {
  columns: Column[];
  hidden: ReadonlySet<number>;
  unit: Unit;
  onFocus: (index: number | null) => void;
  onHide: (hidden: ReadonlySet<number>) => void;
}

export function Legend({ columns, hidden, unit, onFocus, onHide }: LegendProps) {
  const [sort, setSort] = useState<Figure | null>(null);
  const [all, setAll] = useState(false);
  const shared = sharedLabels(columns);
  const order = columns.map((_, n) => n);
  if (sort) order.sort((a, b) => rank(columns[b], sort) - rank(columns[a], sort));
  const toggle = (n: number, event: MouseEvent) => onHide(toggled(columns.length, hidden, n, event.ctrlKey || event.metaKey || event.shiftKey));
  return (
    <div className="legend" onMouseLeave={() => onFocus(null)}>
      <table>
        <thead>
          <tr>
            <th scope="col" className="legend-hint">
              Click shows one series alone, Ctrl+click adds or removes it
              {hidden.size > 0 && <button type="button" className="link" onClick={() => onHide(new Set())}>Show all</button>}
            </th>
            {FIGURES.map((figure) => (
              <th key={figure} scope="col" className="number" aria-sort={sort === figure ? "descending" : "none"}>
                <button type="button" className="sort" onClick={() => setSort(sort === figure ? null : figure)} title={`Sort by ${figure}`}>
                  {figure}{sort === figure ? " ↓" : ""}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {order.slice(0, all ? undefined : ROWS_MAX).map((n) => {
            const column = columns[n];
            if (!column) return null;
            return (
              <tr key={formatLabels(column.labels)} className={hidden.has(n) ? "off" : undefined} onMouseEnter={() => onFocus(n)}>
                <td>
                  <button type="button" className="legend-name" aria-pressed={!hidden.has(n)} title={formatLabels(column.labels)} onClick={(event) => toggle(n, event)} onFocus={() => onFocus(n)} onBlur={() => onFocus(null)}>
                    <span className="swatch" style={{ background: colourOf(n) }} />
                    <SeriesName labels={column.labels} without={shared} />
                  </button>
                </td>
                {FIGURES.map((figure) => <td key={figure} className="number">{formatShort(column[figure], unit)}</td>)}
              </tr>
            );
          })}
        </tbody>
      </table>
      {!all && columns.length > ROWS_MAX && (
        <button type="button" className="button quiet" onClick={() => setAll(true)}>Show all {columns.length} series</button>
      )}
      {Object.keys(shared).length > 0 && <p className="legend-shared">In all series: <SeriesName labels={shared} /></p>}
    </div>
  );
}

/** Alone when pressed plainly, all again when it was alone already; one more or less with a modifier key. */
export function toggled(count: number, hidden: ReadonlySet<number>, index: number, single: boolean): ReadonlySet<number> {
  const next = new Set(hidden);
  if (single) {
    if (!next.delete(index)) next.add(index);
    return next.size === count ? new Set() : next;
  }
  const alone = hidden.size === count - 1 && !hidden.has(index);
  return new Set(alone ? [] : Array.from({ length: count }, (_, n) => n).filter((n) => n !== index));
}

function rank(column: Column | undefined, figure: Figure): number {
  const value = column?.[figure] ?? NaN;
  return Number.isNaN(value) ? -Infinity : value;
}
