// A real OpenID Connect provider (npm oidc-provider) on a free port of this machine, over HTTPS. Standard input gives its settings as
// JSON: key and certificate (PEM), clients, accounts (name → claims). It prints its issuer, and ends with its standard input.
import { createServer } from "node:https";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const [line] = await once(createInterface({ input: process.stdin }), "line");
const { key, certificate, clients, accounts } = JSON.parse(line);
const server = createServer({ key, cert: certificate });
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `https://localhost:${server.address().port}`;
const provider = new Provider(issuer, {
  clients,
  claims: { openid: ["sub"], profile: ["groups", "email", "email_verified"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["for tests alone"] },
  findAccount: (_, name) => ({ accountId: name, claims: () => ({ sub: name, ...accounts[name] }) }),
});
server.on("request", provider.callback());
console.log(issuer);
process.stdin.on("end", () => process.exit());
