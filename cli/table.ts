import type { Look, Style } from "./text.ts";
import { paint, plain, textWidth } from "./text.ts";

export interface TableColumn<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly style?: (row: Row) => Style | undefined;
  /** Numbers are set to the right. */
  readonly right?: true;
}

/** Rows below a line of titles. Nothing is cut, so that an id or a path can be copied: a line may be wider than the terminal. */
export function renderTable<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[], look: Look): string[] {
  const cells = rows.map((row) => columns.map(({ text }) => plain(text(row))));
  const widths = columns.map(({ title }, index) =>
    Math.max(textWidth(title), ...cells.map((line) => textWidth(line[index] ?? ""))),
  );
  const line = (texts: readonly string[], style: (column: TableColumn<Row>) => Style | undefined): string =>
    columns
      .map((column, index) => {
        const text = texts[index] ?? "";
        const space = " ".repeat((widths[index] ?? 0) - textWidth(text));
        const given = style(column);
        const painted = given === undefined ? text : paint(look, { text, style: given });
        if (column.right === true) return space + painted;
        return index === columns.length - 1 ? painted : painted + space;
      })
      .join("  ")
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      () => "dim",
    ),
    ...rows.map((row, index) => line(cells[index] ?? [], ({ style }) => style?.(row))),
  ];
}
