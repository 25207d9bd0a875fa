/** The values at the instant one points at. */

import { SeriesName } from "../app/controls.tsx";
import { formatShort, type Unit } from "../lib/format.ts";
import { formatInstant, type Zone } from "../lib/time.ts";
import { colourOf } from "./colours.ts";
import { sharedLabels, type Frame } from "./frame.ts";

export interface Hover {
  /** Step of the grid. */
  index: number;
  left: number;
  top: number;
  /** Of the whole chart. */
  width: number;
  column: number | null;
}

interface TooltipProps {
  hover: Hover;
  frame: Frame;
  hidden: ReadonlySet<number>;
  unit: Unit;
  zone: Zone;
}

const ROWS_MAX = 10;

export function Tooltip({ hover, frame, hidden, unit, zone }: TooltipProps) {
  const rows = frame.columns
    .map((column, n) => ({ n, labels: column.labels, value: column.values[hover.index] }))
    .filter(({ n, value }) => value != null && !hidden.has(n))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const time = frame.times[hover.index];
  if (time === undefined || rows.length === 0) return null;
  const shared = sharedLabels(frame.columns);
  const at = rows.findIndex(({ n }) => n === hover.column);
  const first = Math.max(0, Math.min(at - Math.floor(ROWS_MAX / 2), rows.length - ROWS_MAX));
  const shown = rows.slice(first, first + ROWS_MAX);
  const toLeft = hover.left > hover.width * 0.6;
  return (
    <div className="tooltip" style={{ top: Math.max(4, hover.top - 20), ...(toLeft ? { right: hover.width - hover.left + 14 } : { left: hover.left + 14 }) }}>
      <div className="tooltip-time">{formatInstant(time * 1000, zone)}{zone === "utc" ? " UTC" : ""}</div>
      <table>
        <tbody>
          {shown.map(({ n, labels, value }) => (
            <tr key={n} className={n === hover.column ? "near" : undefined}>
              <td><span className="swatch" style={{ background: colourOf(n) }} /></td>
              <td className="tooltip-name"><SeriesName labels={labels} without={shared} /></td>
              <td className="number">{formatShort(value ?? NaN, unit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shown.length && <div className="tooltip-more">{rows.length - shown.length} more</div>}
    </div>
  );
}
