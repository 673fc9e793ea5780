/** `tiding probe` on the real server: what it says must be what the server was started with. */
import type { EndpointProbe } from "../../jobs/probe-endpoint.ts";
import type { World } from "./model-checks.ts";
import { CONTEXT_TOKENS, MODEL_NAMES, PARALLEL } from "./model-server.ts";
import { tiding } from "./tiding-command.ts";

/** The form that the completions route is held to, with a field that no prompt of these would lead to. */
const FORM = { type: "object", properties: { zebra: { type: "boolean" } }, required: ["zebra"] };

export async function checkProbe({ server, findings }: World): Promise<Readonly<Record<string, unknown>>> {
  const end = await tiding("probe", server.url, "--json");
  findings.expect(end.code === 0, `tiding probe ended with exit code ${end.code}: ${end.stdout}`);
  const probe = JSON.parse(end.stdout) as EndpointProbe;
  const { serverVersion, limits } = probe;
  findings.expect(probe.server === "llamacpp", `The server was taken for ${probe.server}.`);
  findings.expect(probe.model === MODEL_NAMES[0], `The model was taken for ${probe.model}.`);
  findings.expect(limits.maxConcurrentRequests === PARALLEL, `${limits.maxConcurrentRequests} requests at a time.`);
  findings.expect(limits.maxTotalTokens === CONTEXT_TOKENS, `${limits.maxTotalTokens} tokens of context.`);
  findings.expect(serverVersion !== null, "The server's version was not found.");
  findings.expect(await keepsToForm(server.url), "Its completions route does not keep to a JSON Schema.");
  return { server: probe.server, serverVersion, limits, latencyMs: Math.round(probe.latencyMs) };
}

/** Whether `server-routes.ts` is right that a schema binds rendered prompts too. */
async function keepsToForm(url: string): Promise<boolean> {
  const body = JSON.stringify({ prompt: "An otter is", max_tokens: 16, json_schema: FORM });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
  const { choices } = (await response.json()) as { readonly choices: readonly { readonly text: string }[] };
  return /^\s*\{\s*"zebra"/.test(choices[0]?.text ?? "");
}
