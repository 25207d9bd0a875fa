// A program with every kind of metric, instrumented with npm's prom-client.
// Listens on 127.0.0.1, port as the first argument or 0, and prints the port it got.
// `POST /tick` moves all metrics once, so that a test decides when they move.
import http from "node:http";
import client from "prom-client";

const counter = new client.Counter({ name: "prom_sample_counter", help: "A counter that grows by 1 each tick." });
const gauge = new client.Gauge({ name: "prom_sample_gauge", help: "A gauge that follows the ticks modulo 10." });
const labeled = new client.Gauge({
  name: "prom_sample_labeled_gauge",
  help: "A gauge with a label.",
  labelNames: ["id"],
});
const histogram = new client.Histogram({
  name: "prom_sample_histogram",
  help: "A histogram with a label.",
  labelNames: ["status_code"],
  buckets: [20, 40, 60, 80, 100],
});
const summary = new client.Summary({
  name: "prom_sample_summary",
  help: "A summary with a label.",
  labelNames: ["status_code"],
});

let ticks = 0;
function tick() {
  ticks += 1;
  counter.inc();
  gauge.set(ticks % 10);
  for (const id of ["a", "b", "c"]) labeled.set({ id }, ticks * (id.charCodeAt(0) - 96));
  for (const code of ["200", "400", "403", "404", "500"]) {
    for (let value = 10; value <= 100; value += 30) {
      histogram.observe({ status_code: code }, value);
      summary.observe({ status_code: code }, value);
    }
  }
}

tick();
const server = http.createServer(async (request, response) => {
  if (request.method === "POST" && request.url === "/tick") {
    tick();
    response.end(String(ticks));
    return;
  }
  response.setHeader("Content-Type", client.register.contentType);
  response.end(await client.register.metrics());
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
