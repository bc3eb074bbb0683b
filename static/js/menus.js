// Menus close when something else is clicked or focused, and by Escape.
function closeOtherMenus(event) {
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
}
document.addEventListener("click", closeOtherMenus);

// A menu that focus has left is closed: it would cover what comes next.
document.addEventListener("focusin", closeOtherMenus);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
