// node deploy/new-nkey.mjs worker.nk: writes a new user's seed into a file that only its owner may read, and prints the
// public key, which is what the broker's configuration gets.
import { writeFileSync } from "node:fs";
import { nkeys } from "@nats-io/transport-node";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Name the file that gets the seed: node deploy/new-nkey.mjs worker.nk");
const user = nkeys.createUser();
writeFileSync(file, user.getSeed(), { mode: 0o600, flag: "wx" });
console.log(user.getPublicKey());
