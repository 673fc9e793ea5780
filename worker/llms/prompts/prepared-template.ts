/**
 * A Jinja template of which a rendering does no more than its variables ask for.
 *
 * `Template.render` of `@huggingface/jinja` 0.5 makes the globals anew in every call, throws and catches an error for every
 * name that nothing defines, and makes a value of a literal each time it comes by one. A value is dear where class fields
 * are: 0.3 µs on V8 11.3, which is Node 20's. So
 * - the globals are made once, and names that nothing defines are declared as undefined,
 * - the statements before the first that a variable could change are carried out once,
 * - a literal stays the value that it became first.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";

type Values = Readonly<Record<string, unknown>>;

// What is used of the library; its own declarations import one another in a way that "nodenext" does not resolve.
interface Node {
  readonly type: string;
}
interface Program extends Node {
  readonly body: readonly Node[];
}
interface RuntimeValue {
  readonly value: unknown;
}
interface Scope {
  readonly variables: ReadonlyMap<string, RuntimeValue>;
  set(name: string, value: unknown): RuntimeValue;
}
interface Evaluator {
  evaluate(node: Node | undefined, scope: Scope): RuntimeValue;
}

/** What the library's `Template` defines and keeps to itself, but for its clock. */
const GLOBALS: Values = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  raise_exception(message: string): never {
    throw new Error(message);
  },
};

export interface TemplateNames {
  /** The same for every rendering. */
  readonly constants: Values;
  /** What each rendering brings. */
  readonly variables: readonly string[];
}

/** A template whose beginning was carried out. */
interface Begun {
  readonly text: string;
  readonly scope: Scope;
}

export class PreparedTemplate {
  readonly #evaluator = new LiteralKeeper();
  readonly #constants: Values;
  readonly #names: readonly string[];
  readonly #beginning: Program;
  readonly #rest: Program;
  #begun: Begun | null = null;

  /** Throws what the parser throws. */
  constructor(source: string, { constants, variables }: TemplateNames) {
    // The options are those of `Template`.
    const tokens: readonly (Node & { readonly value: string })[] = tokenize(source, {
      lstrip_blocks: true,
      trim_blocks: true,
    });
    const program: Program = parse(tokens);
    const names = new Set(variables);
    const first = program.body.findIndex((statement) => mayVary(statement, names));
    const cut = first === -1 ? program.body.length : first;
    this.#constants = { ...GLOBALS, ...constants };
    this.#names = tokens.filter(({ type }) => type === "Identifier").map(({ value }) => value);
    this.#beginning = { ...program, body: program.body.slice(0, cut) };
    this.#rest = { ...program, body: program.body.slice(cut) };
  }

  /** Throws what the template raises, or an Error for what cannot be done with these values. */
  render(variables: Values): string {
    this.#begun ??= this.#begin();
    const { text, scope } = this.#begun;
    return text + this.#run(this.#rest, scopeOf(variables, scope));
  }

  #begin(): Begun {
    const scope = scopeOf(this.#constants);
    for (const name of this.#names) if (!scope.variables.has(name)) scope.set(name, undefined);
    return { text: this.#run(this.#beginning, scope), scope };
  }

  #run(program: Program, scope: Scope): string {
    return this.#evaluator.evaluate(program, scope).value as string;
  }
}

function scopeOf(values: Values, parent?: Scope): Scope {
  const scope: Scope = new Environment(parent);
  for (const name in values) scope.set(name, values[name]);
  return scope;
}

/** A value never changes once it is there, but for a namespace's: so one can stand for all that a literal would become. */
class LiteralKeeper extends (Interpreter as new () => Evaluator) {
  readonly #kept = new Map<Node, RuntimeValue>();

  override evaluate(node: Node | undefined, scope: Scope): RuntimeValue {
    if (node?.type !== "StringLiteral" && node?.type !== "IntegerLiteral") return super.evaluate(node, scope);
    let value = this.#kept.get(node);
    if (value === undefined) this.#kept.set(node, (value = super.evaluate(node, scope)));
    return value;
  }
}

/**
 * Whether a statement may come to something else from rendering to rendering. Whatever calls counts as such: only calls
 * make namespaces, and in one that outlived its rendering the next would find what this one wrote.
 */
function mayVary(part: unknown, variables: ReadonlySet<string>): boolean {
  if (typeof part !== "object" || part === null) return false;
  if (part instanceof Map) return mayVary([...part], variables);
  const { type, value } = part as { readonly type?: unknown; readonly value?: unknown };
  if (type === "CallExpression" || type === "CallStatement" || type === "Macro") return true;
  if (type === "Identifier" && variables.has(value as string)) return true;
  return Object.values(part).some((inner) => mayVary(inner, variables));
}

/** Python's, as the library has it. */
function range(first: number, second?: number, step = 1): number[] {
  if (step === 0) throw new Error("range() step must not be zero");
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  return Array.from({ length: Math.ceil((stop - start) / step) }, (_, index) => start + index * step);
}
