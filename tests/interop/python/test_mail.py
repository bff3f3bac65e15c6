"""The welcome mail that MailKite promises, taken by a real SMTP server."""

import queue
from email import message_from_bytes, policy

import requests
from aiosmtpd.controller import Controller

from ports import free_port
from server import Server

PATIENCE = 30


class Inbox:
    """An SMTP server on a free port, which keeps what arrives for as long as it is entered."""

    def __init__(self):
        self.arrived = queue.Queue()
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self._sink = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> "Inbox":
        self._sink.start()
        return self

    def __exit__(self, *_) -> None:
        self._sink.stop()

    async def handle_DATA(self, _server, _session, envelope):
        self.arrived.put(envelope)
        return "250 taken"


def signs_up(server, path="/api/auth/signup", **more):
    body = {"email": "Ada@Example.com", "password": "a long enough secret", **more}
    answer = requests.post(server.url + path, json=body, timeout=10)
    assert answer.status_code == 201, answer.text


def test_a_mailkite_signup_sends_a_welcome_mail(tmp_path):
    sender = "Countersign <no-reply@id.example.com>"
    with Inbox() as inbox, Server(tmp_path, MAIL_SMTP_URL=inbox.url, MAIL_FROM=sender) as server:
        signs_up(server)
        envelope = inbox.arrived.get(timeout=PATIENCE)
        assert envelope.rcpt_tos == ["Ada@Example.com"]
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert mail["to"].addresses[0].addr_spec == "Ada@Example.com"
        assert mail["from"] == sender
        assert mail["message-id"].endswith("@id.example.com>")
        assert server.url in mail.get_content()


def test_other_signups_send_nothing(tmp_path):
    with Inbox() as inbox, Server(tmp_path, MAIL_SMTP_URL=inbox.url, LIMITS_ENABLED="false") as server:
        signs_up(server, "/v1/auth/register", email="bob@example.com", name="Bob")
        signs_up(server)
        # The mails go in order, so the first to arrive is the only one.
        assert inbox.arrived.get(timeout=PATIENCE).rcpt_tos == ["Ada@Example.com"]
        assert inbox.arrived.empty()
