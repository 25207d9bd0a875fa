/**
 * Durations and instants as people type and read them. A duration is a number of milliseconds, an
 * instant a number of milliseconds since the epoch.
 */

const UNITS: readonly (readonly [string, number])[] = [
  ["y", 365 * 86_400_000],
  ["w", 7 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|y|w|d|h|m|s))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|y|w|d|h|m|s)/g;

/** Which clock instants are shown in. */
export type Zone = "local" | "utc";

/** Reads `1h30m`, `90s`, `1.5d` or a bare number of seconds; null when it is none of these or not above zero. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return positive(Number(trimmed) * 1000);
  if (!DURATION.test(trimmed)) return null;
  let ms = 0;
  for (const [, amount, unit] of trimmed.matchAll(PART)) ms += Number(amount) * unitMs(unit ?? "ms");
  return positive(Math.round(ms));
}

/** Writes a duration the way Prometheus does: `1h30m`, `2w`, `500ms`; years are used only when nothing is left over. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  if (rest <= 0) return "0s";
  let text = "";
  for (const [unit, size] of UNITS) {
    if ((unit === "y" || unit === "w") && rest % size !== 0) continue;
    const count = Math.floor(rest / size);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** Reads `YYYY-MM-DD HH:mm[:ss]` (or with `T`), a number of seconds, or RFC 3339; null when it is none. */
export function parseInstant(text: string, zone: Zone): number | null {
  const trimmed = text.trim();
  if (/^\d{9,11}(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * 1000);
  const wall = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(trimmed);
  if (wall) return wallInstant(wall.slice(1).map((part) => Number(part ?? 0)), zone);
  if (!/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(trimmed)) return null;
  const parsed = Date.parse(trimmed);
  return Number.isNaN(parsed) ? null : parsed;
}

/** Writes an instant as `YYYY-MM-DD HH:mm:ss` on the given clock. */
export function formatInstant(t: number, zone: Zone): string {
  return `${formatDay(t, zone)} ${formatClock(t, zone, true)}`;
}

/** Writes the day of an instant as `YYYY-MM-DD`. */
export function formatDay(t: number, zone: Zone): string {
  const at = fields(t, zone);
  return `${at.year}-${two(at.month)}-${two(at.day)}`;
}

/** Writes the time of day of an instant, 24 hours, with or without seconds. */
export function formatClock(t: number, zone: Zone, seconds: boolean): string {
  const at = fields(t, zone);
  return `${two(at.hour)}:${two(at.minute)}${seconds ? `:${two(at.second)}` : ""}`;
}

/** Says how long ago an instant was: `3.2s ago`, `5m ago`, `never` for the zero time of Go. */
export function formatAgo(t: number, now: number): string {
  if (!(t > 0)) return "never";
  const ms = Math.max(0, now - t);
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s ago`;
  if (ms < 60_000) return `${Math.round(ms / 1000)}s ago`;
  const unit = ms < 3_600_000 ? 1_000 : ms < 86_400_000 ? 60_000 : 3_600_000;
  return `${formatDuration(Math.floor(ms / unit) * unit)} ago`;
}

function positive(ms: number): number | null {
  return ms > 0 && Number.isSafeInteger(Math.round(ms)) ? ms : null;
}

function unitMs(unit: string): number {
  return UNITS.find(([name]) => name === unit)?.[1] ?? 1;
}

function wallInstant(parts: number[], zone: Zone): number | null {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return null;
  if (zone === "utc") return Date.UTC(year, month - 1, day, hour, minute, second);
  return new Date(year, month - 1, day, hour, minute, second).getTime();
}

function fields(t: number, zone: Zone) {
  const at = new Date(t);
  if (zone === "utc") {
    return {
      year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate(),
      hour: at.getUTCHours(), minute: at.getUTCMinutes(), second: at.getUTCSeconds(),
    };
  }
  return {
    year: at.getFullYear(), month: at.getMonth() + 1, day: at.getDate(),
    hour: at.getHours(), minute: at.getMinutes(), second: at.getSeconds(),
  };
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
