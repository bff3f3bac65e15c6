// The program under test, started for real on a free port of this machine with a folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const START_TIMEOUT_MS = 30_000;
const BINARY = process.env.COUNTERSIGN_BIN;
if (BINARY === undefined) {
  throw new Error("COUNTERSIGN_BIN must name the program; `tests/run interop` sets it");
}

// A port that is a program's to listen on: for a minute the system gives it to nobody who asks for any port, because the
// end with that port closed a connection first.
export async function freePort() {
  const probe = createServer((here) => here.end()).listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  await once(connect(port, "127.0.0.1").resume(), "close");
  probe.close();
  await once(probe, "close");
  return port;
}

async function isReady(url) {
  try {
    const answer = await fetch(`${url}/readyz`);
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}

// Settings are environment variables without their COUNTERSIGN_ prefix.
export async function startServer(settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), "countersign-"));
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}`;
  const logFile = join(folder, "server.log");
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("COUNTERSIGN_")));
  for (const [name, value] of Object.entries({ LISTEN: address, DATA_DIR: join(folder, "data"), LIMITS_ENABLED: "false", METRICS_ENABLED: "false", ...settings })) {
    env[`COUNTERSIGN_${name}`] = value;
  }
  const log = openSync(logFile, "a");
  const child = spawn(BINARY, [], { env, cwd: folder, stdio: ["ignore", log, log] });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    const [code] = await exited;
    rmSync(folder, { recursive: true });
    return code;
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      const said = readFileSync(logFile, "utf8");
      rmSync(folder, { recursive: true });
      throw new Error(`the server did not become ready:\n${said}`);
    }
    await delay(20);
  }
  return { url, address, stop };
}
