// openid-client, certified by the OpenID Foundation, checks what it is told: discovery, state, iss, nonce, aud, whose access token
// it has, and where it is asked to, as here, the signature of the ID token. (It leaves at_hash alone, as clients may that get their
// tokens from the token endpoint; those that look at it are Authlib and mod_auth_openidc.)
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oidc from "openid-client";
import { signUp } from "./person.mjs";
import { startServer } from "./server.mjs";

const CALLBACK = "http://127.0.0.1:3999/callback";

let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  assert.equal(await server?.stop(), 0);
});

const register = (metadata, authentication) =>
  oidc.dynamicClientRegistration(new URL(server.url), { redirect_uris: [CALLBACK], client_name: "Example", ...metadata }, authentication, {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  });

// Begins, lets the person decide, and gives what the client needs to go on.
async function authorize(config, person, parameters = {}) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: "openid email profile",
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
    ...parameters,
  });
  const answer = await person.visit(address);
  return { answer, checks: { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true } };
}

for (const [name, metadata, authentication] of [
  ["a public client", { token_endpoint_auth_method: "none" }, oidc.None()],
  ["a client with a secret", { token_endpoint_auth_method: "client_secret_basic" }, undefined],
  ["a client that posts its secret", { token_endpoint_auth_method: "client_secret_post" }, undefined],
  ["a client that wants ES256", { token_endpoint_auth_method: "none", id_token_signed_response_alg: "ES256" }, oidc.None()],
]) {
  test(`${name} learns who it is, and that it still is after a refresh`, async () => {
    const person = await signUp(server);
    const config = await register(metadata, authentication);
    assert.equal(config.serverMetadata().issuer, server.url);
    const { answer, checks } = await authorize(config, person, { max_age: "3600" });
    const tokens = await oidc.authorizationCodeGrant(config, answer, { ...checks, maxAge: 3600 });
    const claims = tokens.claims();
    assert.equal(claims.sub, person.account.name.replace("accounts/", ""));
    assert.equal(claims.email, person.email);
    assert.equal(tokens.scope, "openid email profile");

    const user = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.deepEqual([user.email, user.email_verified], [person.email, false]);

    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(refreshed.claims().sub, claims.sub);
    assert.equal(refreshed.claims().auth_time, claims.auth_time);

    if (metadata.token_endpoint_auth_method !== "none") {
      const live = await oidc.tokenIntrospection(config, refreshed.access_token);
      assert.deepEqual([live.active, live.sub], [true, claims.sub]);
    }
    await oidc.tokenRevocation(config, refreshed.refresh_token);
    await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token), { error: "invalid_grant" });
  });
}

test("the client refuses an answer that is not its own", async () => {
  const person = await signUp(server);
  const config = await register({ token_endpoint_auth_method: "none" }, oidc.None());
  const { answer, checks } = await authorize(config, person);
  const changed = (name, value) => {
    const url = new URL(answer);
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
    return url;
  };
  for (const [url, expected] of [
    [changed("state", "another"), checks],
    [changed("iss", "https://evil.example"), checks],
    // It is told by the metadata that there is one.
    [changed("iss", null), checks],
  ]) {
    await assert.rejects(oidc.authorizationCodeGrant(config, url, expected), oidc.ClientError);
  }
  await assert.rejects(oidc.authorizationCodeGrant(config, answer, { ...checks, expectedNonce: "another" }), oidc.ClientError);
});

// Changes what the token endpoint answers on its way to the client.
function changeAnswers(config, change) {
  config[oidc.customFetch] = async (url, init) => {
    const answer = await fetch(url, init);
    if (!url.endsWith("/oauth/token")) return answer;
    return Response.json(change(await answer.json()), answer);
  };
}

test("the client refuses tokens that are not for it, not of this answer, or changed", async () => {
  const [ann, bob] = [await signUp(server), await signUp(server)];
  const config = await register({ token_endpoint_auth_method: "none" }, oidc.None());
  const other = await register({ token_endpoint_auth_method: "none" }, oidc.None());
  const signIn = async (config, person) => {
    const { answer, checks } = await authorize(config, person);
    return oidc.authorizationCodeGrant(config, answer, checks);
  };
  const [mine, another, theirs] = [await signIn(config, ann), await signIn(config, bob), await signIn(other, ann)];
  const [head, , signature] = mine.id_token.split(".");
  const forge = ({ id_token }) => {
    const claims = JSON.parse(Buffer.from(id_token.split(".")[1], "base64url"));
    const payload = Buffer.from(JSON.stringify({ ...claims, email: "ceo@example.com" })).toString("base64url");
    return [head, payload, signature].join(".");
  };
  for (const [id_token, cause] of [
    [() => another.id_token, /"nonce"/],
    [() => theirs.id_token, /"aud"/],
    [forge, /signature/],
  ]) {
    changeAnswers(config, (answer) => ({ ...answer, id_token: id_token(answer) }));
    await assert.rejects(signIn(config, ann), (error) => {
      assert.ok(error instanceof oidc.ClientError);
      assert.match(`${error.message} ${error.cause?.message}`, cause);
      return true;
    });
  }
  // An access token of somebody else's beside it is found out where it says whose it is.
  changeAnswers(config, (answer) => ({ ...answer, access_token: another.access_token }));
  const swapped = await signIn(config, ann);
  await assert.rejects(oidc.fetchUserInfo(config, swapped.access_token, swapped.claims().sub), oidc.ClientError);
});

test("a refusal comes back as an error", async () => {
  const person = await signUp(server);
  const config = await register({ token_endpoint_auth_method: "none" }, oidc.None());
  const { answer, checks } = await authorize(config, person, { prompt: "none" });
  await assert.rejects(oidc.authorizationCodeGrant(config, answer, checks), { error: "login_required" });
});
