/** The files of one tokenizer, all of one version. */
export interface TokenizerSource {
  /** For messages. */
  readonly name: string;
  /** The text of a file, or null where the tokenizer has none of that name. */
  read(file: string): Promise<string | null>;
  /** What the user should know of the reading so far, as sentences. */
  advice?(): readonly string[];
}
