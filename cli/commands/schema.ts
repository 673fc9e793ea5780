import { Command } from "commander";
import type { Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { SCHEMA_FILE } from "../job-template.ts";
import type { CliContext } from "../terminal.ts";
import { writeJson } from "../terminal.ts";

/** `tiding schema`: the JSON Schema of a job spec. */
export function schemaCommand({ stdout }: CliContext, finish: Finish): Command {
  return new Command("schema")
    .summary("print the JSON Schema of a job spec")
    .description(
      "Prints the JSON Schema (draft 2020-12) of a job spec: every key with its meaning and default. " +
        "Editors complete and check a spec with it; `tiding init` puts it beside the spec.",
    )
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: `tiding schema > ${SCHEMA_FILE}`, does: "bring the file beside a spec up to date" },
          { command: "tiding schema | jq .properties.run", does: "look one part up" },
        ],
        exitCodes: "Exit codes: 0 printed.",
        next: "Next: a spec names it in its first line, as the one that `tiding init` writes does.",
      }),
    )
    .action(async () => {
      const { jobSpecJsonSchema } = await import("../../shared/spec/json-schema.ts");
      writeJson(stdout, jobSpecJsonSchema());
      finish(EXIT.accepted);
    });
}
