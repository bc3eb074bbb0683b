// An answer to a form that shows a secret once has the address of what was made: reloading shows that, and sends nothing a second time.
const made = document.querySelector("[data-address]");
if (made) history.replaceState(history.state, "", made.dataset.address);
