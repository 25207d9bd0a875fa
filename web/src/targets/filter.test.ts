import assert from "node:assert/strict";
import { test } from "node:test";
import type { Target } from "../api/types.ts";
import { countHealth, groupByPool, matches, type Filter } from "./filter.ts";

const target = (scrapePool: string, scrapeUrl: string, health: Target["health"], labels = {}, lastError = ""): Target => ({
  scrapePool, scrapeUrl, health, labels, lastError, globalUrl: scrapeUrl, discoveredLabels: {},
  lastScrape: "", lastScrapeDuration: 0, scrapeInterval: "1s", scrapeTimeout: "1s",
});

const LIST = [
  target("node", "http://b:9100/metrics", "up", { job: "node", env: "prod" }),
  target("node", "http://a:9100/metrics", "up", { job: "node", env: "test" }),
  target("app", "http://c/metrics", "up"),
  target("node", "http://z:9100/metrics", "down", { job: "node" }, "connection refused"),
];

test("targets are found by words, state and pool", () => {
  const check = (filter: Partial<Filter>, expected: number) =>
    assert.equal(LIST.filter((it) => matches(it, { health: [], pool: "", search: "", ...filter })).length, expected);
  check({}, 4);
  check({ health: ["down"] }, 1);
  check({ health: ["down", "up"], pool: "node" }, 3);
  check({ search: "PROD" }, 1);
  check({ search: 'job="node" env=test' }, 1);
  check({ search: "refused" }, 1);
  check({ search: "nothing" }, 0);
});

test("pools are in order, and what is down comes first", () => {
  const pools = groupByPool(LIST);
  assert.deepEqual([...pools.keys()], ["app", "node"]);
  assert.deepEqual(pools.get("node")?.map((it) => it.scrapeUrl[7]), ["z", "a", "b"]);
  assert.deepEqual(countHealth(LIST), { up: 3, down: 1, unknown: 0 });
});
