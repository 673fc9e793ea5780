/**
 * Who waits for a broker waits for ever, and so would a test whose server died. The process of a test file ends when a
 * nats-server does that nobody stopped, and says how, with its last words. Its store stays where it is.
 */
import { readFileSync } from "node:fs";

const MOST_LINES = 40;
/** What Go's runtime begins with, before it shows where. */
const CRASH = /^(panic|fatal error|SIG[A-Z]+): /;

/**
 * @param server.ended resolves with how it ended, as "code 2" or "SIGKILL"
 * @param server.logFile with what it says on standard error
 * @returns to be called before the server is stopped
 */
export function watchForDeath(server: {
  readonly name: string;
  readonly ended: Promise<string>;
  readonly logFile: string;
}): () => void {
  let isExpected = false;
  void server.ended.then((how) => {
    if (isExpected) return;
    const said = lastWords(readFileSync(server.logFile, "utf8"));
    process.stderr.write(`\n${server.name} ended of itself with ${how}. The end of ${server.logFile}:\n${said}\n`);
    process.exit(1);
  });
  return () => {
    isExpected = true;
  };
}

function lastWords(log: string): string {
  const lines = log.trimEnd().split("\n");
  const crash = lines.findLastIndex((line) => CRASH.test(line));
  return (crash < 0 ? lines.slice(-MOST_LINES) : lines.slice(crash, crash + MOST_LINES)).join("\n");
}
