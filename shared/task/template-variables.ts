/**
 * Finds the variables that a parsed Jinja template takes from outside.
 *
 * A name that the template has set anywhere above (set, macro, loop variable) counts as its own from there on, even
 * where the branch that set it may not run; so the answer may miss a column in such a template, and never invents one.
 */
interface AstNode {
  readonly type: string;
  readonly [key: string]: unknown;
}

const BUILT_IN = new Set(
  "true false none True False None loop caller namespace range raise_exception strftime_now".split(" "),
);

export interface TemplateVariables {
  readonly needed: readonly string[];
  readonly optional: readonly string[];
}

/** Takes `Template.parsed` of `@huggingface/jinja`. */
export function templateVariables(program: unknown): TemplateVariables {
  const needed = new Set<string>();
  const optional = new Set<string>();

  function visit(value: unknown, own: Set<string>): void {
    if (Array.isArray(value)) for (const item of value) visit(item, own);
    else if (value instanceof Map) visit([...value].flat(), own);
    else if (isNode(value)) visitNode(value, own);
  }

  function visitNode(node: AstNode, own: Set<string>): void {
    switch (node.type) {
      case "Identifier":
        if (!own.has(nameOf(node)) && !BUILT_IN.has(nameOf(node))) needed.add(nameOf(node));
        return;
      case "MemberExpression":
        visit(node["object"], own);
        if (node["computed"] === true) visit(node["property"], own);
        return;
      case "KeywordArgumentExpression":
        visit(node["value"], own);
        return;
      case "TestExpression":
        visitOperand(node["operand"], ["defined", "undefined"].includes(nameOf(node["test"])), own);
        return;
      case "FilterExpression": {
        const filter = node["filter"] as AstNode;
        visitOperand(node["operand"], ["default", "d"].includes(nameOf(filter["callee"] ?? filter)), own);
        visit(filter["args"], own);
        return;
      }
      case "FilterStatement":
        visit((node["filter"] as AstNode)["args"], own);
        visit(node["body"], own);
        return;
      case "Set":
        visit(node["value"], own);
        visit(node["body"], own);
        for (const name of namesIn(node["assignee"])) own.add(name);
        return;
      case "For": {
        const inner = new Set([...own, ...namesIn(node["loopvar"])]);
        const iterable = node["iterable"] as AstNode;
        // `for x in xs if x.ok`: only the test knows the loop variable.
        if (iterable.type === "SelectExpression") {
          visit(iterable["lhs"], own);
          visit(iterable["test"], inner);
        } else {
          visit(iterable, own);
        }
        visit(node["body"], inner);
        visit(node["defaultBlock"], own);
        return;
      }
      case "Macro":
        own.add(nameOf(node["name"]));
        visitBody(node, node["args"], own);
        return;
      case "CallStatement":
        visit(node["call"], own);
        visitBody(node, node["callerArgs"], own);
        return;
      default:
        visit(Object.values(node), own);
    }
  }

  function visitBody(node: AstNode, parameters: unknown, own: Set<string>): void {
    const names: string[] = [];
    for (const parameter of Array.isArray(parameters) ? (parameters as AstNode[]) : []) {
      names.push(nameOf(parameter["key"] ?? parameter));
      visit(parameter["key"] === undefined ? null : parameter["value"], own);
    }
    visit(node["body"], new Set([...own, ...names]));
  }

  function visitOperand(operand: unknown, mayBeMissing: boolean, own: Set<string>): void {
    if (mayBeMissing && isNode(operand) && operand.type === "Identifier") {
      if (!own.has(nameOf(operand))) optional.add(nameOf(operand));
    } else {
      visit(operand, own);
    }
  }

  visit(program, new Set());
  return { needed: [...needed].filter((name) => !optional.has(name)), optional: [...optional] };
}

function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && "type" in value;
}

function nameOf(node: unknown): string {
  return isNode(node) ? String(node["value"]) : "";
}

/** `set x`, `set ns.x` (which makes nothing new) and `for a, b in`. */
function namesIn(target: unknown): string[] {
  if (!isNode(target) || target.type === "MemberExpression") return [];
  return target.type === "Identifier" ? [nameOf(target)] : (target["value"] as unknown[]).flatMap(namesIn);
}
