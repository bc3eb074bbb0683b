// Passkeys: a button with [data-passkey] asks the browser for one and sends the answer with its form. "create" makes one, "get" shows one.
const supported = () =>
  typeof PublicKeyCredential === "function" && "parseCreationOptionsFromJSON" in PublicKeyCredential;

const ask = {
  create: (options) =>
    navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
};

for (const button of document.querySelectorAll("[data-passkey]")) {
  button.hidden = !supported();
  const missing = document.querySelector("[data-passkey-missing]");
  if (missing) missing.hidden = supported();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-passkey]");
  if (!button) return;
  const problem = document.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  try {
    const made = await ask[button.dataset.passkey](JSON.parse(button.dataset.options));
    button.form.elements.passkey.value = JSON.stringify(made.toJSON());
    button.form.submit();
  } catch (reason) {
    if (!(reason instanceof DOMException)) throw reason;
    problem.hidden = false; // the person said no, or the device has no passkey for this site
  }
});
