import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAgo, formatDuration, formatInstant, parseDuration, parseInstant } from "./time.ts";

test("durations are read", () => {
  const check = (text: string, expected: number | null) => assert.equal(parseDuration(text), expected, text);
  check("5m", 300_000);
  check("1h30m", 5_400_000);
  check(" 2w ", 1_209_600_000);
  check("1.5d", 129_600_000);
  check("500ms", 500);
  check("90", 90_000);
  check("0s", null);
  check("", null);
  check("5 m", null);
  check("m", null);
  check("-5m", null);
});

test("durations are written as upstream writes them", () => {
  const check = (ms: number, expected: string) => assert.equal(formatDuration(ms), expected);
  check(300_000, "5m");
  check(5_400_000, "1h30m");
  check(7 * 86_400_000, "1w");
  check(8 * 86_400_000, "8d");
  check(365 * 86_400_000, "1y");
  check(1_500, "1s500ms");
  check(0, "0s");
});

test("a duration survives writing and reading", () => {
  for (const ms of [1, 999, 60_000, 86_399_000, 31 * 86_400_000, 400 * 86_400_000 + 1]) {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }
});

test("instants are read and written", () => {
  const t = Date.UTC(2026, 10, 21, 9, 5, 7);
  assert.equal(formatInstant(t, "utc"), "2026-11-21 09:05:07");
  for (const text of ["2026-11-21 09:05:07", "2026-11-21T09:05:07Z", "2026-11-21T10:05:07+01:00", "1795251907"]) {
    assert.equal(parseInstant(text, "utc"), t, text);
  }
  assert.equal(parseInstant(formatInstant(t, "local"), "local"), t);
  assert.equal(parseInstant("2026-11-21", "utc"), Date.UTC(2026, 10, 21));
  for (const text of ["", "yesterday", "2026-13-01 00:00", "2026-01-01 25:00"]) {
    assert.equal(parseInstant(text, "utc"), null, text);
  }
});

test("the past is told from now", () => {
  const now = 1_700_000_000_000;
  const check = (ago: number, expected: string) => assert.equal(formatAgo(now - ago, now), expected);
  check(1_234, "1.2s ago");
  check(42_000, "42s ago");
  check(330_500, "5m30s ago");
  check(-500, "0.0s ago");
  assert.equal(formatAgo(Date.parse("0001-01-01T00:00:00Z"), now), "never");
});
