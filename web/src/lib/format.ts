/** Numbers and label sets as people read them. */

import type { Labels } from "../api/types.ts";

/** How a value is scaled when it is shown. */
export type Unit = "none" | "bytes" | "bytes/s";

const SI = ["", "K", "M", "G", "T", "P", "E"];
const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Writes a value short enough for an axis or a legend: about four significant digits. */
export function formatShort(value: number, unit: Unit = "none"): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  if (unit !== "none") return formatBytes(value) + (unit === "bytes/s" ? "/s" : "");
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e21) return value.toExponential(2).replace("e+", "e");
  if (size < 1e4) return trim(value.toPrecision(4));
  const power = Math.min(Math.floor(Math.log10(size) / 3), SI.length - 1);
  return trim((value / 1000 ** power).toPrecision(4)) + SI[power];
}

/** Writes a number of bytes with a binary prefix. */
export function formatBytes(value: number): string {
  const size = Math.abs(value);
  if (size < 1) return `${trim(value.toPrecision(3))} B`;
  const power = Math.min(Math.floor(Math.log2(size) / 10), IEC.length - 1);
  return `${trim((value / 1024 ** power).toPrecision(4))} ${IEC[power]}`;
}

/** Writes a count with its thousands apart: `12 345`. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Writes a span of milliseconds as a person would say it: `0.8 ms`, `34 ms`, `1.25 s`. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${trim((ms / 1000).toPrecision(3))} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${trim(ms.toPrecision(2))} ms`;
}

/** Reads a sample value of the API. */
export function parseValue(text: string): number {
  if (text === "+Inf" || text === "Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}

/** Writes a label set in the syntax of a selector; `{}` when there is none. */
export function formatLabels(labels: Labels): string {
  const name = labels["__name__"] ?? "";
  const pairs = Object.entries(labels)
    .filter(([label]) => label !== "__name__")
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  if (pairs.length === 0) return name === "" ? "{}" : name;
  return `${name}{${pairs.join(", ")}}`;
}

/** Guesses the unit of an expression's result: bytes are sure only while nothing divides or counts them. */
export function guessUnit(expr: string): Unit {
  const metrics = expr.match(/\b[a-zA-Z_:][\w:]*_bytes(_total)?\b/g);
  if (!metrics || /[/^%]|\b(count|count_over_time|changes|absent|group|stddev|stdvar|atan2|bool)\b/.test(expr)) return "none";
  const rest = expr.replace(/\{[^}]*\}/g, "").replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, "");
  if (/\*/.test(rest)) return "none";
  return /\b(rate|irate|deriv)\s*\(/.test(rest) ? "bytes/s" : "bytes";
}

function formatSpecial(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

function trim(digits: string): string {
  if (digits.includes("e")) return String(Number(digits));
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
