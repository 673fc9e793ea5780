/**
 * The benchmark's page in a real browser: every plot must have painted, light and dark, wide and on a phone, with no word
 * of complaint and nothing loaded from anywhere. `--report FOLDER/report.json` opens a report of yours in place of one built
 * here, `--screenshots FOLDER` keeps what was seen.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { BenchReport } from "../../bench/report/bench-report.ts";
import { readPageParts } from "../../bench/report/page/html-page.ts";
import { reportPage } from "../../bench/report/page/report-page.ts";
import { benchReport, sweepReport } from "../support/bench-reports.ts";
import { Browser } from "./browser.ts";
import type { Screen } from "./browser.ts";

const SCREENS: Readonly<Record<string, Screen>> = {
  "wide-light": { width: 1280, height: 900, dark: false, phone: false },
  "wide-dark": { width: 1280, height: 900, dark: true, phone: false },
  "phone-light": { width: 390, height: 844, dark: false, phone: true },
  "phone-dark": { width: 390, height: 844, dark: true, phone: true },
};

/** For each figure: how many of its canvas's pixels were painted in a colour of its lines, and whether it fits its place. */
const PAINTED = `Array.from(document.querySelectorAll("figure"), (figure) => {
  const canvas = figure.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let coloured = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, alpha] = [data[at], data[at + 1], data[at + 2], data[at + 3]];
    if (alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) coloured++;
  }
  return { id: figure.id, coloured, fits: figure.scrollWidth <= figure.clientWidth + 1 };
})`;

interface Painted {
  readonly id: string;
  readonly coloured: number;
  readonly fits: boolean;
}

const { values } = parseArgs({ options: { report: { type: "string" }, screenshots: { type: "string" } } });
const reports: Readonly<Record<string, BenchReport>> =
  values.report === undefined
    ? { sweep: sweepReport(), closed: benchReport() }
    : { given: BenchReport.parse(JSON.parse(await readFile(values.report, "utf8"))) };

const folder = await mkdtemp(join(tmpdir(), "tiding-report-page-"));
const shots = values.screenshots === undefined ? null : resolve(values.screenshots);
if (shots !== null) await mkdir(shots, { recursive: true });
try {
  await using browser = await Browser.start();
  const parts = await readPageParts();
  for (const [name, report] of Object.entries(reports)) {
    const file = join(folder, `${name}.html`);
    await writeFile(file, reportPage(report, parts));
    for (const [screenName, screen] of Object.entries(SCREENS)) {
      await browser.open(pathToFileURL(file).href, screen);
      if (shots !== null) await writeFile(join(shots, `${name}-${screenName}.png`), await browser.screenshot());
      const plots = await checkPage(browser);
      console.log(`${name}, ${screenName}: ${plots} plots painted, no complaint, nothing loaded`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Looks at every variant of every group; how many plots there are. */
async function checkPage(browser: Browser): Promise<number> {
  const seen = new Set<string>();
  const look = async (): Promise<void> => {
    const plots = (await browser.evaluate(PAINTED)) as Painted[];
    for (const { id, coloured, fits } of plots) {
      assert.ok(fits, `the plot ${id} is wider than its place`);
      // Where nothing failed there is nothing to see but the line on the ground, which is coloured as well.
      assert.ok(coloured > 50, `the plot ${id} has ${coloured} coloured pixels`);
      seen.add(id);
    }
  };
  await look();
  const pickers = (await browser.evaluate(
    `Array.from(document.querySelectorAll("select"), ({ id, length }) => ({ id, length }))`,
  )) as { readonly id: string; readonly length: number }[];
  for (const { id, length } of pickers) {
    for (let index = 0; index < length; index++) {
      await browser.evaluate(
        `(() => { const picker = document.getElementById("${id}"); picker.value = "${index}"; picker.dispatchEvent(new Event("change")); })()`,
      );
      await browser.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
      );
      await look();
    }
  }
  const overflow = await browser.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  assert.equal(overflow, 0, "the page is wider than its screen");
  assert.deepEqual(browser.complaints(), []);
  assert.deepEqual(browser.loads(), []);
  return seen.size;
}
