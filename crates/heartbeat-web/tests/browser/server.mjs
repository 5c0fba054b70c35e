// Starts the real binary on a free port with a database of its own, and finds its sign-in link.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import path from "node:path";

const START_WITHIN = 30_000;
const STOP_WITHIN = 15_000;

// What names a model or a setting must not reach the demo from outside.
function environment() {
  const foreign = /^(HEARTBEAT_|OPENAI_|ANTHROPIC_|GEMINI_|OLLAMA_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

export async function startServer(binary, directory) {
  assert.ok(binary, "HEARTBEAT_BINARY is not set");
  const database = path.join(directory, "heartbeat.db");
  const child = spawn(
    binary,
    ["serve", "--demo", "--listen", "127.0.0.1:0", "--database", `sqlite://${database}`],
    { cwd: directory, env: environment(), stdio: ["ignore", "pipe", "pipe"] },
  );
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => said.push(text));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN);
    await gone;
    clearTimeout(timer);
  };
  try {
    return { link: await signInLink(`${database}.sign-in`, child), stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${Buffer.concat(said).toString()}`);
  }
}

// The file appears once the server listens; the directory says when.
function signInLink(file, child) {
  return new Promise((resolve, reject) => {
    const look = async () => {
      const text = await readFile(file, "utf8").catch(() => "");
      const link = text.match(/https?:\/\/\S+\/login\?code=\S+/)?.[0];
      if (link) done(() => resolve(link));
    };
    const watcher = watch(path.dirname(file), look);
    const timer = setTimeout(
      () => done(() => reject(new Error(`no sign-in link in ${file}`))),
      START_WITHIN,
    );
    const died = (code) => done(() => reject(new Error(`the server ended with ${code}`)));
    const done = (settle) => {
      watcher.close();
      clearTimeout(timer);
      child.off("exit", died);
      settle();
    };
    child.on("exit", died);
    child.on("error", died);
    look();
  });
}
