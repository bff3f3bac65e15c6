// The MCP server of docs/MCP.md, as it stands there, started as its reader would.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const DOCUMENT = process.env.COUNTERSIGN_TEST_MCP_DOCUMENT;

// The text between the line that writes the file and the line that ends it.
export function program() {
  const found = /cat > server\.mjs <<'EOF'\n(.*?)\nEOF\n/s.exec(readFileSync(DOCUMENT, "utf8"));
  return found[1] + "\n";
}

export async function startMcpServer(issuer, port) {
  // Beside its packages.
  const file = join(HERE, `server-${port}.mjs`);
  writeFileSync(file, program());
  const resource = `http://127.0.0.1:${port}/mcp`;
  const child = spawn(process.execPath, [file], { env: { ...process.env, ISSUER: issuer, RESOURCE: resource }, stdio: ["ignore", "pipe", "inherit"] });
  // It says so when it listens.
  await once(child.stdout, "data");
  return {
    resource,
    stop: async () => {
      child.kill();
      await once(child, "exit");
    },
  };
}
