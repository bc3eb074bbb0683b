// Where focus goes: to the content, and to what an htmx swap brings.

// The link alone would leave "#main" in the address, which goes along through forms and keeps a later page from its first field.
document.addEventListener("click", (event) => {
  if (!event.target.closest(".skip")) return;
  event.preventDefault();
  document.getElementById("main").focus();
});

// What is swapped in takes over the focus of what it replaces: the element of the same ID (htmx does that itself), one of those that
// data-then names, the link to the same place, or the swapped part as a whole.
let left = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const at = document.activeElement;
  left = event.detail.target.contains(at)
    ? {
        then: (at.dataset.then || "").split(" "),
        id: at.id,
        link: at.getAttribute("href"),
        part: event.detail.target.id,
      }
    : null;
});
document.addEventListener("htmx:afterSettle", () => {
  if (!left || (document.activeElement !== document.body && !left.then[0])) return;
  const part = document.getElementById(left.part) || document.getElementById("main");
  const same = left.link && [...part.querySelectorAll("a")].find((each) => each.getAttribute("href") === left.link);
  const next =
    [...left.then, left.id].map((id) => id && document.getElementById(id)).find((each) => each) || same || part;
  if (next === part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
  next.focus();
  left = null;
});
