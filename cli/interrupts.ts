import { writeLines, type CliContext } from "./terminal.ts";

/** SIGINT and SIGTERM, counted: the first asks to drain, the second to stop now, a third ends the program on the spot. */
export interface Interrupts extends Disposable {
  readonly drain: AbortSignal;
  readonly stop: AbortSignal;
}

/** As `watchInterrupts`, for who serves until then: says what an interrupt does. */
export function watchLeaving({ signals, stderr }: CliContext): Interrupts {
  return watchInterrupts(signals, (step) => {
    const leaving = "Leaving: running rows are finished; once more (Ctrl-C) to stop now.";
    writeLines(stderr, [step === "drain" ? leaving : "Stopping now."]);
  });
}

/** npm passes a Ctrl-C on to a child that the terminal has told already: the second signal is the same key press. */
const samePressMs = 300;

export function watchInterrupts(
  signals: CliContext["signals"],
  onInterrupt: (step: "drain" | "stop") => void,
  now: () => number = Date.now,
): Interrupts {
  const drain = new AbortController();
  const stop = new AbortController();
  let last = Number.NEGATIVE_INFINITY;
  const interrupt = (): void => {
    if (now() - last < samePressMs) return;
    last = now();
    if (drain.signal.aborted) {
      // Without a listener the next signal has its usual effect, so nothing can keep the program from ending. Not at
      // once: what restores the cursor listens too, and ends the program on this signal when it finds itself alone.
      setImmediate(unlisten);
      onInterrupt("stop");
      stop.abort();
    } else {
      onInterrupt("drain");
      drain.abort();
    }
  };
  const unlisten = (): void => {
    signals.off("SIGINT", interrupt);
    signals.off("SIGTERM", interrupt);
  };
  signals.on("SIGINT", interrupt);
  signals.on("SIGTERM", interrupt);
  return { drain: drain.signal, stop: stop.signal, [Symbol.dispose]: unlisten };
}
