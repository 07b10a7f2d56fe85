// Drives the app in a headless Chromium against a running Hob, as people would: a standalone launch by a patient and by a clinician, and a
// launch from an EHR. What it is told comes as JSON in the first argument, see smart_app_test.go. It says ok after each step.
import { strict as assert } from "node:assert";
import { mkdir } from "node:fs/promises";
import puppeteer from "puppeteer-core";
import { serve } from "./serve.mjs";

const told = JSON.parse(process.argv[2]);
const { base, port, chromium, shots } = told;
const server = await serve(port);
const app = `http://127.0.0.1:${port}`;
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"], headless: true });
const ok = (step) => console.log(`ok ${step}`);

// A page in a browser without cookies of others, which fails by what goes wrong in it: a blocked form, a script that is not admitted.
async function open() {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.violations = [];
  page.on("console", (m) => { if (/Content Security Policy|Refused to/i.test(m.text())) page.violations.push(m.text()); });
  await page.setViewport({ width: 390, height: 844 });
  return page;
}

const sizes = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } };

async function shot(page, name) {
  if (!shots) return;
  await mkdir(shots, { recursive: true });
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewport(viewport);
    await page.screenshot({ path: `${shots}/${name}-${size}.png`, fullPage: name.startsWith("consent") || name.startsWith("grants") });
  }
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await page.setViewport(sizes.phone);
  await page.screenshot({ path: `${shots}/${name}-dark.png` });
  await page.emulateMediaFeatures([]);
}

const heading = (page) => page.$eval("h1", (e) => e.textContent);
const click = (page, selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);
const status = async (page, want) => {
  await page.waitForFunction((w) => new RegExp(w).test(document.getElementById("status")?.textContent ?? ""), {}, want).catch(async (e) => {
    throw new Error(`the app says ${JSON.stringify(await page.$eval("body", (b) => b.textContent))}, want ${want}: ${e.message}`);
  });
};

async function signIn(page, user) {
  await page.waitForSelector("#password");
  await page.$eval("#name", (e) => { e.value = ""; });
  await page.type("#name", user);
  await page.type("#password", told.password);
  await click(page, "button.primary");
}

try {
  // A patient, standalone, with a wrong password first.
  let page = await open();
  await page.goto(`${app}/launch.html?iss=${encodeURIComponent(base)}&client=${told.client}`);
  await page.waitForSelector("#password");
  assert.match(await heading(page), /Sign in/);
  await shot(page, "login");
  await page.type("#name", "ada");
  await page.type("#password", "not the password");
  await click(page, "button.primary");
  assert.match(await page.$eval("#problem", (e) => e.textContent), /wrong/);
  await shot(page, "login-wrong");
  await signIn(page, "ada");
  assert.match(await heading(page), /Allow Weights/);
  await shot(page, "consent");
  await click(page, "button.primary");
  await status(page, "1 measurements");
  assert.match(await page.$eval("#patient", (e) => e.textContent), /Ada Lovelace/);
  assert.match(await page.evaluate(() => document.body.dataset.user), /Patient\/demo-ada$/);
  await shot(page, "app");
  ok("standalone launch");
  await page.click("#refresh");
  await status(page, "Refreshed");
  ok("refreshed");

  // The page of grants, in the same browser: taken back.
  const grants = await page.browserContext().newPage();
  await grants.setViewport(sizes.phone);
  await grants.goto(`${base}/auth/grants`);
  assert.match(await grants.$eval("body", (e) => e.textContent), /Weights/);
  await shot(grants, "grants");
  await click(grants, "button.danger");
  assert.match(await grants.$eval("[role=status]", (e) => e.textContent), /no access any more/);
  await page.bringToFront();
  await page.click("#again");
  await status(page, "Refused|Session expired|[Uu]nauthorized|Please re-launch");
  await page.click("#refresh");
  await status(page, "Refused|Session expired|[Uu]nauthorized|Please re-launch");
  ok("revoked");
  assert.deepEqual(page.violations, []);

  // A clinician, standalone: chooses a patient, and gives less than was asked for.
  page = await open();
  await page.goto(`${app}/launch.html?iss=${encodeURIComponent(base)}&client=${told.client}`);
  await signIn(page, "grace");
  assert.match(await heading(page), /Choose a patient/);
  await shot(page, "patient");
  await page.type("#search", "babb");
  await click(page, ".search button");
  assert.equal((await page.$$(".person")).length, 1);
  await click(page, ".person");
  await page.click("details summary");
  await shot(page, "consent-narrow");
  const vitals = await page.$$eval("input[name=scope]", (all) => all.findIndex((e) => e.value.includes("vital-signs")));
  await (await page.$$("input[name=scope]"))[vitals].evaluate((e) => { e.closest("details").open = true; e.click(); });
  await click(page, "button.primary");
  await status(page, "1 measurements");
  assert.match(await page.$eval("#patient", (e) => e.textContent), /Charles Babbage/);
  assert.match(await page.evaluate(() => document.body.dataset.scope), /patient\/Observation.rs\?category=\S+vital-signs/);
  ok("patient chosen, scopes narrowed");
  assert.deepEqual(page.violations, []);

  // From an EHR, which is a confidential client.
  const form = new URLSearchParams({ grant_type: "client_credentials", scope: "system/*.rs hob/launch" });
  const basic = Buffer.from(`${told.ehr}:${told.secret}`).toString("base64");
  const token = await (await fetch(`${base}/auth/token`, { method: "POST", body: form, headers: { Authorization: `Basic ${basic}` } })).json();
  const made = await (await fetch(`${base}/auth/launch`, {
    method: "POST", headers: { Authorization: `Bearer ${token.access_token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ patient: "demo-ada", encounter: "demo-visit" }),
  })).json();
  page = await open();
  await page.goto(`${app}/launch.html?client=${told.client}&launch=${made.launch}&iss=${encodeURIComponent(base)}`);
  await signIn(page, "grace");
  assert.match(await heading(page), /Allow Weights/);
  await shot(page, "consent-ehr");
  await click(page, "button.primary");
  await status(page, "1 measurements");
  assert.match(await page.$eval("#patient", (e) => e.textContent), /Ada Lovelace/);
  assert.equal(await page.evaluate(() => document.body.dataset.encounter), "demo-visit");
  assert.match(await page.evaluate(() => document.body.dataset.user), /Practitioner\/demo-grace$/);
  ok("EHR launch");
  await page.click("#refresh");
  await status(page, "Refreshed");
  ok("refreshed after an EHR launch");

  // No, and an address that is not the app's.
  page = await open();
  await page.goto(`${app}/launch.html?iss=${encodeURIComponent(base)}&client=${told.client}`);
  await signIn(page, "ada");
  await Promise.all([page.waitForNavigation(), page.click("button[value=deny]")]);
  await status(page, "the user said no|access_denied");
  ok("denied");
  await page.goto(`${base}/auth/authorize?client_id=${told.client}&redirect_uri=https://evil.example/`);
  assert.match(await heading(page), /cannot be connected/);
  await shot(page, "error");
  ok("error page");
} finally {
  await browser.close();
  server.close();
}
