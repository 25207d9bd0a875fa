/** Opens the pages as a user would, reads what they show, and takes their pictures. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, screenshot, startServer } from "./support.mjs";

const FIRST_GRAPH_MS = 10_000;
const CPU = "sum by (mode) (rate(node_cpu_seconds_total[1m]))";

let server;
let browser;
let page;
let complaints = [];

before(async () => {
  [server, browser] = await Promise.all([startServer(), openBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(path, options = {}) {
  await page?.context().close();
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, timezoneId: "UTC", ...options });
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  await page.goto(server.url + path);
}

const param = (name) => new URL(page.url()).searchParams.get(name);
const legend = () => page.locator(".legend-name");
const query = (params) => `/query?${new URLSearchParams(params)}`;

async function drag(from, to) {
  const box = await page.locator(".u-over").boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * from, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * to, y, { steps: 8 });
  await page.mouse.up();
}

test("an empty query page shows the host's CPU by mode within ten seconds of the start", async () => {
  await open("/");
  await legend().first().waitFor();
  const names = await legend().allInnerTexts();
  for (const mode of ["idle", "system", "user"]) assert.ok(names.some((name) => name.includes(`"${mode}"`)), `${mode} in ${names}`);
  if (process.env.PYRRHA_BIN) assert.ok(Date.now() - server.startedMs < FIRST_GRAPH_MS, `took ${Date.now() - server.startedMs} ms`);
  assert.match(await page.locator(".cm-content").innerText(), /node_cpu_seconds_total/);
  assert.equal(await page.getByLabel("Stacked").isChecked(), true);
  assert.equal(await page.locator(".server-status").innerText(), "Ready");
  await screenshot(page, "query-first");
  assert.deepEqual(complaints, []);
});

test("an expression is completed while it is typed, run, and read from the table", async () => {
  await open(query({ "g0.expr": "", "g0.tab": "table" }));
  await page.locator(".cm-content").click();
  await page.keyboard.type("node_cpu_sec", { delay: 15 });
  const option = (text) => page.locator(".cm-tooltip-autocomplete li", { hasText: text }).first();
  await option("node_cpu_seconds_total").waitFor();
  await screenshot(page, "query-completion");
  await option("node_cpu_seconds_total").click();
  assert.equal(await page.locator(".cm-content").innerText(), "node_cpu_seconds_total");
  await page.keyboard.type('{mode="id', { delay: 15 });
  await option("idle").click();
  await page.keyboard.press("Control+Enter");
  await page.locator(".result tbody tr").first().waitFor();
  assert.equal(param("g0.expr"), 'node_cpu_seconds_total{mode="idle"}');
  const row = await page.locator(".result tbody tr").first().locator("td").allInnerTexts();
  assert.match(row[0], /^node_cpu_seconds_total\{cpu="0".*mode="idle"\}$/);
  assert.ok(Number(row[1]) > 0, `value ${row[1]}`);
  assert.match(await page.locator(".timings").innerText(), /\d+ series .* ms/);
  await screenshot(page, "query-table");
  assert.deepEqual(complaints, []);
});

test("a graph is zoomed by dragging, and widened again by a double click and by going back", async () => {
  // The server is young: its samples lie at the right edge.
  await open(query({ "g0.expr": CPU, "g0.tab": "graph", "g0.range_input": "1m", "g0.display_mode": "stacked" }));
  await legend().first().waitFor();
  await drag(0.6, 0.995);
  await page.waitForURL((url) => url.searchParams.get("g0.end_input") !== null);
  const zoomed = param("g0.range_input");
  assert.match(zoomed, /^2\ds$/, zoomed);
  await legend().first().waitFor();
  await screenshot(page, "query-zoomed");
  await page.locator(".u-over").dblclick({ position: { x: 200, y: 60 } });
  await page.waitForFunction((old) => !location.search.includes(`g0.range_input=${old}&`), zoomed);
  await page.goBack();
  assert.equal(param("g0.range_input"), zoomed);
  await page.goBack();
  assert.equal(param("g0.range_input"), "1m");
  assert.equal(param("g0.end_input"), null);
  assert.deepEqual(complaints, []);
});

test("the legend shows one series alone, and all again", async () => {
  await open(query({ "g0.expr": CPU, "g0.tab": "graph", "g0.range_input": "5m" }));
  await legend().first().waitFor();
  const count = await legend().count();
  const hidden = () => page.locator(".legend tr.off").count();
  await legend().nth(1).click();
  assert.equal(await hidden(), count - 1);
  await legend().nth(0).click({ modifiers: ["Control"] });
  assert.equal(await hidden(), count - 2);
  await page.getByRole("button", { name: "Show all" }).click();
  assert.equal(await hidden(), 0);
});

test("pointing at the graph shows the values there", async () => {
  await open(query({ "g0.expr": "up", "g0.tab": "graph", "g0.range_input": "1m" }), { colorScheme: "dark" });
  await legend().first().waitFor();
  await page.locator(".u-over").hover({ position: { x: (await page.locator(".u-over").boundingBox()).width - 3, y: 100 } });
  assert.match(await page.locator(".tooltip").innerText(), /\d\d:\d\d:\d\d/);
  await screenshot(page, "query-dark");
});

test("an error of the server is shown in its own words", async () => {
  await open(query({ "g0.expr": "sum(up", "g0.tab": "1" }));
  assert.match(await page.locator(".notice.error").innerText(), /bad_data: invalid parameter "query": 1:\d+: parse error: unclosed left parenthesis/);
  await screenshot(page, "query-error");
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("1 + 1");
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator(".result td.number", { hasText: /^2$/ }).waitFor();
  assert.equal(await page.locator(".notice").count(), 0);
});

test("warnings and notes are shown beside the result", async () => {
  await open("/targets");
  await page.route("**/api/v1/query", async (route) => {
    const response = await route.fetch();
    const body = { ...(await response.json()), warnings: ["PromQL warning: one"], infos: ["PromQL info: two", "PromQL info: three"] };
    await route.fulfill({ response, json: body });
  });
  await page.goto(server.url + query({ "g0.expr": "up", "g0.tab": "table" }));
  await page.locator(".result tbody tr").first().waitFor();
  assert.match(await page.locator(".notice.warning").innerText(), /PromQL warning: one/);
  assert.match(await page.locator(".notice.info").innerText(), /PromQL info: two\s+PromQL info: three/);
  await screenshot(page, "query-warnings");
});

test("a time window is typed, and kept in the address", async () => {
  await open(query({ "g0.expr": "up", "g0.tab": "graph" }));
  await page.getByRole("button", { name: "Last 1h" }).click();
  await page.getByRole("textbox", { name: "From", exact: true }).fill("2026-01-02 03:04:05");
  await page.getByRole("textbox", { name: "To", exact: true }).fill("2026-01-02 03:05:05");
  await page.getByRole("button", { name: "Apply" }).click();
  assert.equal(param("g0.end_input"), "2026-01-02 03:05:05");
  // A window this short has steps of a second: the server is young.
  assert.equal(param("g0.range_input"), "1m");
  await page.getByText("Empty result").waitFor();
  await page.getByRole("button", { name: "Now" }).click();
  await legend().first().waitFor();
  await page.getByLabel("Refresh").selectOption("5s");
  assert.equal(param("refresh"), "5s");
});

test("the targets page is filtered, and shows what was discovered", async () => {
  await open("/targets");
  await page.locator(".target").first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".target.up").length >= 2);
  const jobs = await page.locator(".pool-name").allInnerTexts();
  for (const job of ["node", "prometheus"]) assert.ok(jobs.includes(job), `${job} in ${jobs}`);
  await screenshot(page, "targets");
  const all = await page.locator(".target").count();
  const up = await page.locator(".target.up").count();
  await page.getByRole("button", { name: /^Down/ }).click();
  assert.equal(await page.locator(".target").count(), all - up);
  assert.equal(param("health"), "down");
  await page.getByRole("button", { name: /^All/ }).click();
  await page.getByLabel("Filter by address or label").fill("job=node");
  await page.waitForFunction(() => document.querySelectorAll(".target").length === 1);
  await page.getByRole("button", { name: "Discovered labels" }).click();
  assert.match(await page.locator(".label-table").innerText(), /__address__/);
  await screenshot(page, "targets-details");
  await page.getByRole("link", { name: "Query", exact: true }).click();
  await page.locator(".cm-content").waitFor();
  assert.equal(new URL(page.url()).pathname, "/query");
  assert.deepEqual(complaints, []);
});

test("the TSDB page shows the head, the disk, and who fills the database", async () => {
  await open("/targets");
  await page.getByRole("link", { name: "TSDB", exact: true }).click();
  const box = (name) => page.getByRole("region", { name, exact: true });
  const text = async (name) => (await box(name).innerText()).replace(/\u202f/g, "");
  await box("Head").waitFor();
  assert.match(await text("Head"), /Series\s+\d{3,}[^]*From\s+20\d\d-/);
  assert.match(await text("Memory"), /Limit\s+[\d.]+ [KMGT]iB[^]*New series\s+taken/);
  assert.match(await text("Disk"), /Free\s+[\d.]+ [KMGT]iB[^]*Compaction\s+goes on/);
  assert.match(await text("Blocks"), /Blocks 0\s+None yet/);
  assert.match(await text("Series by metric name"), /node_cpu_seconds_total\s+\d+/);
  assert.equal(new URL(page.url()).pathname, "/tsdb-status");
  assert.equal(await page.locator(".notice").count(), 0);
  await screenshot(page, "tsdb");
  assert.deepEqual(complaints, []);
});

test("the TSDB page says what was lost, who is rationed, and what the blocks are", async () => {
  await open("/query");
  const answer = (path, data) => page.route(`**/api/v1/status/${path}`, (route) => route.fulfill({ json: { status: "success", data } }));
  const gib = 2 ** 30;
  await answer("storage", {
    disk: { total: 100 * gib, free: gib, floor: 5 * gib, compactionPaused: true },
    repairs: ["wal at segment 00000003 at 17: checksum mismatch; took out 41 bytes"],
    quarantined: [{ name: "01BZJ9WJQPWHGNC2W4J9TA62KC.quarantined", reason: "its index is torn" }],
    leftOut: [{ name: "01BZJ9WJQPWHGNC2W4J9TA62KD", reason: "" }],
  });
  await answer("memory", { limit: 2 * gib, used: 2 * gib, scarce: true, refused: [{ job: "bomb", value: 1234 }] });
  const blocks = [0, 1].map((n) => ({ ulid: `01BZJ9WJQPWHGNC2W4J9TA62K${n}`, minTime: n * 7_200_000, maxTime: (n + 1) * 7_200_000, stats: { numSamples: 12345 }, compaction: { level: 1, hints: n ? ["from-out-of-order"] : undefined } }));
  await answer("tsdb/blocks", { blocks });
  await page.goto(`${server.url}/tsdb-status`);
  await page.locator(".notice").nth(2).waitFor();
  const notices = (await page.locator(".notice").allInnerTexts()).join("\n");
  for (const part of ["took out 41 bytes", "62KC.quarantined: its index is torn", "01BZJ9WJQPWHGNC2W4J9TA62KD"]) assert.ok(notices.includes(part), `${part} in ${notices}`);
  const box = (name) => page.getByRole("region", { name, exact: true }).innerText();
  assert.match(await box("Memory"), /rationed by job[^]*bomb \(1\u202f234\)/);
  assert.match(await box("Disk"), /paused[^]*nearly full/);
  const rows = await page.getByRole("region", { name: "Blocks" }).locator("tbody tr").allInnerTexts();
  assert.match(rows[0], /62K1 from-out-of-order\s+1970-01-01 02:00:00\s+2h\s+1\s+0\s+12\u202f345/);
  assert.equal(rows.length, 2);
  await screenshot(page, "tsdb-losses");
});

test("while the log is read, the TSDB page says how far", async () => {
  await open("/query");
  await page.route("**/api/v1/status/{tsdb,storage,memory}*", (route) => route.fulfill({ status: 503, body: "Service Unavailable" }));
  await page.route("**/api/v1/status/tsdb/blocks", (route) => route.fulfill({ status: 503, body: "Service Unavailable" }));
  await page.route("**/-/ready", (route) => route.fulfill({ status: 503, body: "Service Unavailable" }));
  await page.route("**/api/v1/status/walreplay", (route) => route.fulfill({ json: { status: "success", data: { min: 10, max: 20, current: 15 } } }));
  await page.goto(`${server.url}/tsdb-status`);
  await page.locator(".empty strong", { hasText: "Starting 50 %" }).waitFor();
});
