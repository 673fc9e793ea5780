/** A binary heap of items by a number each, the least first; items of equal numbers come in any order. */
export class BinaryHeap<Item> {
  readonly #keys: number[] = [];
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The least number; infinite when empty. */
  get least(): number {
    return this.#keys[0] ?? Infinity;
  }

  add(key: number, item: Item): void {
    const [keys, items] = [this.#keys, this.#items];
    let at = items.length;
    keys.push(key);
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (keys[above]! <= key) break;
      keys[at] = keys[above]!;
      items[at] = items[above]!;
      at = above;
    }
    keys[at] = key;
    items[at] = item;
  }

  /** Takes an item with the least number out; undefined when empty. */
  take(): Item | undefined {
    const [keys, items] = [this.#keys, this.#items];
    const first = items[0];
    const key = keys.pop();
    const item = items.pop();
    if (items.length === 0 || key === undefined || item === undefined) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && keys[below + 1]! < keys[below]!) below++;
      if (keys[below]! >= key) break;
      keys[at] = keys[below]!;
      items[at] = items[below]!;
      at = below;
    }
    keys[at] = key;
    items[at] = item;
    return first;
  }
}
