# A program with every kind of metric, instrumented with PyPI's prometheus-client.
# Listens on 127.0.0.1, any port, and prints the port it got. Nothing moves: whoever scrapes it reads the same.
# `/text` is always the text format; any other path is what the client library makes of `Accept`.
import http.server
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_modules"))

import prometheus_client as client
from prometheus_client.exposition import choose_encoder

registry = client.CollectorRegistry()
requests = client.Counter("py_requests", "Requests\nanswered.", ["path"], registry=registry)
requests.labels('/a "b"\\').inc(17.5, {"trace_id": "abc"})
requests.labels("/é").inc(3)
client.Gauge("py_temperature_celsius", "Falls.", registry=registry).set(-1e-9)
latency = client.Histogram("py_latency_seconds", "Time taken.", buckets=(0.1, 1, 10), registry=registry)
for value in (0.05, 0.5, 0.75, 5, 50):
    latency.observe(value, {"span_id": str(value)})
client.Summary("py_size_bytes", "Sizes.", registry=registry).observe(12.25)
client.Info("py_build", "What it is.", registry=registry).info({"version": "1.2"})
client.Enum("py_state", "How it is.", states=["on", "off"], registry=registry).state("off")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        accept = "text/plain" if self.path == "/text" else self.headers.get("Accept")
        encode, content_type = choose_encoder(accept)
        page = encode(registry)
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
