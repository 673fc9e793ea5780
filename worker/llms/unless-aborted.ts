import { onAbort } from "./abort-listeners.ts";

/** What comes of work that others wait for too, and that goes on for them. Rejects with the signal's reason where that is first. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    work.then(resolve, reject);
    if (signal.aborted) return reject(signal.reason as Error);
    const listening = onAbort(signal, { abort: reject });
    const leave = (): void => listening.leave();
    work.then(leave, leave);
  });
}
