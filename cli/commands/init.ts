import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import { messageOf, TidingError } from "../../shared/errors.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { JOB_TEMPLATE, SCHEMA_FILE } from "../job-template.ts";
import { quoteForShell } from "../summary.ts";
import type { CliContext } from "../terminal.ts";
import { writeLines } from "../terminal.ts";

/** `tiding init`: writes a spec to start from. */
export function initCommand(context: CliContext, finish: Finish): Command {
  return new Command("init")
    .summary("write a commented job spec to start from")
    .description(
      "Writes a commented job spec to start from, and beside it the JSON Schema that lets an editor complete and " +
        "check it. A spec that exists is never overwritten.",
    )
    .argument("[file]", "the spec to write, a YAML file", "job.yaml")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding init", does: "job.yaml, here" },
          { command: "tiding init jobs/gsm8k.yaml", does: "under another name, in a folder that exists" },
        ],
        exitCodes: "Exit codes: 0 written; 2 the file exists, is no YAML file, or cannot be written.",
        next: "Next: set input.path and base_url in it, then `tiding preview job.yaml`.\nNo endpoint at hand? `tiding simulate` starts one.",
      }),
    )
    .action(async (file: string) => {
      finish(await init(context, file));
    });
}

async function init({ stdout }: CliContext, file: string): Promise<ExitCode> {
  if (!/\.ya?ml$/i.test(file)) {
    throw new TidingError("USAGE", `${file} is not the name of a YAML file, which is what is written.`, {
      place: file,
      mend: "Let it end in .yaml: tiding init job.yaml",
    });
  }
  const { jobSpecJsonSchema } = await import("../../shared/spec/json-schema.ts");
  if (!(await writeNew(file, JOB_TEMPLATE))) {
    throw new TidingError("USAGE", `${file} exists, and is not overwritten.`, {
      place: file,
      mend: "Name another file: tiding init other.yaml",
    });
  }
  const schemaFile = path.join(path.dirname(file), SCHEMA_FILE);
  const schemaIsNew = await writeNew(schemaFile, `${JSON.stringify(jobSpecJsonSchema(), null, 2)}\n`);
  const job = quoteForShell(file);
  writeLines(stdout, [
    `Wrote ${file}${schemaIsNew ? ` and ${schemaFile}, which editors check it with` : ""}. Next:`,
    `  1. set input.path and base_url in it`,
    `  2. tiding preview ${job}   shows the first rows, writes nothing`,
    `  3. tiding run ${job}`,
  ]);
  return EXIT.accepted;
}

/** False when the file exists. */
async function writeNew(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const reason = isMissing ? `there is no folder ${path.dirname(file)}` : messageOf(error);
    throw new TidingError("USAGE", `${file} cannot be written: ${reason}.`, {
      place: file,
      mend: isMissing ? "Make the folder, or name a file in one that exists." : "Name a file that you may write.",
      cause: error,
    });
  }
}
