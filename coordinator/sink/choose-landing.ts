/**
 * Which complete shards become parts now. Pure.
 *
 * Runs of neighbouring shards that fill a part are landed as they are, so that parts rarely overlap and little is left to
 * be rewritten in the end. Only when complete shards pile up behind stragglers, or wait too long, is a part made of what
 * there is; a shard between parts that are landed already gets a part of its own.
 */
export interface CompleteShard {
  readonly shard: number;
  readonly bytes: number;
  readonly completedAtMs: number;
}

export interface LandingRules {
  readonly partBytes: number;
  readonly partAgeMs: number;
  readonly nowMs: number;
  /** Land everything: the job has ended, or the result store is filling up. */
  readonly everything: boolean;
  readonly isLanded: (shard: number) => boolean;
}

/** Groups of shards, each ascending and to be one part. */
export function chooseLanding(complete: readonly CompleteShard[], rules: LandingRules): readonly (readonly number[])[] {
  const sorted = complete.toSorted((a, b) => a.shard - b.shard);
  const waiting = sorted.reduce((sum, shard) => sum + shard.bytes, 0);
  const oldest = Math.min(...sorted.map((shard) => shard.completedAtMs));
  const everything = rules.everything || waiting >= 2 * rules.partBytes || rules.nowMs - oldest >= rules.partAgeMs;
  if (everything) {
    const split = (before: CompleteShard, next: CompleteShard) =>
      hasLandedBetween(before.shard, next.shard, rules.isLanded);
    return cut(sorted, rules.partBytes, split).map((group) => group.map(({ shard }) => shard));
  }
  return cut(sorted, rules.partBytes, (before, next) => next.shard !== before.shard + 1)
    .filter((group) => group.reduce((sum, shard) => sum + shard.bytes, 0) >= rules.partBytes)
    .map((group) => group.map(({ shard }) => shard));
}

/** Cuts where `split` says so and where a part is full. */
function cut(
  shards: readonly CompleteShard[],
  partBytes: number,
  split: (before: CompleteShard, next: CompleteShard) => boolean,
): readonly (readonly CompleteShard[])[] {
  const groups: CompleteShard[][] = [];
  let bytes = 0;
  for (const shard of shards) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    if (group === undefined || before === undefined || bytes >= partBytes || split(before, shard)) {
      groups.push([shard]);
      bytes = shard.bytes;
    } else {
      group.push(shard);
      bytes += shard.bytes;
    }
  }
  return groups;
}

function hasLandedBetween(before: number, next: number, isLanded: (shard: number) => boolean): boolean {
  for (let shard = before + 1; shard < next; shard++) if (isLanded(shard)) return true;
  return false;
}
