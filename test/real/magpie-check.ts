/** Conversations that the real model writes alone, each of both speakers' messages in turn. */
import { join } from "node:path";
import { writeJob } from "./job-folder.ts";
import { PARALLEL } from "./model-server.ts";
import { readDataset } from "./read-dataset.ts";
import type { ProvenRow } from "./read-dataset.ts";
import type { AnswersWorld } from "./structured-check.ts";
import { reportOf, tiding } from "./tiding-command.ts";

const TURNS = 3;
/** Six messages and the system prompt then have 400 tokens at most, of a context of 1,024. */
const NEW_TOKENS = 48;
const TEMPLATE_TOKENS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

interface Message {
  readonly role: string;
  readonly content: string;
}

interface ConversationRow extends ProvenRow {
  readonly conversation: readonly Message[];
}

export interface MagpieResult {
  /** Conversations that are as they should be. */
  readonly whole: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export async function checkMagpie(
  { root, environment, server, findings }: AnswersWorld,
  wanted: number,
  tokenizer: string,
): Promise<MagpieResult> {
  const llm = {
    ...server.access,
    slots: PARALLEL,
    tokenizer_id: tokenizer,
    generation_kwargs: { max_new_tokens: NEW_TOKENS, temperature: 0.8 },
  };
  const step = { task: "magpie-generator", num_rows: wanted, n_turns: TURNS };
  const job = await writeJob(root, "magpie", { questions: [], llm, step });
  const end = await tiding("run", job.spec, "--json", "--quiet");
  const { rows: counts, run, failures, error } = reportOf(end);
  findings.expect(error === null, `The job of conversations stopped: ${error?.code} ${error?.message}`);
  const isEnded = counts.accepted + counts.failed === wanted;
  findings.expect(isEnded, `${counts.accepted} conversations were made and ${counts.failed} failed, of ${wanted}.`);

  const rows = await readDataset<ConversationRow>(join(job.output, "data"), environment, findings);
  const isOnce = rows.length === counts.accepted && new Set(rows.map((row) => row.tiding.row_id)).size === rows.length;
  findings.expect(isOnce, `The dataset of conversations has ${rows.length} rows, its report says ${counts.accepted}.`);
  const faulty = rows.flatMap(({ conversation, tiding: { row_id } }) => {
    const faults = faultsOf(conversation);
    if (faults.length > 0) findings.expect(false, `Conversation ${row_id}: ${faults.join("; ")}.`);
    return faults.length > 0 ? [row_id] : [];
  });
  const beginnings = new Set(rows.map(({ conversation }) => conversation[0]?.content)).size;
  findings.expect(
    beginnings > rows.length / 2,
    `${rows.length} conversations begin with ${beginnings} different messages.`,
  );
  return {
    whole: rows.length - faulty.length,
    details: {
      conversations: rows.length,
      faulty,
      beginnings,
      askedAgain: run.calls.answers - 2 * TURNS * rows.length,
      cutByLength: run.calls.cutByLength,
      outputTokens: run.calls.outputTokens,
      seconds: Math.round(run.elapsedMs / 1_000),
      failures,
      example: rows[0]?.conversation,
    },
  };
}

function faultsOf(conversation: readonly Message[]): readonly string[] {
  const faults: string[] = [];
  const roles = conversation.map(({ role }) => role).join(" ");
  const wanted = Array.from({ length: TURNS }, () => "user assistant").join(" ");
  if (roles !== wanted) faults.push(`its roles are ${roles}`);
  for (const [index, { content }] of conversation.entries()) {
    if (content.trim() === "") faults.push(`message ${index} is empty`);
    const token = TEMPLATE_TOKENS.find((text) => content.includes(text));
    if (token !== undefined) faults.push(`message ${index} holds ${token}`);
  }
  return faults;
}
