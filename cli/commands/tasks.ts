import { Command } from "commander";
import { TidingError } from "../../shared/errors.ts";
import type { Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import type { CliContext } from "../terminal.ts";
import { lookOf, writeJson, writeLines } from "../terminal.ts";

interface TasksFlags {
  readonly json?: true;
}

/** `tiding tasks`: the built-in tasks, or one of them with an example. */
export function tasksCommand(context: CliContext, finish: Finish): Command {
  return new Command("tasks")
    .summary("list the built-in tasks, or explain one with an example")
    .description(
      "Lists what a step's `task` can be. With a name: the columns that the task reads and returns, " +
        "the keys of the step that it heeds, and a job spec to start from.",
    )
    .argument("[name]", "a task, e.g. text-generation")
    .option("--json", "print one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding tasks", does: "what there is" },
          { command: "tiding tasks text-generation", does: "one of them, with an example" },
          { command: "tiding tasks text-generation --json | jq -r .tasks[0].example", does: "its example alone" },
        ],
        exitCodes: "Exit codes: 0 listed; 2 there is no task of that name.",
        next: "Next: `tiding init` writes a spec to start from; a task of your own is a module, see docs/tasks.md.",
      }),
    )
    .action(async (name: string | undefined, { json }: TasksFlags) => {
      const { stdout, environment } = context;
      const tasks = await chosenTasks(name);
      const [first] = tasks;
      const { renderTask, renderTasks } = await import("../tasks-view.ts");
      const look = lookOf(stdout, environment);
      if (json) writeJson(stdout, { version: 1, tasks });
      else if (name === undefined) writeLines(stdout, renderTasks(tasks, look));
      else if (first !== undefined) writeLines(stdout, renderTask(first, look));
      finish(EXIT.accepted);
    });
}

async function chosenTasks(name: string | undefined) {
  const { builtInTasks } = await import("../../worker/tasks/load-task.ts");
  const tasks = builtInTasks();
  if (name === undefined) return tasks;
  const chosen = tasks.filter((task) => task.name === name);
  if (chosen.length > 0) return chosen;
  const { nearestName } = await import("../../shared/spec/nearest-name.ts");
  const names = tasks.map((task) => task.name);
  const near = nearestName(name, names);
  throw new TidingError("USAGE", `There is no task ${JSON.stringify(name)}.`, {
    place: "name",
    mend: near === null ? `Write one of ${names.join(", ")}.` : `Did you mean ${near}?`,
  });
}
