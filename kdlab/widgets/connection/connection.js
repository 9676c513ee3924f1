// Asks the kernel every few seconds whether it is there, and says in the window when it is lost or found again.

const PERIOD = 3000; // milliseconds
const MOST = 3; // questions without an answer: one may be late

// Whether it is the server that does not answer, or this page's kernel alone.
async function findReason() {
  try {
    const address = `${document.body.dataset.baseUrl}static/voila.js`;
    await fetch(address, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(PERIOD) });
    return "kernel";
  } catch {
    return "server";
  }
}

function render({ model, el }) {
  el.style.display = "none";
  if (document.body.dataset.voila !== "voila") return () => {}; // JupyterLab says so itself
  let [missed, asked, lost] = [0, performance.now(), false];

  function ask() {
    const now = performance.now();
    // Timers sleep with a hidden tab, and with the machine: then nothing is known.
    if (document.hidden || now - asked > 2 * PERIOD) missed = 0;
    asked = now;
    if (document.hidden) return;
    if (missed === MOST && !lost) {
      lost = true;
      findReason().then((reason) => lost && dispatchEvent(new CustomEvent("kdlab:lost", { detail: { reason } })));
    }
    missed += 1;
    try {
      model.send({ type: "there?" });
    } catch {
      // The kernel is known to be dead: no answer will come.
    }
  }

  function hear() {
    missed = 0;
    if (!lost) return;
    lost = false;
    dispatchEvent(new CustomEvent("kdlab:found"));
  }

  model.on("msg:custom", hear);
  document.addEventListener("visibilitychange", ask);
  const timer = setInterval(ask, PERIOD);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", ask);
    model.off("msg:custom", hear);
  };
}

export default { render };
