import { nanos, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { Wakeup } from "../../wakeup.ts";

/** Later than this nobody answers: an old server (2.9) says nothing when the consumer is not there. */
const SILENCE_MS = 250;
/** How much later than asked for an answer is still looked after. */
const GRACE_MS = 10_000;
const NO_MESSAGES = 404;
const EXPIRED = 408;

/** A task's message; "empty" when none came in time, "away" when the consumer did not take the question. */
export type PullAnswer = Msg | "empty" | "away";

/**
 * Asks a consumer for one message, by hand: the client library's iterators ask again by themselves while a task runs, and
 * so hoard tasks. When a signal is aborted the answer is "empty" at once. A message that comes after the answer was given
 * goes back to the queue. Rejects with what the connection rejects with.
 *
 * @param waitMs 0 asks for what is there now.
 */
export async function pullTask(
  connection: NatsConnection,
  consumer: { readonly stream: string; readonly name: string },
  options: { readonly waitMs: number; readonly signals: readonly AbortSignal[] },
): Promise<PullAnswer> {
  const { waitMs, signals } = options;
  const question = waitMs > 0 ? { batch: 1, expires: nanos(Math.ceil(waitMs)) } : { batch: 1, no_wait: true };
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${consumer.stream}.${consumer.name}`;
  // A task comes under its own subject, not under that of the answer: only a subscription of its own gets it.
  const asked = connection.request(subject, JSON.stringify(question), { noMux: true, timeout: waitMs + GRACE_MS });
  const left = new Wakeup();
  const answer = await Promise.race([asked, left.wait({ ms: waitMs + SILENCE_MS, signals })]).finally(() =>
    left.notify(),
  );
  const isLeft = signals.some((signal) => signal.aborted);
  if (isLeft || answer === undefined) {
    void asked.then(giveBack, () => undefined);
    return isLeft ? "empty" : "away";
  }
  const status = answer.headers?.code ?? 0;
  if (status === 0) return answer;
  return status === NO_MESSAGES || status === EXPIRED ? "empty" : "away";
}

function giveBack(message: Msg): void {
  if ((message.headers?.code ?? 0) === 0) message.respond("-NAK");
}
