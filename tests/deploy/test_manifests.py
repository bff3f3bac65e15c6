"""The unit, the image, Compose and Kubernetes: their own tools take them, and the program takes their settings."""

import base64
import ipaddress
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from behind import DEPLOY, NAME, deployed
from server import ROOT, binary, environment

# What may go on while the program stops (docs/OPERATIONS.md).
STOP_SECONDS = 10
# What every deployment says.
SETTINGS = ("COUNTERSIGN_ISSUER", "COUNTERSIGN_TRUSTED_PROXIES", "COUNTERSIGN_KEYS_MASTER_KEY_FILE")
# Of 100; systemd calls up to 20 OK.
EXPOSURE = 20


def run(*command, **variables: str) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, env=environment() | variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def check(tmp_path):
    """Runs `countersign config check` with a deployment's variables; `secrets` is where its secrets are there."""

    def check(variables: dict[str, str], secrets: str) -> None:
        (tmp_path / "master-key").write_text(base64.b64encode(b"k" * 32).decode())
        (tmp_path / "master-key").chmod(0o600)
        (tmp_path / "database-url").write_text("postgres://countersign:secret@postgres/countersign")
        here = {name: value.replace(secrets, f"{tmp_path}/") for name, value in variables.items()}
        told = run(binary(), "config", "check", **here)
        assert f'issuer = "https://{NAME}"' in told and "# OK" in told
        assert set(SETTINGS) <= set(here)

    return check


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def unit() -> list[tuple[str, str]]:
    lines = (DEPLOY / "countersign.service").read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if re.match(r"[A-Z]\w+=", line)]


def test_systemd_takes_the_unit(tmp_path):
    file = tmp_path / "countersign.service"
    file.write_text(deployed("countersign.service", {"/usr/local/bin/countersign": str(binary())}))
    assert run("systemd-analyze", "verify", "--man=no", file) == ""
    run("systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={EXPOSURE}", file)


def test_the_units_settings_are_taken(check):
    settings = dict(value.split("=", 1) for name, value in unit() if name == "Environment")
    check(settings, "%d/")
    for file in (value for name, value in settings.items() if name.endswith("_FILE")):
        assert any(name == "LoadCredential" and value.startswith(file.removeprefix("%d/") + ":") for name, value in unit())
    assert int(dict(unit())["TimeoutStopSec"]) > STOP_SECONDS


def test_the_image_is_made_of_what_is_here():
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied
    for path in sum(copied, []):
        assert (ROOT / path).exists(), path
    rust = re.search(r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert any(line.startswith(f"FROM docker.io/library/rust:{rust}.") for line in lines)


def test_compose_is_whole_and_its_settings_are_taken(check):
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    for service in services.values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", [])) <= set(services)
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith("./")}
        assert named <= set(compose["volumes"])
    server, caddy = services["countersign"], services["caddy"]
    check({name: value.replace("${NAME:?}", NAME) for name, value in server["environment"].items()}, "/run/secrets/")
    assert caddy["networks"]["front"]["ipv4_address"] == server["environment"]["COUNTERSIGN_TRUSTED_PROXIES"]
    assert set(caddy["environment"]) == set(re.findall(r"\{\$(\w+):", (DEPLOY / "Caddyfile").read_text()))
    # Containers that ask for no address get none that Caddy's could be.
    front = compose["networks"]["front"]["ipam"]["config"][0]
    asked = ipaddress.ip_address(caddy["networks"]["front"]["ipv4_address"])
    assert asked in ipaddress.ip_network(front["subnet"]) and asked not in ipaddress.ip_network(front["ip_range"])
    assert seconds(server["stop_grace_period"]) > STOP_SECONDS


def test_kubernetes_takes_the_manifest_and_the_program_its_settings(check):
    documents = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}
    assert set(documents) == {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    for one in documents.values():
        kubernetes_validate.validate(one, "1.30", strict=True)
    pod = documents["Deployment"]["spec"]["template"]
    labels, container = pod["metadata"]["labels"], pod["spec"]["containers"][0]
    check({one["name"]: one["value"] for one in container["env"]}, "/run/secrets/countersign/")
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + STOP_SECONDS
    # Everything is about this pod and its ports.
    specs = {kind: one["spec"] for kind, one in documents.items()}
    assert labels == specs["Service"]["selector"] == specs["Deployment"]["selector"]["matchLabels"]
    assert (
        labels == specs["PodDisruptionBudget"]["selector"]["matchLabels"] == specs["NetworkPolicy"]["podSelector"]["matchLabels"]
    )
    ports = {port["name"] for port in container["ports"]}
    used = [specs["Service"]["ports"][0]["targetPort"]]
    used += [rule["ports"][0]["port"] for rule in specs["NetworkPolicy"]["ingress"]]
    used += [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert set(used) == ports
