// A client of OAuth that runs on this machine: it registers itself, sends a person's browser to the server, and gets the
// browser back at its own address.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const CALLBACK = "/callback";

// `onward` is where its address sends the browser on to at once.
export async function startClient(server, { name = "Example", redirectUris = [], onward, ...metadata } = {}) {
  const site = createServer((request, response) => {
    if (onward !== undefined) return response.writeHead(302, { location: onward }).end();
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Back</title><h1>Back at the client</h1>");
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const redirectUri = redirectUris[0] ?? `http://127.0.0.1:${site.address().port}${CALLBACK}`;
  const body = JSON.stringify({ client_name: name, redirect_uris: [redirectUri, ...redirectUris.slice(1)], ...metadata });
  const headers = { "content-type": "application/json" };
  const registered = await (await fetch(`${server.url}/oauth/register`, { method: "POST", headers, body })).json();
  const verifier = randomBytes(32).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");

  return {
    id: registered.client_id,
    redirectUri,
    stop: () => site.close(),
    // Where the browser is sent, with these parameters beside the usual ones; null leaves one out.
    address(changed = {}) {
      const parameters = {
        response_type: "code",
        client_id: registered.client_id,
        redirect_uri: redirectUri,
        state: "state-of-the-client",
        scope: "profile email",
        code_challenge: challenge,
        code_challenge_method: "S256",
        ...changed,
      };
      const query = Object.entries(parameters).filter(([, value]) => value !== null);
      return `${server.url}/oauth/authorize?${new URLSearchParams(query)}`;
    },
    // Where the browser is sent to sign out.
    logout: () => `${server.url}/oauth/logout?${new URLSearchParams({ client_id: registered.client_id, post_logout_redirect_uri: redirectUri, state: "bye" })}`,
    // What came back in the browser's address.
    answer: (address) => Object.fromEntries(new URL(address).searchParams),
    async redeem(code) {
      const form = { grant_type: "authorization_code", client_id: registered.client_id, code, code_verifier: verifier, redirect_uri: redirectUri };
      const answer = await fetch(`${server.url}/oauth/token`, { method: "POST", body: new URLSearchParams(form) });
      return { status: answer.status, body: await answer.json() };
    },
  };
}
