"""Real proxies in front of the real server, configured as deploy/ says."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from ports import free_port
from server import ROOT, Server

DEPLOY = ROOT / "deploy"
NAME = "id.example.com"
START_TIMEOUT = 30.0
# Debian keeps some programs out of an ordinary user's path; Envoy comes as a Python package.
SEARCH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])


def deployed(file: str, places: dict[str, str]) -> str:
    """The text of a file of deploy/, with what is another on each machine replaced."""
    text = (DEPLOY / file).read_text()
    for there, here in places.items():
        assert there in text, f"{there!r} is not in\n{text}"
        text = text.replace(there, here)
    return text


class Proxy:
    """A running proxy, which ends TLS for id.example.com with the certificate in its folder."""

    def __init__(self, kind: str, folder: Path, server: Server):
        self.kind, self.folder = kind, folder
        self.secure, self.plain = free_port(), free_port()
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.log = folder / f"{kind}.log"
        program = shutil.which(kind, path=SEARCH)
        assert program, f"{kind} is not installed: tests/run deploy installs it"
        command = getattr(self, f"_{kind}")(program, server.address)
        environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment
            )

    def __enter__(self) -> "Proxy":
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.secure), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"{self.kind} does not listen:\n{self.log.read_text()}") from None
                time.sleep(0.02)

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def _nginx(self, program: str, server: str) -> list[str]:
        text = deployed(
            "nginx.conf",
            {
                "listen 80;\n    listen [::]:80;": f"listen 127.0.0.1:{self.plain};",
                "listen 443 ssl http2;\n    listen [::]:443 ssl http2;": f"listen 127.0.0.1:{self.secure} ssl http2;",
                "/etc/letsencrypt/live/id.example.com/fullchain.pem": str(self.certificate),
                "/etc/letsencrypt/live/id.example.com/privkey.pem": str(self.key),
                "127.0.0.1:8080": server,
            },
        )
        places = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = self.folder / "nginx.conf"
        # One process, in the foreground, which writes nowhere else.
        configuration.write_text(
            f"daemon off;\nmaster_process off;\npid {self.folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\n{places}{text}}}\n"
        )
        return [program, "-p", str(self.folder), "-c", str(configuration), "-e", "stderr"]

    def _caddy(self, program: str, server: str) -> list[str]:
        site = "\n{$NAME:id.example.com} {\n"
        text = deployed(
            "Caddyfile",
            {site: f"{site}tls {self.certificate} {self.key}\n", "127.0.0.1:8080": server},
        )
        ports = f"http_port {self.plain}\nhttps_port {self.secure}\ndefault_bind 127.0.0.1\n"
        configuration = self.folder / "Caddyfile"
        configuration.write_text(f"{{\nadmin off\n{ports}}}\n{text}")
        return [program, "run", "--config", str(configuration), "--adapter", "caddyfile"]

    def _envoy(self, program: str, server: str) -> list[str]:
        certificate = self.folder / "certificate.yaml"
        certificate.write_text(
            deployed(
                "envoy-certificate.yaml",
                {
                    "/etc/envoy/tls/fullchain.pem": str(self.certificate),
                    "/etc/envoy/tls/privkey.pem": str(self.key),
                },
            )
        )
        text = deployed(
            "envoy.yaml",
            {
                '{address: "::", port_value: 443, ipv4_compat: true}': f"{{address: 127.0.0.1, port_value: {self.secure}}}",
                "/etc/envoy/certificate.yaml}": f"{certificate}}}",
                "{address: 127.0.0.1, port_value: 8080}": "{{address: {}, port_value: {}}}".format(*server.split(":")),
            },
        )
        configuration = self.folder / "envoy.yaml"
        configuration.write_text(text)
        return [program, "-c", str(configuration), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
