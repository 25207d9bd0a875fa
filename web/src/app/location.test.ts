import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOf, pathPrefix } from "./location.ts";

test("the prefix is what comes before the page", () => {
  const check = (path: string, prefix: string) => assert.equal(pathPrefix(path), prefix, path);
  check("/", "");
  check("/query", "");
  check("/graph", "");
  check("/targets", "");
  check("/prom/query", "/prom");
  check("/prom/tsdb-status", "/prom");
  check("/a/b/targets", "/a/b");
  check("/prom/", "/prom");
  check("/query/query", "/query");
});

test("pages are known by their name", () => {
  assert.equal(pageOf("/prom/targets"), "targets");
  assert.equal(pageOf("/prom/tsdb-status/"), "tsdb-status");
  assert.equal(pageOf("/prom/query"), "query");
  assert.equal(pageOf("/"), "query");
});
