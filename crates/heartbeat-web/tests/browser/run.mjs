// The browser pass: a person's first minutes with the real binary, in a real Chromium.
//
// Environment, all paths absolute:
//   HEARTBEAT_BINARY (or HEARTBEAT_BIN)   the binary
//   PLAYWRIGHT_CORE                       the module to import, or
//   HEARTBEAT_NODE_MODULES                a folder that has playwright-core
//   CHROMIUM (or CHROMIUM_PATH)           the browser; /usr/bin/chromium where absent
//   HEARTBEAT_SCREENSHOTS                 where to put pictures; none where absent
//   HEARTBEAT_BASE_URL, HEARTBEAT_LINK    a server that runs already, and its sign-in link

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { startServer } from "./server.mjs";

const env = process.env;
const PATIENCE = 60_000; // for what the server has to do; nothing waits longer than it has to
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function playwright() {
  const module =
    env.PLAYWRIGHT_CORE ?? path.join(env.HEARTBEAT_NODE_MODULES ?? "", "playwright-core/index.mjs");
  return (await import(pathToFileURL(module).href)).chromium;
}

// Everything that a page complained about; a pass ends without any.
function listen(page) {
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    const ours = ["127.0.0.1", "localhost"].includes(hostname) || protocol === "data:";
    if (!ours) complaints.push(`asked for ${request.url()}`);
  });
  return complaints;
}

async function picture(page, name) {
  if (!env.HEARTBEAT_SCREENSHOTS) return;
  await mkdir(env.HEARTBEAT_SCREENSHOTS, { recursive: true });
  const file = path.join(env.HEARTBEAT_SCREENSHOTS, `${name}.png`);
  await page.screenshot({ path: file, fullPage: true });
}

// Light, dark and the narrowest phone; the narrow page must not scroll sideways.
async function looks(page, name) {
  await picture(page, `${name}-light`);
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, `${name}-dark`);
  await page.emulateMedia({ colorScheme: "light" });
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${name} is ${over} px too wide at 360 px`);
  await picture(page, `${name}-narrow`);
  await page.setViewportSize(before);
}

async function signIn(page, link) {
  await page.goto(link);
  await page.reload(); // Looking at a link does not use it up.
  await looks(page, "login");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { level: 2, name: "Heartbeats" }).waitFor();
}

async function seesTheDemoAtWork(page) {
  const heartbeats = page.getByRole("table", { name: /^Heartbeats of/ }).first();
  await heartbeats.getByRole("row").nth(1).waitFor();
  await page.locator("#live", { hasText: "live" }).waitFor();
  const ended = page.locator("tr[data-execution] .mark-success").first();
  await ended.waitFor({ timeout: PATIENCE });
  await page.locator(".notice.unread").first().waitFor({ timeout: PATIENCE });
  await looks(page, "home");
}

async function readsAMessage(page) {
  const unread = page.locator(".notice.unread");
  const id = await unread.first().getAttribute("data-notice");
  await page.locator(`#ack-${id}`).click();
  await page.locator(`.notice:not(.unread)[data-notice="${id}"]`).waitFor();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: /Inbox/ }).click();
  await page.getByRole("heading", { level: 1, name: "Inbox" }).waitFor();
  await looks(page, "inbox");
  await page.getByRole("link", { name: "Home" }).click();
}

// The new row comes by itself: this page stays as it is while another one triggers.
async function triggersAndWatches(page, context) {
  const names = page.locator("table.heartbeats a.name");
  const href = await names.last().getAttribute("href");
  const before = await page.locator("tr[data-execution]").first().getAttribute("data-execution");
  const other = await context.newPage();
  const complaints = listen(other);
  await other.goto(new URL(href, page.url()).href);
  await looks(other, "heartbeat");
  await other.getByRole("button", { name: "Trigger now" }).click();
  await other.waitForURL("**/executions/*");
  const id = new URL(other.url()).pathname.split("/").at(-1);
  await page.locator(`tr[data-execution="${id}"]`).waitFor({ timeout: PATIENCE });
  assert.notEqual(id, before);
  await other.locator(".title .mark:not(.mark-running)").waitFor({ timeout: PATIENCE });
  await opensItsSteps(other);
  await looks(other, "execution");
  assert.deepEqual(complaints, []);
  await other.close();
}

async function opensItsSteps(page) {
  const steps = page.locator("details");
  if ((await steps.count()) === 0) return; // A watch asks no model.
  await steps.last().locator("summary").click();
  await steps.last().locator(".inside").waitFor();
}

async function disablesAndEnables(page) {
  await page.locator("table.heartbeats a.name").last().click();
  await page.getByRole("button", { name: "Disable" }).click();
  await page.locator(".title .mark-off").waitFor();
  await page.getByRole("button", { name: "Enable" }).click();
  await page.locator(".title .mark-active").waitFor();
  await page.getByRole("link", { name: "error", exact: true }).click();
  await page.locator('.filters a[aria-current="true"]', { hasText: "error" }).waitFor();
}

// Nothing listens there: the server is kept, with its trouble, and its secret is nowhere to be seen.
async function managesToolServers(page) {
  await page.getByLabel("Pages").getByRole("link", { name: "Home" }).click();
  await page.locator('a[href^="/agents/"]').first().click();
  await page.getByRole("link", { name: "Tools", exact: true }).click();
  await page.getByLabel("Label").last().fill("Desk");
  await page.getByLabel(/^Address/).last().fill("http://127.0.0.1:9/mcp");
  await page.getByLabel(/^Headers/).last().fill("Authorization: Bearer canary-in-a-cage");
  await page.getByRole("button", { name: "Add and list its tools" }).click();
  const card = page.locator(".server");
  await card.locator(".mark-error", { hasText: "trouble" }).waitFor({ timeout: PATIENCE });
  await card.getByText("Authorization").waitFor();
  assert.ok(!(await page.content()).includes("canary-in-a-cage"), "the page shows a secret");
  await looks(page, "tools");
  await page.getByRole("button", { name: "Disable Desk" }).click();
  await card.locator(".mark-off").waitFor();
  await page.getByText("Change or remove").click();
  await card.getByLabel("Label").fill("Front desk");
  await page.getByRole("button", { name: "Save changes to Desk" }).click();
  await page.getByRole("heading", { level: 2, name: "Front desk" }).waitFor();
  await page.getByText("Change or remove").click();
  await page.getByRole("button", { name: "Remove Front desk" }).click();
  await page.getByText("has no tool server yet").waitFor();
}

function goes(page, where) {
  const pages = page.getByRole("navigation", { name: "Pages", exact: true });
  return pages.getByRole("link", { name: where }).click();
}

// It asks before it stops, lists what it stopped, and goes on.
async function pausesAndResumes(page) {
  await goes(page, "Home");
  await page.getByRole("button", { name: "Pause everything" }).click();
  await page.getByRole("heading", { level: 1, name: "Pause everything?" }).waitFor();
  await looks(page, "pause");
  await page.getByRole("button", { name: "Pause everything" }).click();
  await page.getByRole("heading", { level: 1, name: "Everything is paused" }).waitFor();
  await page.locator(".names a").first().waitFor();
  await looks(page, "paused");
  await goes(page, "Home");
  await page.getByRole("heading", { level: 1, name: "Everything is paused" }).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause everything" }).waitFor();
}

async function looksAtUsage(page) {
  await goes(page, "Usage");
  const project = page.getByRole("table", { name: "The project" });
  await project.getByRole("cell", { name: "Today" }).waitFor();
  await looks(page, "usage");
  await page.getByRole("link", { name: "heartbeats", exact: true }).click();
  await page.locator('.filters a[aria-current="true"]', { hasText: "heartbeats" }).waitFor();
}

async function signsOut(page) {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("heartbeat login").waitFor();
  await page.goto(new URL("/", page.url()).href);
  await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
}

async function walk(context, link) {
  const page = await context.newPage();
  const complaints = listen(page);
  await signIn(page, link);
  await seesTheDemoAtWork(page);
  await readsAMessage(page);
  await triggersAndWatches(page, context);
  await disablesAndEnables(page);
  await managesToolServers(page);
  await pausesAndResumes(page);
  await looksAtUsage(page);
  await signsOut(page);
  assert.deepEqual(complaints, [], "the pages complained");
}

const directory = await mkdtemp(path.join(tmpdir(), "heartbeat-browser-"));
const server = env.HEARTBEAT_LINK
  ? { link: env.HEARTBEAT_LINK, stop: async () => {} }
  : await startServer(env.HEARTBEAT_BINARY ?? env.HEARTBEAT_BIN, directory);
try {
  const chromium = await playwright();
  const context = await chromium.launchPersistentContext(path.join(directory, "profile"), {
    executablePath: env.CHROMIUM ?? env.CHROMIUM_PATH ?? "/usr/bin/chromium",
    args: FLAGS,
    viewport: { width: 1280, height: 900 },
  });
  context.setDefaultTimeout(20_000);
  try {
    await walk(context, server.link);
  } finally {
    await context.close();
  }
  console.log("1 passed, 0 failed");
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
