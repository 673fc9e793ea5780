/**
 * A JSON Schema as a check of values, by ajv.
 *
 * Strict: a keyword or format that ajv does not know is refused, because a rule that nobody checks is worse than none.
 * A schema is compiled to code in an instance of its own, so that ids of two schemas never meet; schemas come from the
 * job's author, as its code does.
 */
import { createRequire } from "node:module";
import type { Ajv, ErrorObject } from "ajv";
import type formatsPlugin from "ajv-formats";
import { messageOf } from "../errors.ts";
import { nearestName } from "../spec/nearest-name.ts";
import type { KeyPath } from "../spec/spec-problem.ts";
import type { JsonSchema } from "../task/task.ts";
import type { AnswerFault, CompiledForm, FormFault } from "./compile-form.ts";

/** Loaded when the first schema is met: it takes as long as a small command does, and few jobs have one. */
const load = createRequire(import.meta.url);

type AjvClass = typeof Ajv;
type Draft = "2020-12" | "draft-07";

const DRAFTS: Readonly<Record<Draft, () => AjvClass>> = {
  "2020-12": () => (load("ajv/dist/2020.js") as { Ajv2020: AjvClass }).Ajv2020,
  "draft-07": () => (load("ajv") as { Ajv: AjvClass }).Ajv,
};

const OPTIONS = {
  allErrors: true,
  strictSchema: true,
  strictTypes: false,
  strictTuples: false,
  logger: false,
} as const;

/** OpenAPI's hint beside `oneOf`, which pydantic writes: the branches say all of it again. */
const ANNOTATIONS = ["discriminator"];
const SHOWN_FAULTS = 8;
const SHOWN_VALUES = 200;

/** One a draft: compiling a draft's own schema takes tens of milliseconds. */
const metaSchemas = new Map<Draft, Ajv>();

export function compileJsonForm(schema: JsonSchema): CompiledForm | FormFault {
  const draft = draftOf(schema);
  if (draft === null) {
    return {
      path: ["schema", "$schema"],
      what: "names a draft of JSON Schema that is not checked here.",
      mend: "Write a schema of draft 2020-12 or draft-07, or leave `$schema` out for 2020-12.",
    };
  }
  const meta = metaSchemas.get(draft) ?? new (DRAFTS[draft]())(OPTIONS);
  metaSchemas.set(draft, meta);
  if (meta.validateSchema(schema) !== true) return metaFault(meta.errors?.[0]);
  const ajv = new (DRAFTS[draft]())({ ...OPTIONS, meta: false, validateSchema: false });
  const formats = load("ajv-formats") as { default: typeof formatsPlugin.default };
  formats.default(ajv);
  ajv.addVocabulary(ANNOTATIONS);
  try {
    const validate = ajv.compile(schema);
    return {
      form: { format: "json", schema },
      faultsOf: (value) => (validate(value) ? [] : faultsOf(validate.errors ?? [])),
    };
  } catch (error) {
    // Whatever ajv throws here is about the schema: unknown keywords and formats, references, patterns.
    return compileFault(messageOf(error), Object.keys(ajv.RULES.all));
  }
}

function draftOf(schema: JsonSchema): Draft | null {
  const named = schema["$schema"];
  if (named === undefined || named === null) return "2020-12";
  const address = (typeof named === "string" ? named : "").replace(/#$/, "");
  if (address === "https://json-schema.org/draft/2020-12/schema") return "2020-12";
  return /^https?:\/\/json-schema\.org\/draft-07\/schema$/.test(address) ? "draft-07" : null;
}

function metaFault(error: ErrorObject | undefined): FormFault {
  const path: KeyPath = ["schema", ...(error?.instancePath ?? "").split("/").slice(1).map(unescaped)];
  return {
    path,
    what: `is no valid JSON Schema: it ${error === undefined ? "does not fit its draft" : sayings(error)}.`,
    mend: "Correct the schema.",
  };
}

function compileFault(message: string, known: readonly string[]): FormFault {
  const keyword = /unknown keyword: "(.+)"/.exec(message)?.[1];
  if (keyword !== undefined) {
    const near = nearestName(keyword, known);
    const mend = near === null ? "Take it out: no rule may go unchecked." : `Did you mean \`${near}\`?`;
    return { path: ["schema"], what: `holds the keyword ${JSON.stringify(keyword)}, which nothing checks.`, mend };
  }
  if (message.startsWith("can't resolve reference")) {
    return {
      path: ["schema"],
      what: `holds a reference that leads nowhere: ${message.replace("can't resolve reference ", "").replace(/ from id .*$/, "")}.`,
      mend: "Keep all of the schema in one place, with shared parts under `$defs`.",
    };
  }
  const what = `cannot be checked: ${message.replace(/^strict mode: /, "").replace(" ignored in schema", "")}.`;
  return { path: ["schema"], what, mend: "Correct the schema, or take that part out." };
}

/** Without the keyword's own value an error is vague; without the answer's it can still be acted on. */
function faultsOf(errors: readonly ErrorObject[]): AnswerFault[] {
  return errors.slice(0, SHOWN_FAULTS).map((error) => ({
    inAnswer: `${error.instancePath === "" ? "the answer" : error.instancePath} ${sayings(error)}${strangerOf(error)}`,
    inSchema: `it ${sayings(error)} (${error.schemaPath})`,
  }));
}

/** What was expected, in words of the schema alone. */
function sayings({ keyword, message = "does not fit", params }: ErrorObject): string {
  const { allowedValues, allowedValue } = params as Readonly<Record<string, unknown>>;
  if (keyword === "enum") return `${message}: ${JSON.stringify(allowedValues)?.slice(0, SHOWN_VALUES)}`;
  if (keyword === "const") return `${message}: ${JSON.stringify(allowedValue)?.slice(0, SHOWN_VALUES)}`;
  return message;
}

/** The name of a property that is not wanted, which is the answer's own word. */
function strangerOf({ params }: ErrorObject): string {
  const { additionalProperty, unevaluatedProperty, propertyName } = params as Readonly<Record<string, unknown>>;
  const stranger = additionalProperty ?? unevaluatedProperty ?? propertyName;
  return typeof stranger === "string" ? `: ${JSON.stringify(stranger.slice(0, SHOWN_VALUES))}` : "";
}

function unescaped(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
