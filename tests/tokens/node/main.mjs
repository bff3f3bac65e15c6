// Verifies with the program of docs/TOKENS.md, which stands beside this file: of each line
// "ISSUER AUDIENCE TOKEN" it says whether the token is good.
import { createInterface } from "node:readline";
import { verifier } from "./verifier.mjs";

const verifiers = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const [issuer, audience, token] = line.split(" ");
  const name = `${issuer} ${audience}`;
  if (!verifiers.has(name)) verifiers.set(name, verifier(issuer, audience));
  try {
    console.log("good", (await verifiers.get(name)(token)).sub);
  } catch (error) {
    console.log("refused", JSON.stringify(error.message));
  }
}
