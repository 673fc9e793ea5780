#!/usr/bin/env node
// Kept to old syntax: it must parse on the Nodes it turns away.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > 20 || (major === 20 && minor >= 19)) {
  void import("./main.ts").then((program) => program.main());
} else {
  console.error("tiding needs Node 20.19 or newer; this is " + process.versions.node + ".");
  process.exitCode = 2;
}
