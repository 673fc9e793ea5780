/** A stream that nats-server 2.9 is making for as long as a test likes, as on a slow disk: known by its name, without a store. */
import { execFile } from "node:child_process";
import { constants, existsSync } from "node:fs";
import { link, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface HalfMadeStream extends AsyncDisposable {
  /** Resolves when the server has begun to make it. */
  readonly begun: () => Promise<void>;
  /** Lets the server go on. Throws when it has not begun, or is gone. */
  readonly release: () => Promise<void>;
}

/** Of a stream that is not there yet. The server looks for messages on the disk first, and finds a pipe that nobody writes. */
export async function holdHalfMade(storeDir: string, stream: string): Promise<HalfMadeStream> {
  const folder = streamFolder(storeDir, stream);
  const block = join(folder, "msgs", "1.blk");
  // One pipe of two names: the server has it open while another file takes its place.
  const pipe = join(storeDir, `${stream}.pipe`);
  const empty = join(storeDir, `${stream}.empty`);
  await mkdir(join(folder, "msgs"), { recursive: true });
  await run("mkfifo", [pipe]);
  await link(pipe, block);
  await writeFile(empty, "");
  let isHeld = true;
  const release = async (): Promise<void> => {
    isHeld = false;
    await rename(empty, block);
    await (await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK)).close();
    await rm(pipe);
  };
  return {
    async begun() {
      // The last that it makes before it reads the messages.
      while (!existsSync(join(folder, "obs"))) await delay(5);
    },
    release,
    async [Symbol.asyncDispose]() {
      if (isHeld) await release();
    },
  };
}

/** Where a server whose account has no name of its own keeps that stream. */
export function streamFolder(storeDir: string, stream: string): string {
  return join(storeDir, "jetstream", "$G", "streams", stream);
}
