/** Ends this process when the one that forked it is gone; without a channel to it, does nothing. */
export function dieWithParent(): void {
  process.on("disconnect", () => process.exit(1));
  // Nobody speaks on it: it must not keep the process alive.
  process.channel?.unref();
}
