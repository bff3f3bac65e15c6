"""A real haproxy in front of the program, on free ports of this machine with a folder of its own."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from ports import free_port

START_TIMEOUT = 30.0


class HAProxy:
    """A running haproxy. `{name}` in the configuration is a free port, found under `ports[name]`."""

    def __init__(self, folder: Path, configuration: str, ports: tuple[str, ...], **values: object):
        self.folder = folder
        self.log = folder / "haproxy.log"
        self.ports = {name: free_port() for name in ports}
        self.file = folder / "haproxy.cfg"
        self.file.write_text(configuration.format(**self.ports, **values))
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "HAProxy":
        program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "haproxy"
        with self.log.open("wb") as log:
            # `-db` keeps it in the foreground, as this process's child.
            self.process = subprocess.Popen(
                [program, "-db", "-f", self.file], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        self._wait_until_it_listens()
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        for port in self.ports.values():
            while True:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"haproxy does not listen:\n{self.log.read_text(errors='replace')}")
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.02)
