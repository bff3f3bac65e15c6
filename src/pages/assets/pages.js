// Improves the hosted pages, which work without it: shows a password, sends a form once, does the proof of work of a
// sign-up, and says where a person goes.

const form = document.querySelector("form");

// A page that says what is wrong has answered a form. From here on its address stands for it in the history, so that neither Back
// nor a reload asks whether to send the form again.
history.replaceState(null, "", location.href);

for (const button of document.querySelectorAll("[data-toggle]")) {
  const field = document.getElementById(button.dataset.toggle);
  button.hidden = false;
  button.addEventListener("click", () => {
    field.type = field.type === "password" ? "text" : "password";
    [button.textContent, button.dataset.other] = [button.dataset.other, button.textContent];
  });
}

// A second click would send it again. After the back button the page must be usable, so nothing is disabled.
let isSent = false;
form?.addEventListener("submit", (event) => {
  if (isSent) {
    event.preventDefault();
    return;
  }
  isSent = true;
  form.setAttribute("aria-busy", "true");
  const note = form.querySelector("[data-returning]");
  // A program on this device opens beside this page, which stays.
  if (note !== null && event.submitter?.value === "allow") note.textContent = note.dataset.returning;
});
addEventListener("pageshow", () => {
  isSent = false;
  form?.removeAttribute("aria-busy");
});

const work = document.querySelector("[data-work]");
if (work !== null) {
  const solveChallenge = async () => {
    work.textContent = work.dataset.running;
    const { solve } = await import("./pow.js");
    const headers = { "content-type": "application/json" };
    const answer = await fetch(work.dataset.work, { method: "POST", headers, body: "{}" });
    const { challenge } = await answer.json();
    form.elements.nonce.value = await solve(challenge);
    form.elements.challenge_id.value = challenge.id;
    work.textContent = work.dataset.done;
  };
  // One at a time; when it has failed, the next one starts anew.
  let running;
  const doWork = () =>
    (running ??= solveChallenge().catch(() => {
      running = undefined;
      work.textContent = work.dataset.failed;
    }));
  doWork();
  // Whoever is faster than their device waits for it.
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value !== "register" || form.elements.nonce.value !== "") return;
    event.preventDefault();
    isSent = false;
    await doWork();
    if (form.elements.nonce.value !== "") form.requestSubmit(event.submitter);
  });
}
