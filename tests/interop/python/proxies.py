"""Real proxies in front of a small service, configured as docs/FORWARD-AUTH.md says."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from ports import free_port
from server import ROOT, Server

DOCUMENT = ROOT / "docs/FORWARD-AUTH.md"
# Debian keeps them out of an ordinary user's path.
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])


class Service:
    """A service that believes its headers: it answers what it was sent."""

    def __init__(self):
        self.requests = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                service.requests += 1
                seen = {
                    "method": self.command,
                    "path": self.path,
                    "headers": [[name.lower(), value] for name, value in self.headers.items()],
                    "body": self.whole_body().hex(),
                }
                body = json.dumps(seen).encode()
                self.send_response(500 if self.path == "/public/broken" else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def whole_body(self) -> bytes:
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def close(self):
        self._listener.shutdown()
        self._listener.server_close()


class Proxy:
    """A proxy in front of a service, which asks a server about every request."""

    def __init__(self, kind: str, folder: Path, server: Server, service: Service):
        self.kind, self.port, self.folder = kind, free_port(), folder
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "proxy.log"
        program = shutil.which(kind, path=SEARCH)
        assert program, f"{kind} is not installed: tests/run interop installs it"
        documented = re.search(rf"^```{kind}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
        text = documented[1]
        for there, here in [("127.0.0.1:8080", server.address), ("127.0.0.1:3000", f"127.0.0.1:{service.port}")]:
            assert text.count(there) == 1
            text = text.replace(there, here)
        command = getattr(self, f"_{kind}")(program, text)
        environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment)
        self._wait_until_it_listens()

    def _nginx(self, program: str, text: str) -> list[str]:
        assert text.count("listen 80;") == 1
        text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        places = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = self.folder / "nginx.conf"
        # One process, in the foreground, which writes nowhere else.
        configuration.write_text(
            f"daemon off;\nmaster_process off;\npid {self.folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{places}{text}}}\n"
        )
        return [program, "-p", str(self.folder), "-c", str(configuration), "-e", "stderr"]

    def _caddy(self, program: str, text: str) -> list[str]:
        assert text.count(":80 {") == 1
        text = text.replace(":80 {", f"http://127.0.0.1:{self.port} {{")
        configuration = self.folder / "Caddyfile"
        configuration.write_text(f"{{\n    admin off\n}}\n{text}")
        return [program, "run", "--config", str(configuration), "--adapter", "caddyfile"]

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the proxy ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                requests.get(self.url, timeout=10)
                return
            except requests.ConnectionError:
                time.sleep(0.02)
        raise RuntimeError(f"the proxy does not listen:\n{self.log.read_text()}")

    def close(self):
        self.process.terminate()
        self.process.wait(10)
