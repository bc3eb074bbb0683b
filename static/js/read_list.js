// The key list that was still being read when the page came. Once it is read, the whole list takes its place, unless somebody is at
// work on the page: then the link to it stands there, and is followed when what was open is closed.
function isBusy() {
  if (document.querySelector("dialog[open], details.menu[open]")) return true;
  return document.getElementById("main").contains(document.activeElement);
}

function showIt() {
  const link = document.querySelector("[data-read-list]");
  if (link && !isBusy()) link.click();
}

document.addEventListener("htmx:afterSettle", showIt);
for (const closed of ["close", "toggle"]) document.addEventListener(closed, showIt, true); // they do not bubble
