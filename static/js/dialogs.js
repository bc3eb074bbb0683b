import { restore } from "./drafts.js";

// What asks first on a page of its own asks here, in front of this page: the same form, fetched from there. Where that fails, and
// for who wants a new tab, it is the page.
document.addEventListener("click", async (event) => {
  if (event.target.closest("dialog [data-cancel]")) {
    event.preventDefault();
    event.target.closest("dialog").close();
    return;
  }
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  const asked =
    answer &&
    answer.ok &&
    new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-ask]");
  if (!asked) {
    location.assign(link.href);
    return;
  }
  if (document.querySelector("dialog[open]")) return; // the link was pressed twice
  const dialog = document.createElement("dialog");
  dialog.className = "ask";
  const title = document.createElement("h2"); // the page behind has its h1
  const heading = asked.querySelector("h1");
  title.id = heading.id;
  title.append(...heading.childNodes);
  heading.replaceWith(title);
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(document.adoptNode(asked));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  restore(dialog);
  dialog.showModal();
  // Enter held down on the link must not say yes.
  dialog.querySelector(":is(input:not([type=hidden]), select, textarea, [data-cancel])").focus();
});

// A click beside a dialog closes it.
document.addEventListener("click", (event) => {
  if (event.target.matches("dialog")) event.target.close();
});
