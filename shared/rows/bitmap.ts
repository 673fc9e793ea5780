/** Begins the text of a set that is told by what it lacks. */
const ALL_BUT = "~";

/** A set of row positions within one shard: one bit a row, lowest bit first. Never a set of row ids. */
export class Bitmap {
  readonly size: number;
  readonly #bits: Uint8Array;

  constructor(size: number, bits: Uint8Array = new Uint8Array(Math.ceil(size / 8))) {
    this.size = size;
    this.#bits = bits;
  }

  static fromText(size: number, text: string): Bitmap {
    if (text.startsWith(ALL_BUT)) return Bitmap.full(size).without(Bitmap.fromText(size, text.slice(ALL_BUT.length)));
    const bits = new Uint8Array(Math.ceil(size / 8));
    bits.set(Buffer.from(text, "base64").subarray(0, bits.length));
    return new Bitmap(size, bits);
  }

  static full(size: number): Bitmap {
    const full = new Bitmap(size);
    for (let position = 0; position < size; position++) full.add(position);
    return full;
  }

  /** Base64 of the bytes up to the last that is not empty, of the set or, behind a `~`, of what it lacks: what is shorter. */
  toText(): string {
    const has = this.#packed();
    const lacks = ALL_BUT + Bitmap.full(this.size).without(this).#packed();
    return lacks.length < has.length ? lacks : has;
  }

  #packed(): string {
    const end = this.#bits.findLastIndex((bits) => bits !== 0) + 1;
    return Buffer.from(this.#bits.subarray(0, end)).toString("base64url");
  }

  has(position: number): boolean {
    return ((this.#bits[position >> 3] ?? 0) & (1 << (position & 7))) !== 0;
  }

  add(position: number): void {
    this.#bits[position >> 3] = (this.#bits[position >> 3] ?? 0) | (1 << (position & 7));
  }

  removeAll(other: Bitmap): void {
    for (let byte = 0; byte < this.#bits.length; byte++) {
      this.#bits[byte] = (this.#bits[byte] ?? 0) & ~(other.#bits[byte] ?? 0);
    }
  }

  addAll(other: Bitmap): void {
    for (let byte = 0; byte < this.#bits.length; byte++) {
      this.#bits[byte] = (this.#bits[byte] ?? 0) | (other.#bits[byte] ?? 0);
    }
  }

  /** What this has and `other` has not. */
  without(other: Bitmap): Bitmap {
    const left = this.#bits.map((bits, byte) => bits & ~(other.#bits[byte] ?? 0));
    return new Bitmap(this.size, left);
  }

  copy(): Bitmap {
    return new Bitmap(this.size, this.#bits.slice());
  }

  get count(): number {
    let count = 0;
    for (let bits of this.#bits) {
      for (; bits !== 0; bits &= bits - 1) count += 1;
    }
    return count;
  }

  get isFull(): boolean {
    return this.count === this.size;
  }

  get isEmpty(): boolean {
    return this.#bits.every((bits) => bits === 0);
  }

  /** The positions that are set, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let position = 0; position < this.size; position++) if (this.has(position)) yield position;
  }
}
