// The transparency log's verifier of sigstore-js, unchanged, on our checkpoints and proofs: what it prints is checked by
// test_public_log_verifier.py. Comes in: a JSON list of documents as /audit/proof/<event>/ answers them.
import { createHash, createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyMerkleInclusion } = require("@sigstore/verify/dist/tlog/merkle.js");

const PREFIX = Buffer.from("302a300506032b6570032100", "hex"); // SubjectPublicKeyInfo of Ed25519 (RFC 8410)

// A verifier key of C2SP's signed-note, <name>+<key ID>+<base64 of type and key>, as sigstore-js has its logs. The key ID is worked out anew.
function log(verifierKey) {
  const [name, , ...rest] = verifierKey.split("+"); // base64 may have a + as well
  const key = Buffer.from(rest.join("+"), "base64");
  const logID = createHash("sha256").update(`${name}\n`).update(key).digest();
  const publicKey = createPublicKey({ key: Buffer.concat([PREFIX, key.subarray(1)]), format: "der", type: "spki" });
  return { baseURL: name, logID, publicKey };
}

function verified(proof) {
  const entry = {
    canonicalizedBody: Buffer.from(proof.record),
    inclusionProof: {
      logIndex: String(proof.index),
      hashes: proof.auditPath.map((each) => Buffer.from(each, "base64")),
      checkpoint: { envelope: proof.checkpoint },
    },
  };
  try {
    const checkpoint = verifyCheckpoint(entry, [log(proof.publicKey)]);
    verifyMerkleInclusion(entry, checkpoint);
    return { origin: checkpoint.origin, size: Number(checkpoint.logSize), extension: checkpoint.rest.length };
  } catch (error) {
    return { refused: error.message };
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(verified)));
