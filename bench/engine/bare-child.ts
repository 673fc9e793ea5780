/** The same requests by nothing but undici and a loop: what the engine is held against. */
import { Pool, request } from "undici";
import { questionOf } from "./questions.ts";
import { serveMeasured } from "./measured-child.ts";

export interface BareTask {
  readonly url: string;
  readonly rows: number;
  readonly slots: number;
}

serveMeasured<BareTask, { readonly characters: number }>(async ({ url, rows, slots }) => {
  const dispatcher = new Pool(url, { connections: slots, pipelining: 1 });
  const headers = { accept: "application/json", "content-type": "application/json" };
  let next = 0;
  let characters = 0;
  const loop = async (): Promise<void> => {
    for (let row = next++; row < rows; row = next++) {
      const response = await request(`${url}/v1/chat/completions`, {
        method: "POST",
        headers,
        // Field for field what the engine sends; its seeds have as many digits.
        body: JSON.stringify({
          max_tokens: 512,
          model: "tgi",
          messages: [{ role: "user", content: questionOf(row) }],
          seed: Number.MAX_SAFE_INTEGER - row,
        }),
        dispatcher,
      });
      const answer = JSON.parse(await response.body.text()) as { choices: [{ message: { content: string } }] };
      characters += answer.choices[0].message.content.length;
    }
  };
  await Promise.all(Array.from({ length: slots }, loop));
  await dispatcher.close();
  return { characters };
});
