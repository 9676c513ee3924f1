// Pings the kernel every few seconds, and dispatches events on the window when it is lost and when it answers again.

import { NO_KERNEL, hasKernel } from "../shared/kernel.js";

const PING_INTERVAL = 3000; // milliseconds
const MAX_MISSED = 3; // pings without an answer; a late one is tolerated

// Whether the server is down, or only this page's kernel.
async function findReason() {
  try {
    const address = `${document.body.dataset.baseUrl}static/voila.js`;
    await fetch(address, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(PING_INTERVAL) });
    return "kernel";
  } catch {
    return "server";
  }
}

export function render({ model, el }) {
  if (!hasKernel(el)) {
    el.className += " kd-notice-kernel";
    el.setAttribute("role", "status");
    el.textContent = NO_KERNEL;
    return () => {};
  }
  el.style.display = "none";
  if (document.body.dataset.voila !== "voila") return () => {}; // JupyterLab reports a lost kernel itself
  let [missed, pingedAt, lost] = [0, performance.now(), false];

  function ping() {
    const time = performance.now();
    // Timers stop in a hidden tab and while the machine sleeps: missed answers then mean nothing.
    if (document.hidden || time - pingedAt > 2 * PING_INTERVAL) missed = 0;
    pingedAt = time;
    if (document.hidden) return;
    if (missed === MAX_MISSED && !lost) {
      lost = true;
      findReason().then((reason) => lost && dispatchEvent(new CustomEvent("kdlab:lost", { detail: { reason } })));
    }
    missed += 1;
    try {
      model.send({ type: "there?" });
    } catch {
      // The kernel is dead: no answer will come.
    }
  }

  function onReply() {
    missed = 0;
    if (!lost) return;
    lost = false;
    dispatchEvent(new CustomEvent("kdlab:found"));
  }

  model.on("msg:custom", onReply);
  document.addEventListener("visibilitychange", ping);
  const timer = setInterval(ping, PING_INTERVAL);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", ping);
    model.off("msg:custom", onReply);
  };
}
