// Somebody with an account, and a browser that keeps cookies and runs no script. They do at the hosted pages what a page
// asks: sign in, and allow or deny.
import assert from "node:assert/strict";

export const PASSWORD = "a long enough secret";

let people = 0;

export async function signUp(server) {
  const email = `person-${++people}@example.com`;
  const body = JSON.stringify({ email, password: PASSWORD });
  const headers = { "content-type": "application/json" };
  const made = await fetch(`${server.url}/v1/accounts`, { method: "POST", headers, body });
  assert.equal(made.status, 200);
  return new Person(server, email, (await made.json()).account);
}

class Person {
  #cookies = new Map();

  constructor(server, email, account) {
    Object.assign(this, { server, email, account });
  }

  // Goes where a client sends the browser, and gives the address at which the browser leaves the server.
  async visit(address, decision = "allow") {
    let answer = await this.#ask(String(address));
    for (let pages = 0; pages < 10; pages++) {
      const location = answer.headers.get("location");
      if (location !== null) {
        const next = new URL(location, answer.address);
        if (next.origin !== new URL(this.server.url).origin) return next;
        answer = await this.#ask(next.href);
        continue;
      }
      const page = await answer.text();
      const action = ["sign-in", decision].find((action) => page.includes(`value="${action}"`));
      if (action === undefined) throw new Error(`no way forward (${answer.status}): ${page.replace(/<style>.*?<\/style>/s, "")}`);
      const tag = /name="tag" value="([^"]+)"/.exec(page)[1];
      const form = action === "sign-in" ? { email: this.email, password: PASSWORD } : {};
      answer = await this.#ask(answer.address, { method: "POST", body: new URLSearchParams({ tag, action, ...form }) });
    }
    throw new Error("the pages lead nowhere");
  }

  async #ask(address, init = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { accept: "text/html", ...(cookie === "" ? {} : { cookie }) };
    const answer = await fetch(address, { ...init, headers, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/Max-Age=0(;|$)/.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return Object.assign(answer, { address });
  }
}
