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

// A tick that is saved at once goes back to what it was when that failed, and says so.
document.documentElement.classList.add("js");
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    const form = event.detail.elt;
    const tick = form && form.querySelector && form.querySelector("input[data-live]");
    if (!tick) return;
    tick.checked = !tick.checked;
    const answer = event.detail.xhr && event.detail.xhr.responseText;
    const said = answer ? new DOMParser().parseFromString(answer, "text/html").querySelector(".notice") : null;
    const live = document.getElementById("live");
    if (live) live.textContent = tick.dataset.live + (said ? " " + said.textContent : "");
  });
}
