"""The alert rules and the dashboard are about metrics that the program has."""

import json
import re
import shutil
import subprocess

import pytest
import requests

from behind import DEPLOY, SEARCH
from ports import free_port
from server import ROOT, Server

RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "countersign.json"
# What Prometheus itself says of each thing that it scrapes.
OF_PROMETHEUS = {"up"}
NAME = re.compile(r"\b(?:countersign_\w+|process_\w+|up)\b")


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> set[str]:
    """The names of all series of a running program."""
    address = f"127.0.0.1:{free_port()}"
    with Server(tmp_path_factory.mktemp("server"), METRICS_ENABLED="true", METRICS_LISTEN=address):
        text = requests.get(f"http://{address}/metrics", timeout=10).text
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}


def names(text: str) -> set[str]:
    return set(NAME.findall(text)) - OF_PROMETHEUS


def promtool(*arguments) -> None:
    program = shutil.which("promtool", path=SEARCH)
    assert program, "promtool is not installed: tests/run deploy installs it"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules():
    promtool("check", "rules", RULES)


def test_each_rule_tells_a_bad_day_from_a_quiet_one():
    promtool("test", "rules", ROOT / "tests" / "deploy" / "rules_test.yml")


def test_the_rules_are_about_metrics_that_exist(exposed):
    expressions = re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*))", RULES.read_text())
    assert len(expressions) == RULES.read_text().count("- alert:")
    assert names(" ".join(map("".join, expressions))) <= exposed


def test_the_dashboard_shows_every_metric_and_no_other(exposed):
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    shown = names(" ".join(target["expr"] for panel in panels for target in panel["targets"]))
    assert shown <= exposed
    # A histogram is shown by its buckets.
    parts = {name for name in exposed if name.endswith(("_sum", "_count"))}
    assert exposed - parts == shown
    for panel in panels:
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
