/** Choosing the time window of a graph and the instant of a table. */

import { useState, type FormEvent } from "react";
import { Popover } from "../app/controls.tsx";
import { Icon } from "../app/icons.tsx";
import { formatDuration, formatInstant, parseDuration, parseInstant, type Zone } from "../lib/time.ts";
import { RANGES_MS, shift, zoomOut, type Window } from "./zoom.ts";

interface ZoneProps {
  zone: Zone;
  onZone: (zone: Zone) => void;
}

interface RangeControlProps extends ZoneProps {
  window: Window;
  onChange: (window: Window) => void;
}

export function RangeControl({ window, zone, onChange, onZone }: RangeControlProps) {
  const step = (direction: -1 | 1) => onChange(shift(window, direction, Date.now()));
  return (
    <div className="group" role="group" aria-label="Time range">
      <button type="button" className="icon-button" onClick={() => step(-1)} aria-label="Earlier" title="Earlier by half"><Icon name="left" /></button>
      <Popover className="range" title="Time range" align="start" label={<span>{describe(window, zone)}</span>}>
        {(close) => <RangeForm window={window} zone={zone} onZone={onZone} onChange={(next) => { onChange(next); close(); }} />}
      </Popover>
      <button type="button" className="icon-button" onClick={() => step(1)} disabled={window.endMs === null} aria-label="Later" title="Later by half"><Icon name="right" /></button>
      <button type="button" className="icon-button" onClick={() => onChange(zoomOut(window, Date.now()))} aria-label="Zoom out" title="Zoom out (double click on the graph)"><Icon name="out" /></button>
      {window.endMs !== null && <button type="button" className="button" onClick={() => onChange({ ...window, endMs: null })}>Now</button>}
    </div>
  );
}

function RangeForm({ window, zone, onChange, onZone }: RangeControlProps) {
  const now = Date.now();
  const [from, setFrom] = useState(formatInstant((window.endMs ?? now) - window.rangeMs, zone));
  const [to, setTo] = useState(window.endMs === null ? "now" : formatInstant(window.endMs, zone));
  const [last, setLast] = useState("");
  const [problem, setProblem] = useState("");
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const next = last.trim() !== "" ? readLast(last) : readSpan(from, to, zone);
    if (typeof next === "string") setProblem(next);
    else onChange(next);
  };
  return (
    <form className="range-form" onSubmit={apply}>
      <div className="quick" role="group" aria-label="Quick ranges">
        {RANGES_MS.map((ms) => (
          <button key={ms} type="button" aria-pressed={window.endMs === null && ms === window.rangeMs} onClick={() => onChange({ rangeMs: ms, endMs: null })}>
            {formatDuration(ms)}
          </button>
        ))}
      </div>
      <div className="fields">
        <label>From <input value={from} onChange={(event) => setFrom(event.target.value)} spellCheck={false} /></label>
        <label>To <input value={to} onChange={(event) => setTo(event.target.value)} spellCheck={false} /></label>
        <label>or last <input value={last} placeholder="90m" onChange={(event) => setLast(event.target.value)} spellCheck={false} /></label>
        {problem && <p className="problem" role="alert">{problem}</p>}
        <div className="form-end">
          <ZoneSwitch zone={zone} onZone={(next) => { onZone(next); rewrite(from, zone, next, setFrom); rewrite(to, zone, next, setTo); }} />
          <button type="submit" className="button primary">Apply</button>
        </div>
      </div>
    </form>
  );
}

interface MomentControlProps extends ZoneProps {
  momentMs: number | null;
  onChange: (momentMs: number | null) => void;
}

export function MomentControl({ momentMs, zone, onChange, onZone }: MomentControlProps) {
  return (
    <div className="group" role="group" aria-label="Evaluation time">
      <Popover className="range" title="Evaluation time" align="start" label={<span>{momentMs === null ? "At: now" : `At: ${formatInstant(momentMs, zone)}`}</span>}>
        {(close) => <MomentForm momentMs={momentMs} zone={zone} onZone={onZone} onChange={(next) => { onChange(next); close(); }} />}
      </Popover>
      {momentMs !== null && <button type="button" className="button" onClick={() => onChange(null)}>Now</button>}
    </div>
  );
}

function MomentForm({ momentMs, zone, onChange, onZone }: MomentControlProps) {
  const [at, setAt] = useState(formatInstant(momentMs ?? Date.now(), zone));
  const [problem, setProblem] = useState("");
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const t = readInstant(at, zone);
    if (t === null) setProblem(HINT);
    else onChange(t === "now" ? null : t);
  };
  return (
    <form className="range-form" onSubmit={apply}>
      <div className="fields">
        <label>At <input value={at} onChange={(event) => setAt(event.target.value)} spellCheck={false} /></label>
        {problem && <p className="problem" role="alert">{problem}</p>}
        <div className="form-end">
          <ZoneSwitch zone={zone} onZone={(next) => { onZone(next); rewrite(at, zone, next, setAt); }} />
          <button type="submit" className="button primary">Apply</button>
        </div>
      </div>
    </form>
  );
}

function ZoneSwitch({ zone, onZone }: ZoneProps) {
  return (
    <label className="switch">
      <input type="checkbox" checked={zone === "utc"} onChange={(event) => onZone(event.target.checked ? "utc" : "local")} />
      <span>UTC</span>
    </label>
  );
}

const HINT = "Write a time as 2026-11-21 09:30:00, or now.";

function describe(window: Window, zone: Zone): string {
  if (window.endMs === null) return `Last ${formatDuration(window.rangeMs)}`;
  const start = formatInstant(window.endMs - window.rangeMs, zone);
  const end = formatInstant(window.endMs, zone);
  return `${start} – ${end.slice(0, 10) === start.slice(0, 10) ? end.slice(11) : end}${zone === "utc" ? " UTC" : ""}`;
}

function readLast(text: string): Window | string {
  const rangeMs = parseDuration(text);
  return rangeMs === null ? "Write a duration as 90m, 36h or 1d12h." : { rangeMs, endMs: null };
}

function readSpan(from: string, to: string, zone: Zone): Window | string {
  const start = readInstant(from, zone);
  const end = readInstant(to, zone);
  if (start === null || end === null || start === "now") return HINT;
  const endMs = end === "now" ? Date.now() : end;
  if (endMs - start < 1000) return "The end must come after the start.";
  return { rangeMs: Math.round((endMs - start) / 1000) * 1000, endMs: end === "now" ? null : end };
}

function readInstant(text: string, zone: Zone): number | "now" | null {
  return text.trim() === "now" ? "now" : parseInstant(text, zone);
}

function rewrite(text: string, from: Zone, to: Zone, set: (text: string) => void): void {
  const t = parseInstant(text, from);
  if (t !== null) set(formatInstant(t, to));
}
