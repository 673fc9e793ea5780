/** From a row as a file holds it to a row as the job takes it: columns selected, renamed and fitted to their types. */
import { MISFIT } from "../../shared/rows/infer-type.ts";
import type { Column, ColumnType, RowSchema, RowValues } from "../../shared/rows/row-schema.ts";
import { typeText, valueText } from "./column-types.ts";

export interface ShapedColumn extends Column {
  /** The input's name for it. */
  readonly from: string;
}

export interface RowShapeOptions {
  /** Whether a column that no row had before makes a row misfit; false where the others are not wanted. */
  readonly isWhole: boolean;
  readonly fit: (type: ColumnType, value: unknown) => unknown;
}

export class RowShape {
  readonly schema: RowSchema;
  /** The input's names that are read. */
  readonly names: readonly string[];
  readonly #columns: readonly ShapedColumn[];
  readonly #options: RowShapeOptions;

  constructor(columns: readonly ShapedColumn[], options: RowShapeOptions) {
    this.schema = columns.map(({ name, type }) => ({ name, type }));
    this.names = [...new Set(columns.map(({ from }) => from))];
    this.#columns = columns;
    this.#options = options;
  }

  /** The row's values, with null for what it lacks; or, as a sentence, why it does not fit. */
  shape(record: Readonly<Record<string, unknown>>): RowValues | string {
    const values: RowValues = {};
    let found = 0;
    for (const { name, type, from } of this.#columns) {
      const value = record[from];
      // A name such as `constructor` finds what every object inherits.
      if (value === undefined || typeof value === "function") {
        values[name] = null;
        continue;
      }
      found += 1;
      const fitted = this.#options.fit(type, value);
      if (fitted === MISFIT) return misfit(from, type, value);
      values[name] = fitted;
    }
    const extra = this.#options.isWhole && found < Object.keys(record).length ? this.#extraName(record) : undefined;
    return extra === undefined
      ? values
      : `Column "${extra}" is not one of the input's columns; declare it in input.types, or select columns with input.columns.`;
  }

  #extraName(record: Readonly<Record<string, unknown>>): string | undefined {
    return Object.keys(record).find((name) => !this.names.includes(name));
  }
}

function misfit(name: string, type: ColumnType, value: unknown): string {
  const found = valueText(value);
  const within = typeof type === "object" ? " whose contents differ" : "";
  return `Column "${name}" is of type ${typeText(type)}, but the row has ${found}${within}; its type can be set in input.types.`;
}
