/** Text that may be put into HTML as it is. Whatever a server or a model said is made so by `escaped`. */
export type Html = string;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escaped(text: string): Html {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** JSON for a script element: neither `</script>` nor `<!--` in a text ends or changes it. */
export function scriptJson(value: unknown): Html {
  return JSON.stringify(value)
    .replaceAll("<", String.raw`\u003c`)
    .replaceAll("\u2028", String.raw`\u2028`)
    .replaceAll("\u2029", String.raw`\u2029`);
}

export interface HtmlColumn<Row> {
  readonly title: string;
  /** Spans the neighbours that have the same, above their titles. */
  readonly group?: string;
  readonly text: (row: Row) => string;
  readonly isBad?: (row: Row) => boolean;
}

/** A table whose first column names its rows. */
export function htmlTable<Row>(columns: readonly HtmlColumn<Row>[], rows: readonly Row[], caption: string): Html {
  const groups: { readonly group: string; span: number }[] = [];
  for (const { group = "" } of columns) {
    const last = groups.at(-1);
    if (last?.group === group) last.span++;
    else groups.push({ group, span: 1 });
  }
  const above = groups.every(({ group }) => group === "")
    ? ""
    : `<tr>${groups.map(({ group, span }) => `<th colspan="${span}" scope="colgroup">${escaped(group)}</th>`).join("")}</tr>`;
  const titles = `<tr>${columns.map(({ title }) => `<th scope="col">${escaped(title)}</th>`).join("")}</tr>`;
  const lines = rows.map((row) => {
    const cells = columns.map(({ text, isBad }, index) => {
      const shown = escaped(text(row));
      if (index === 0) return `<th scope="row">${shown}</th>`;
      return isBad?.(row) === true ? `<td class="bad">${shown}</td>` : `<td>${shown}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  const end = caption === "" ? "" : `<p class="note">${escaped(caption)}</p>`;
  return `<div class="scroll"><table class="figures"><thead>${above}${titles}</thead><tbody>${lines.join("\n")}</tbody></table></div>${end}`;
}

/** Names with their values; what is null is left out. */
export function htmlPairs(pairs: readonly (readonly [name: string, value: string | null])[]): Html {
  const known = pairs.filter(([, value]) => value !== null && value !== "");
  return `<dl class="pairs">${known.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value ?? "")}</dd>`).join("")}</dl>`;
}
