// Signing in at another provider: the real one of `oidc-provider` in the place of Google and of a company's own, and a stand-in
// for GitHub's endpoints.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import Provider from "oidc-provider";
import { freePort, startServer } from "./server.mjs";

const CALLBACK = "http://127.0.0.1:3999/callback";
const SECRET = "of the provider/and this server+alone";
const PEOPLE = {
  ann: { email: "ann@company.example", email_verified: true, name: "Ann Lee", hd: "company.example" },
  bob: { email: "bob@elsewhere.example", email_verified: true, name: "Bob" },
  eve: { email: "eve@example.com", email_verified: false, name: "Eve" },
};
const secretFile = join(tmpdir(), `countersign-provider-secret-${process.pid}`);
let server, google, work, github;

before(async () => {
  writeFileSync(secretFile, SECRET);
  const [googlePort, workPort, githubPort] = [await freePort(), await freePort(), await freePort()];
  const at = (port) => `http://127.0.0.1:${port}`;
  const client = `client_id = "countersign", client_secret_file = "${secretFile}"`;
  server = await startServer({
    FEDERATION_PROVIDERS: `[{kind = "google", ${client}, issuer = "${at(googlePort)}"},
      {kind = "oidc", id = "work", display_name = "Company", email_domains = ["company.example", "elsewhere.example"], ${client}, issuer = "${at(workPort)}"},
      {kind = "github", ${client}, authorization_endpoint = "${at(githubPort)}/login/oauth/authorize", token_endpoint = "${at(githubPort)}/login/oauth/access_token",
        user_endpoint = "${at(githubPort)}/user", emails_endpoint = "${at(githubPort)}/user/emails"}]`.replaceAll("\n", " "),
  });
  // Google puts the address into its ID tokens; others keep it for their userinfo endpoint, as the standard has it.
  google = await startProvider(at(googlePort), "google", { conformIdTokenClaims: false });
  work = await startProvider(at(workPort), "work", {});
  github = await startGitHub(githubPort);
});

after(async () => {
  for (const other of [google, work, github]) other.close();
  assert.equal(await server.stop(), 0);
});

async function startProvider(issuer, id, settings) {
  const provider = new Provider(issuer, {
    clients: [{ client_id: "countersign", client_secret: SECRET, redirect_uris: [`${server.url}/sign-in/callback/${id}`, CALLBACK] }],
    claims: { openid: ["sub", "hd"], email: ["email", "email_verified"], profile: ["name"] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...PEOPLE[sub] }) }),
    pkce: { required: () => true },
    ...settings,
  });
  const listening = provider.listen(Number(new URL(issuer).port), "127.0.0.1");
  await once(listening, "listening");
  return listening;
}

// What GitHub documents of "Authorizing OAuth apps" and of its two endpoints for users.
async function startGitHub(port) {
  const given = new Map();
  const listening = createServer(async (request, response) => {
    const url = new URL(request.url, "http://github.example");
    const json = (body) => response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    if (url.pathname === "/login/oauth/authorize") {
      given.set("the-code", url.searchParams);
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.searchParams.set("code", "the-code");
      back.searchParams.set("state", url.searchParams.get("state"));
      return response.writeHead(302, { location: back.href }).end();
    }
    if (url.pathname === "/login/oauth/access_token") {
      let body = "";
      for await (const chunk of request) body += chunk;
      const form = new URLSearchParams(body);
      const isRight = given.delete(form.get("code")) && form.get("client_id") === "countersign" && form.get("client_secret") === SECRET;
      // Whoever does not ask for JSON by its name alone is answered with a form.
      if (request.headers.accept !== "application/json") return response.end("access_token=t&scope=&token_type=bearer");
      return json(isRight ? { access_token: "gho_x", scope: "user:email", token_type: "bearer" } : { error: "bad_verification_code" });
    }
    if (request.headers.authorization !== "Bearer gho_x" || !request.headers["user-agent"]) return response.writeHead(403).end();
    if (url.pathname === "/user") return json({ login: "octocat", id: 583231, name: "The Octocat", email: null });
    return json([{ email: "octocat@example.com", verified: true, primary: true, visibility: "private" }]);
  });
  listening.listen(port, "127.0.0.1");
  await once(listening, "listening");
  return listening;
}

// A browser that keeps the cookies of each origin.
function newBrowser() {
  const jars = new Map();
  return async function ask(address, form) {
    const { origin } = new URL(address);
    const jar = jars.get(origin) ?? new Map();
    jars.set(origin, jar);
    const headers = { accept: "text/html", cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
    const body = form && new URLSearchParams(form);
    const answer = await fetch(address, { method: form ? "POST" : "GET", headers, body, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/max-age=0(;|$)|expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    const location = answer.headers.get("location");
    if (location === null || new URL(location, address).href.startsWith(CALLBACK)) {
      return { address, location, status: answer.status, text: await answer.text() };
    }
    await answer.arrayBuffer();
    return ask(new URL(location, address).href);
  };
}

// The page of an authorization of a new client.
async function begin(browser) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ client_name: "App", redirect_uris: [CALLBACK] });
  const { client_id } = await (await fetch(`${server.url}/oauth/register`, { method: "POST", headers, body })).json();
  const query = new URLSearchParams({ response_type: "code", client_id, redirect_uri: CALLBACK, state: "s", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" });
  return browser(`${server.url}/oauth/authorize?${query}`);
}

const tagOf = (page) => /name="tag" value="([^"]+)"/.exec(page.text)[1];
const submit = (browser, page, form) => browser(page.address, { tag: tagOf(page), ...form });

// Signs in at the pages of `oidc-provider`, and allows what is asked there.
async function signsInAt(browser, page, person) {
  for (let steps = 0; steps < 4 && page.address.includes("/interaction/"); steps++) {
    const [, action] = /action="([^"]+)"/.exec(page.text);
    const [, prompt] = /name="prompt" value="([^"]+)"/.exec(page.text);
    page = await browser(new URL(action, page.address).href, { prompt, ...(prompt === "login" ? { login: person, password: "x" } : {}) });
  }
  return page;
}

async function signIn(provider, person, browser = newBrowser()) {
  const page = await begin(browser);
  assert.match(page.text, /Continue with .?Google.?<[^]*Continue with .?Company.?<[^]*Continue with .?GitHub.?</);
  return signsInAt(browser, await submit(browser, page, { provider }), person);
}

async function isAllowed(browser, page, email) {
  assert.equal(page.status, 200, page.text);
  assert.ok(page.text.includes(email), page.text);
  const { location } = await submit(browser, page, { action: "allow" });
  assert.ok(new URL(location).searchParams.get("code"), location);
}

test("a new person signs in at Google, and a known one again", async () => {
  for (let times = 0; times < 2; times++) {
    const browser = newBrowser();
    await isAllowed(browser, await signIn("google", "ann", browser), "ann@company.example");
  }
});

test("the same person comes from the company with the address that both have verified", async () => {
  const browser = newBrowser();
  await isAllowed(browser, await signIn("work", "ann", browser), "ann@company.example");
  const page = await begin(newBrowser());
  assert.equal(page.status, 200);
});

test("an address that Google does not host, and one that nobody has verified, share no account", async () => {
  const browser = newBrowser();
  await isAllowed(browser, await signIn("google", "bob", browser), "bob@elsewhere.example");
  const other = newBrowser();
  const refused = await signIn("work", "bob", other);
  assert.match(refused.text, /There is an account with the address/);
  const eve = newBrowser();
  await isAllowed(eve, await signIn("work", "eve", eve), "eve@example.com");
});

test("whoever has a password links the identity with it", async () => {
  const headers = { "content-type": "application/json" };
  PEOPLE.cid = { email: "cid@example.com", email_verified: true, name: "Cid" };
  const form = { email: "cid@example.com", password: "a long enough secret" };
  assert.equal((await fetch(`${server.url}/v1/accounts`, { method: "POST", headers, body: JSON.stringify(form) })).status, 200);
  const browser = newBrowser();
  const refused = await signIn("work", "cid", browser);
  assert.match(refused.text, /Sign in to it with its password/);
  // The provider knows the browser by now, and sends it straight back.
  const page = await submit(browser, refused, { action: "sign-in", ...form });
  await isAllowed(browser, page, "cid@example.com");
  const again = newBrowser();
  await isAllowed(again, await signIn("work", "cid", again), "cid@example.com");
});

test("somebody turns back at the provider", async () => {
  const browser = newBrowser();
  const page = await submit(browser, await begin(browser), { provider: "work" });
  const abort = await browser(`${page.address}/abort`);
  assert.match(abort.text, /value="sign-in"/);
  assert.doesNotMatch(abort.text, /role="alert"/);
});

test("GitHub's API tells who somebody is", async () => {
  const browser = newBrowser();
  await isAllowed(browser, await signIn("github", "octocat", browser), "octocat@example.com");
});

test("MailKite's path takes Google's ID token, and its code", async () => {
  const code = async (person) => {
    const browser = newBrowser();
    const query = new URLSearchParams({ response_type: "code", client_id: "countersign", redirect_uri: CALLBACK, scope: "openid email profile", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" });
    const page = await browser(`http://127.0.0.1:${google.address().port}/auth?${query}`);
    return new URL((await signsInAt(browser, page, person)).location).searchParams.get("code");
  };
  const send = async (body) => {
    const answer = await fetch(`${server.url}/api/auth/google`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return [answer.status, await answer.json()];
  };
  PEOPLE.dan = { email: "dan@gmail.com", email_verified: true, name: "Dan" };
  const code_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const first = { code: await code("dan"), redirect_uri: CALLBACK, code_verifier };
  const [made, { token, user }] = await send(first);
  assert.deepEqual([made, user.email, user.name], [201, "dan@gmail.com", "Dan"]);
  assert.ok(token);
  assert.equal((await send(first))[0], 401);
  const body = new URLSearchParams({ grant_type: "authorization_code", code: await code("dan"), redirect_uri: CALLBACK, code_verifier });
  const secret = Buffer.from(`countersign:${encodeURIComponent(SECRET)}`).toString("base64");
  const answer = await fetch(`http://127.0.0.1:${google.address().port}/token`, { method: "POST", headers: { authorization: `Basic ${secret}` }, body });
  const { id_token } = await answer.json();
  assert.deepEqual((await send({ credential: id_token }))[1].user, user);
  assert.equal((await send({ credential: `${id_token.slice(0, -4)}AAAA` }))[0], 401);
});
