import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatLabels, formatMs, formatShort, guessUnit, parseValue } from "./format.ts";

test("numbers are short", () => {
  const check = (value: number, expected: string) => assert.equal(formatShort(value), expected);
  check(0, "0");
  check(0.1 + 0.2, "0.3");
  check(1234.5678, "1235");
  check(12_345, "12.35K");
  check(-2_500_000, "-2.5M");
  check(0.00001, "1.00e-5");
  check(NaN, "NaN");
  check(-Infinity, "-Inf");
  check(100, "100");
});

test("bytes and times carry their unit", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1536), "1.5 KiB");
  assert.equal(formatBytes(-3 * 1024 ** 3), "-3 GiB");
  assert.equal(formatShort(2048, "bytes/s"), "2 KiB/s");
  assert.equal(formatMs(0.84), "0.84 ms");
  assert.equal(formatMs(34.4), "34 ms");
  assert.equal(formatMs(1250), "1.25 s");
});

test("values and label sets", () => {
  assert.equal(parseValue("+Inf"), Infinity);
  assert.equal(parseValue("1e-07"), 1e-7);
  assert.ok(Number.isNaN(parseValue("NaN")));
  assert.equal(formatLabels({}), "{}");
  assert.equal(formatLabels({ __name__: "up" }), "up");
  assert.equal(formatLabels({ __name__: "up", job: 'a"b' }), 'up{job="a\\"b"}');
});

test("units are guessed only where they are sure", () => {
  const check = (expr: string, expected: string) => assert.equal(guessUnit(expr), expected, expr);
  check("node_memory_MemFree_bytes", "bytes");
  check('sum by (job) (go_memstats_alloc_bytes{job="x"})', "bytes");
  check("rate(node_network_receive_bytes_total[1m])", "bytes/s");
  check("a_bytes / b_bytes", "none");
  check("count(a_bytes)", "none");
  check("rate(x_bytes_total[1m]) * 8", "none");
  check("up", "none");
});
