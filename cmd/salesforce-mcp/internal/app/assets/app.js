// What pages do beyond links, forms and htmx. Without it everything still works.
"use strict";
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (navigator.clipboard) button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button || !navigator.clipboard) return;
  const label = button.textContent;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = label; }, 2000);
});
document.addEventListener("htmx:load", (event) => {
  for (const button of event.target.querySelectorAll("button[data-copy]")) {
    if (navigator.clipboard) button.hidden = false;
  }
});
const problems = document.getElementById("problems");
if (problems) problems.focus();
