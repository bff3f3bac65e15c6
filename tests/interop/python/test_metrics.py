"""`/metrics`, scraped from outside and read by Prometheus' own parsers."""

import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from ports import free_port
from server import Server

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ACCOUNT = {"email": "ada@example.com", "password": "a long enough secret"}


def scrape(port: int, parser=prometheus, accept: str = "*/*") -> dict:
    """The value of each sample, by its name and labels."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", headers={"accept": accept}, timeout=10)
    answer.raise_for_status()
    samples = [sample for family in parser(answer.text) for sample in family.samples]
    assert samples
    return {(sample.name, *sorted(canonical(sample.labels).items())): sample.value for sample in samples}


def canonical(labels: dict[str, str]) -> dict[str, str]:
    """With bounds as numbers: OpenMetrics writes `20.0` where Prometheus writes `20`."""
    return labels | {"le": float(labels["le"])} if "le" in labels else labels


def calls(of: dict, limit: str, outcome: str) -> float:
    return of["countersign_calls_total", ("class", limit), ("outcome", outcome)]


def test_counters_move_as_calls_pass_and_are_limited(tmp_path):
    port = free_port()
    with Server(tmp_path, METRICS_ENABLED="true", METRICS_LISTEN=f"127.0.0.1:{port}") as server:
        before = scrape(port)
        assert server.post("/v1/accounts", json=ACCOUNT).status_code == 200
        for number in range(4):
            other = ACCOUNT | {"email": f"ada{number}@example.com"}
            assert server.post("/v1/accounts", json=other).status_code == 200
        assert server.post("/v1/accounts", json=ACCOUNT).status_code == 429
        assert server.post("/v1/sessions", json=ACCOUNT).status_code == 200
        assert server.post("/v1/sessions", json=ACCOUNT | {"password": "not the password"}).status_code == 401
        after = scrape(port)
        for limit, outcome, moved in [
            ("public", "allowed", 8),
            ("account-creation", "allowed", 5),
            ("account-creation", "limited", 1),
            ("free", "allowed", 0),
        ]:
            assert calls(after, limit, outcome) - calls(before, limit, outcome) == moved, (limit, outcome)
        for outcome, count in [("succeeded", 1), ("refused", 1)]:
            assert after["countersign_log_ins_total", ("outcome", outcome)] == count
        rest = [("dialect", "rest"), ("status", "4xx")]
        assert after["countersign_requests_total", *rest] - before["countersign_requests_total", *rest] == 2
        assert server.get("/metrics").status_code == 404


def test_openmetrics_tells_the_same(tmp_path):
    port = free_port()
    with Server(tmp_path, METRICS_ENABLED="true", METRICS_LISTEN=f"127.0.0.1:{port}"):
        one = scrape(port)
        other = scrape(port, openmetrics, OPENMETRICS)
        assert one.keys() == other.keys()
        assert one["process_start_time_seconds",] == other["process_start_time_seconds",] > 0
