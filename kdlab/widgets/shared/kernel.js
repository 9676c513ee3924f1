// Whether a widget has a kernel, and the sentences for one that has none or waits for it.

const BUSY_AFTER = 5000; // milliseconds without an answer after which the page says why it waits
const CHECK_INTERVAL = 500; // milliseconds

export const NO_KERNEL = "No kernel is behind this page: run its cell, or open it with kdlab app.";
export const BUSY = "Waiting for the kernel, which is busy: if nothing comes, run the cell again.";
const NO_ANSWER =
  "The kernel has not answered for a minute: it is busy with another cell, or it has ended. Try again later, or run " +
  "the cell again.";

// Jupyter marks the element of a widget that has no connection to a kernel: it is drawn from a saved notebook, or its
// kernel was restarted.
export const hasKernel = (el) => !el.closest(".jupyter-widgets-disconnected");

// Calls onBusy() when an answer takes long, and onLost(sentence) when none will come: no kernel is there, or it has not
// answered for `timeout` milliseconds. Returns a function to call when the answer has come.
export function awaitKernel(el, { onBusy = () => {}, onLost, timeout = Infinity }) {
  const start = performance.now();
  let [busy, timer] = [false, 0];
  function check() {
    const elapsed = performance.now() - start;
    if (!hasKernel(el)) return onLost(NO_KERNEL);
    if (elapsed > timeout) return onLost(NO_ANSWER);
    if (elapsed > BUSY_AFTER && !busy) {
      busy = true;
      onBusy();
    }
    timer = setTimeout(check, CHECK_INTERVAL);
  }
  timer = setTimeout(check);
  return () => clearTimeout(timer);
}
