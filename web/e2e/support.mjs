/**
 * What the browser test stands on: a server to look at, and a browser to look with.
 *
 * - `PYRRHA_BIN`: the program under test; started without a configuration, as a newcomer does.
 * - `PYRRHA_URL`: instead of it, the address of a running Pyrrha, used as it is.
 * - `PYRRHA_API`: instead of it, the address of a running server with the same API; the built pages
 *   are then served here and calls are passed on.
 * - `SCREENSHOTS`: where pictures go; none are taken when it is not set.
 * - `CHROMIUM`: the browser, `/usr/bin/chromium` when it is not set.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const DIST = new URL("../../crates/ui/dist/", import.meta.url).pathname;
const TYPES = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", html: "text/html", woff2: "font/woff2", txt: "text/plain" };
const READY_MS = 20_000;

/** Starts what the environment asks for. Returns its address, when it was started, and how to stop it. */
export async function startServer() {
  const { PYRRHA_BIN: bin, PYRRHA_URL: url, PYRRHA_API: api } = process.env;
  if (bin) return startProgram(bin);
  if (url) return { url, startedMs: Date.now(), stop: async () => {} };
  if (api) return startPages(new URL(api));
  throw new Error("set PYRRHA_BIN to the program to test");
}

/** Opens a browser with an empty profile, in 24-hour UTC so that pictures can be compared. */
export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Takes a picture of the page when pictures are wanted. */
export async function screenshot(page, name) {
  const directory = process.env.SCREENSHOTS;
  if (!directory) return;
  mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`) });
}

async function startProgram(bin) {
  const cwd = mkdtempSync(join(tmpdir(), "pyrrha-e2e-"));
  const port = await freePort();
  const startedMs = Date.now();
  const child = spawn(bin, [`--web.listen-address=127.0.0.1:${port}`], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log += data));
  const exited = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
    rmSync(cwd, { recursive: true, force: true });
  };
  try {
    await Promise.race([untilReady(url), exited.then(([code]) => { throw new Error(`the server ended with ${code}`); })]);
  } catch (cause) {
    child.kill("SIGKILL");
    throw new Error(`${cause.message}\n${log}`);
  }
  return { url, startedMs, stop };
}

async function untilReady(url) {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline) {
    const ready = await fetch(`${url}/-/ready`).then((response) => response.ok, () => false);
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the server did not become ready");
}

async function startPages(api) {
  const server = createServer((incoming, outgoing) => {
    if (/^\/(api|metrics|-)(\/|$)/.test(incoming.url)) passOn(api, incoming, outgoing);
    else sendFile(incoming, outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, startedMs: Date.now(), stop };
}

function passOn(api, incoming, outgoing) {
  const options = { host: api.hostname, port: api.port, path: incoming.url, method: incoming.method, headers: incoming.headers };
  const outward = request(options, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  outward.on("error", () => outgoing.destroy());
  incoming.pipe(outward);
}

function sendFile(incoming, outgoing) {
  const path = incoming.url.split("?")[0].replace(/^\//, "");
  const name = /^(assets\/[\w.-]+|favicon\.svg)$/.test(path) ? path : "index.html";
  const type = TYPES[name.split(".").at(-1)];
  for (const [suffix, headers] of [[".gz", { "content-encoding": "gzip" }], ["", {}]]) {
    try {
      const bytes = readFileSync(join(DIST, name + suffix));
      outgoing.writeHead(200, { "content-type": type, ...headers }).end(bytes);
      return;
    } catch {
      continue;
    }
  }
  outgoing.writeHead(404).end();
}

async function freePort() {
  const socket = createSocket();
  socket.listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}
