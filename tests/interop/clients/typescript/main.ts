// Signs up, logs in and asks who it is, over gRPC: main.js ADDRESS EMAIL PASSWORD
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AccountService } from "./countersign/v1/account_service_pb.js";
import { SessionService } from "./countersign/v1/session_service_pb.js";

async function signIn(baseUrl: string, email: string, password: string): Promise<string | undefined> {
  const transport = createGrpcTransport({ baseUrl, defaultTimeoutMs: 30_000 });
  const accounts = createClient(AccountService, transport);
  const sessions = createClient(SessionService, transport);

  await accounts.createAccount({ email, password });
  const { tokens } = await sessions.createSession({ email, password });
  const headers = { authorization: `Bearer ${tokens?.accessToken}` };
  const { account } = await accounts.getAccount({ name: "accounts/me" }, { headers });
  return account?.email;
}

const [address = "", email = "", password = ""] = process.argv.slice(2);
console.log(await signIn(`http://${address}`, email, password));
