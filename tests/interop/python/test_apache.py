"""Apache with mod_auth_openidc as Debian ships it: a site without code of its own signs people in here."""

import http.client
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from pages import visit
from ports import free_port

MODULES = "/usr/lib/apache2/modules"
CONFIGURATION = """
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
DocumentRoot {folder}/site

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {site}/callback
OIDCCryptoPassphrase of-this-test-alone
OIDCScope "openid email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim sub

<Location />
    AuthType openid-connect
    Require valid-user
    Header always set x-account "expr=%{{REMOTE_USER}}"
    Header always set x-email "expr=%{{req:OIDC_CLAIM_email}}"
</Location>
"""


@pytest.fixture
def apache(server, tmp_path):
    issuer, port = f"http://{server.address}", free_port()
    site = f"http://127.0.0.1:{port}"
    metadata = {"client_name": "Site", "redirect_uris": [f"{site}/callback"], "token_endpoint_auth_method": "client_secret_basic"}
    client = requests.post(f"{issuer}/oauth/register", json=metadata, timeout=20).json()
    Path(tmp_path, "site").mkdir()
    Path(tmp_path, "site/index.html").write_text("members only")
    # Apache serves as nobody in particular when it is started as root.
    for folder in [tmp_path, *list(tmp_path.parents)[:3]]:
        folder.chmod(folder.stat().st_mode | 0o055)
    values = {"port": port, "folder": tmp_path, "modules": MODULES, "issuer": issuer, "site": site}
    configuration = CONFIGURATION.format(**values, client_id=client["client_id"], client_secret=client["client_secret"])
    file = tmp_path / "apache.conf"
    file.write_text(configuration)
    program = shutil.which("apache2", path="/usr/sbin:/usr/bin")
    assert program, "apache2 is not installed: tests/run interop installs it"
    process = subprocess.Popen([program, "-X", "-f", file], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "error.log").read_text()
            time.sleep(0.02)
    yield site
    process.terminate()
    process.wait()
    print((tmp_path / "error.log").read_text())


def test_a_site_behind_apache_knows_who_comes(server, person, apache):
    issuer = f"http://{server.address}"
    browser = requests.Session()
    browser.headers["accept"] = "text/html"
    asked = browser.get(f"{apache}/index.html", allow_redirects=False, timeout=20)
    assert asked.status_code == http.client.FOUND, asked.text
    back = visit(issuer, asked.headers["location"], person)
    signed_in = browser.get(back, allow_redirects=False, timeout=20)
    assert signed_in.status_code == http.client.FOUND, signed_in.text
    page = browser.get(urljoin(apache, signed_in.headers["location"]), timeout=20)
    assert (page.status_code, page.text) == (http.client.OK, "members only")
    assert page.headers["x-account"] == person.account.name.removeprefix("accounts/")
    assert page.headers["x-email"] == person.email
    # Somebody else's answer is not theirs.
    stranger = requests.get(back, allow_redirects=False, timeout=20)
    assert stranger.status_code != http.client.FOUND
