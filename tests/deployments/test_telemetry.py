"""Do Prefect's own spans reach a collector by OpenTelemetry's own settings alone? A real receiver on loopback takes them."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="opentelemetry's exporter is not installed")
pytest.importorskip("opentelemetry.distro", reason="opentelemetry-instrument is not installed")

ROOT = Path(__file__).parents[2]
TURN = """
import sys
from prefect.testing.utilities import prefect_test_harness
from flows.lifecycle import lifecycle
with prefect_test_harness(server_startup_timeout=120):
    try:
        lifecycle("electricity")  # its table is not there: the turn fails, and says so in its span
    except Exception:
        sys.exit(0)
sys.exit("it did not fail")
"""
INSTRUMENTED = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"  # opentelemetry-instrument


@pytest.fixture
def collector() -> Iterator[tuple[str, list]]:
    """Where it listens, and the spans that came."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: list = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            said = ExportTraceServiceRequest()
            said.ParseFromString(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            spans.extend(
                span
                for resource in said.resource_spans
                for scope in resource.scope_spans
                if scope.scope.name == "prefect"
                for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()


def test_a_turn_is_a_span_with_its_tasks_beneath_and_no_value_of_a_parameter(home, collector):
    where, spans = collector
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": where, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    own |= {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    command = [sys.executable, "-c", INSTRUMENTED, sys.executable, "-c", TURN]
    subprocess.run(command, env=os.environ | own, check=True, cwd=ROOT, timeout=240, capture_output=True)
    (turn,) = [span for span in spans if not span.parent_span_id]
    beneath = [span for span in spans if span.parent_span_id == turn.span_id]
    said = {one.key: one.value.string_value for one in turn.attributes}
    assert turn.name.startswith("electricity")
    assert said["prefect.run.type"] == "flow"
    assert said["prefect.run.parameter.problem"] == "str"
    assert any(span.name.startswith("open turn") for span in beneath)
