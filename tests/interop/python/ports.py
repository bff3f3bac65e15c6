"""Ports for programs that have to be told one."""

import socket


def free_port() -> int:
    """A port that is a program's to listen on: for a minute the system gives it to nobody who asks for any port.

    It does so with the port of the end that closed a connection first, and a listener may have that one (SO_REUSEADDR).
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        with socket.create_connection(probe.getsockname()) as there:
            probe.accept()[0].close()
            there.recv(1)
        return probe.getsockname()[1]
