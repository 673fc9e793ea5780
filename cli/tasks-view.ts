import type { CardOutput, TaskDescription } from "../worker/tasks/task-card.ts";
import { renderTable } from "./table.ts";
import type { Look } from "./text.ts";
import { paint, wrap } from "./text.ts";

/** The tasks, one in a line. */
export function renderTasks(tasks: readonly TaskDescription[], look: Look): string[] {
  return renderTable(
    [
      { title: "task", text: ({ name }) => name, style: () => "bold" },
      { title: "reads", text: ({ inputs }) => Object.keys(inputs).join(", ") },
      { title: "returns", text: ({ outputs }) => Object.keys(outputs).join(", ") },
    ],
    tasks,
    look,
  );
}

/** One task with its columns, its keys and a spec to start from. */
export function renderTask(task: TaskDescription, look: Look): string[] {
  const inputs = Object.entries(task.inputs).map(([name, { need, does }]) => ({ name, of: need, does }));
  const outputs = Object.entries(task.outputs).map(([name, { type, does }]) => ({
    name,
    of: kindOf(type),
    does,
  }));
  const keys = Object.entries(task.keys).map(([name, does]) => ({ name, of: "", does }));
  return [
    paint(look, { text: task.name, style: "bold" }),
    ...wrap(task.does, Math.min(look.width, 100)),
    ...section("reads", inputs, look),
    ...section("returns", outputs, look),
    ...section("keys of the step", keys, look),
    ...heading("example", look),
    ...task.example
      .trimEnd()
      .split("\n")
      .map((line) => `  ${line}`),
  ];
}

/** A type in a word or three: what a struct holds is in the JSON form. */
function kindOf(type: CardOutput["type"]): string {
  if (typeof type === "string") return type;
  return "list" in type ? `list of ${kindOf(type.list)}` : "struct";
}

interface Entry {
  readonly name: string;
  readonly of: string;
  readonly does: string;
}

/** Names and kinds in columns, and what they do beside them, in as many lines as the width asks for. */
function section(title: string, entries: readonly Entry[], look: Look): string[] {
  if (entries.length === 0) return [];
  const nameWidth = Math.max(...entries.map(({ name }) => name.length));
  const ofWidth = Math.max(...entries.map(({ of }) => of.length));
  const indent = nameWidth + (ofWidth === 0 ? 0 : ofWidth + 2) + 4;
  const lines = entries.flatMap(({ name, of, does }) => {
    const start = `  ${paint(look, { text: name.padEnd(nameWidth), style: "cyan" })}`;
    const kind = ofWidth === 0 ? "" : `  ${paint(look, { text: of.padEnd(ofWidth), style: "dim" })}`;
    const [first = "", ...rest] = wrap(does, Math.max(30, Math.min(look.width, 100) - indent));
    return [`${start}${kind}  ${first}`, ...rest.map((line) => " ".repeat(indent) + line)];
  });
  return [...heading(title, look), ...lines];
}

function heading(title: string, look: Look): string[] {
  return ["", paint(look, { text: title, style: "dim" })];
}
