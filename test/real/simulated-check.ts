/** A whole file on the simulated endpoint, whose answers follow from their prompts. */
import { join } from "node:path";
import { answerFor, promptOf } from "../../bench/simulator/answer.ts";
import { startSimulatorProcess } from "../../bench/simulator/child.ts";
import type { Findings } from "./findings.ts";
import { writeJob } from "./job-folder.ts";
import type { PythonEnvironment } from "./python-environment.ts";
import { readDataset } from "./read-dataset.ts";
import { reportOf, tiding } from "./tiding-command.ts";

const ANSWER_CHARS = 400;
const NEW_TOKENS = 512;

/** Every row's answer must be the one that its own prompt determines, in the input's order. */
export async function checkSimulated(
  root: string,
  questions: readonly string[],
  { environment, findings }: { readonly environment: PythonEnvironment; readonly findings: Findings },
): Promise<Readonly<Record<string, unknown>>> {
  await using simulator = await startSimulatorProcess({
    answerChars: ANSWER_CHARS,
    latency: { distribution: "lognormal", medianMs: 50 },
  });
  const llm = { base_url: simulator.url, slots: 64, generation_kwargs: { max_new_tokens: NEW_TOKENS } };
  const job = await writeJob(root, "simulated", { questions, llm });
  const end = await tiding("run", job.spec, "--json", "--quiet");
  const { run } = reportOf(end);
  findings.expect(end.code === 0, `The job on the simulated endpoint ended with exit code ${end.code}.`);
  const rows = await readDataset(join(job.output, "data"), environment, findings);
  findings.expect(rows.length === questions.length, `${questions.length} questions became ${rows.length} rows.`);
  const wrong = rows.filter(({ question, generation, tiding: { row_id } }, index) => {
    const prompt = promptOf([{ role: "user", content: questions[index] ?? "" }]);
    const { text } = answerFor(prompt, { answerChars: ANSWER_CHARS, maxTokens: NEW_TOKENS });
    return row_id !== index || question !== questions[index] || generation !== text;
  });
  findings.expect(
    wrong.length === 0,
    `${wrong.length} rows lack their own answer, the first is ${wrong[0]?.tiding.row_id}.`,
  );
  return { rows: rows.length, requests: run.calls.requests, rowsPerSecond: run.rowsPerSecond };
}
