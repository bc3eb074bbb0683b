// Public verifiers, unchanged, on our checkpoints and proofs: sigstore-js's of checkpoints and inclusion, and @transmute/rfc9162's of inclusion and
// consistency. What it prints is checked by test_public_log_verifier.py. Comes in: a JSON list of documents as /audit/proof/<event>/ and
// /audit/consistency/ answer them.
import { createHash, createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const { RFC9162 } = require("@transmute/rfc9162");
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

const decoded = (hashes) => hashes.map((each) => new Uint8Array(Buffer.from(each, "base64")));

// What sigstore-js reads out of a checkpoint whose signature it has verified.
function checkpoint(note, publicKey) {
  const found = verifyCheckpoint({ inclusionProof: { checkpoint: { envelope: note } } }, [log(publicKey)]);
  return { ...found, size: Number(found.logSize), root: new Uint8Array(found.logHash) };
}

async function event(proof) {
  const entry = {
    canonicalizedBody: Buffer.from(proof.record),
    inclusionProof: {
      logIndex: String(proof.index),
      hashes: proof.auditPath.map((each) => Buffer.from(each, "base64")),
      checkpoint: { envelope: proof.checkpoint },
    },
  };
  const found = checkpoint(proof.checkpoint, proof.publicKey);
  verifyMerkleInclusion(entry, found);
  const leaf = await RFC9162.leaf(new Uint8Array(Buffer.from(proof.record)));
  const path = { tree_size: found.size, leaf_index: proof.index, inclusion_path: decoded(proof.auditPath) };
  if (!(await RFC9162.verifyInclusionProof(found.root, leaf, path))) throw new Error("not included");
  return { origin: found.origin, size: found.size, extension: found.rest.length };
}

async function consistency(proof) {
  const older = checkpoint(proof.from, proof.publicKey);
  const newer = checkpoint(proof.to, proof.publicKey);
  const path = decoded(proof.proof);
  // RFC 9162, 2.1.4.2, step 2, which @transmute/rfc9162 leaves to its caller: the root of a complete tree is the first hash of the path.
  if (Number.isInteger(Math.log2(older.size))) path.unshift(older.root);
  const steps = { tree_size_1: older.size, tree_size_2: newer.size, consistency_path: path };
  if (!(await RFC9162.verifyConsistencyProof(older.root, newer.root, steps))) throw new Error("not consistent");
  return { from: older.size, to: newer.size };
}

const KINDS = { "kmsconsole-event-proof/1": event, "kmsconsole-consistency-proof/1": consistency };

async function verified(document) {
  try {
    return await KINDS[document.format](document);
  } catch (error) {
    return { refused: error.message };
  }
}

console.log(JSON.stringify(await Promise.all(JSON.parse(readFileSync(0, "utf8")).map(verified))));
