// The JavaScript SDK and its Encryption SDK, unchanged: what they print is checked by test_javascript_sdk.py.
import { KMSClient, CreateKeyCommand, EncryptCommand, DecryptCommand, SignCommand, VerifyCommand, paginateListKeys } from "@aws-sdk/client-kms";
import { KmsKeyringNode, buildClient, CommitmentPolicy, getClient, KMS } from "@aws-crypto/client-node";

const kms = new KMSClient({});
const result = {};
const { KeyMetadata: key } = await kms.send(new CreateKeyCommand({ Description: "from JavaScript" }));
const sealed = await kms.send(new EncryptCommand({ KeyId: key.KeyId, Plaintext: Buffer.from("hello"), EncryptionContext: { a: "b" } }));
const opened = await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: { a: "b" } }));
result.plaintext = Buffer.from(opened.Plaintext).toString();
try {
  await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob }));
} catch (error) {
  result.error = error.name;
}
const { KeyMetadata: signing } = await kms.send(new CreateKeyCommand({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" }));
const message = { KeyId: signing.KeyId, Message: Buffer.from("m"), SigningAlgorithm: "ECDSA_SHA_256" };
const { Signature } = await kms.send(new SignCommand(message));
result.valid = (await kms.send(new VerifyCommand({ ...message, Signature }))).SignatureValid;
const listed = [];
for await (const page of paginateListKeys({ client: kms, pageSize: 1 }, {})) listed.push(...page.Keys.map((each) => each.KeyId));
result.listed = listed.includes(key.KeyId) && listed.includes(signing.KeyId);

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const endpoint = process.env.AWS_ENDPOINT_URL;
const clientProvider = getClient(KMS, { endpoint, region: "us-east-1" });
const keyring = new KmsKeyringNode({ generatorKeyId: key.Arn, clientProvider });
const { result: wrapped } = await encrypt(keyring, Buffer.alloc(10000, "x"), { encryptionContext: { file: "js" } });
const back = await decrypt(keyring, wrapped);
result.envelope = back.plaintext.equals(Buffer.alloc(10000, "x"));
if (process.argv[2]) {
  const other = new KmsKeyringNode({ keyIds: [process.argv[2]], clientProvider });
  result.fromPython = (await decrypt(other, Buffer.from(process.argv[3], "base64"))).plaintext.toString();
}
console.log(JSON.stringify(result));
