// A client ID metadata document, served by https on this machine with a certificate that is made for it.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function startDocument(metadata) {
  const folder = mkdtempSync(join(tmpdir(), "countersign-document-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const usage = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "1", "-keyout", key, "-out", cert];
  execFileSync("openssl", [...made, ...subject, ...usage], { stdio: "ignore" });
  const site = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const body = JSON.stringify({ client_id: url, ...metadata });
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  });
  site.listen(0, "localhost");
  await once(site, "listening");
  const url = `https://localhost:${site.address().port}/client.json`;
  return {
    url,
    roots: cert,
    stop: () => {
      site.close();
      rmSync(folder, { recursive: true });
    },
  };
}
