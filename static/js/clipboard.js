// Copy buttons: what [data-copy] says goes to the clipboard.

// Without https, and not on this machine, browsers have no clipboard to write to: there what is selected is copied.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"),
    from = document.activeElement;
  field.value = text;
  (document.querySelector("dialog[open]") || document.body).append(field); // behind a dialog nothing can be selected
  field.select();
  document.execCommand("copy");
  field.remove();
  from.focus();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy);
  button.classList.add("copied");
  setTimeout(() => {
    button.classList.remove("copied");
  }, 1200);
});
