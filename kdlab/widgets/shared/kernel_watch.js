// Watches the page's kernel. On a web page it asks the kernel for an answer every few seconds, and reports on the window
// when it is lost and when it answers again; the page around shows a dialog then. In JupyterLab it asks the server for
// the kernel's state, as a kernel that is busy with another cell answers nobody, and says on the page what to do.

const INTERVAL = 3000; // milliseconds
const MAX_MISSED = 3; // pings without an answer; a late answer is tolerated
const BUSY_AFTER = 3; // looks in a row at which the kernel was busy until the page says so
const NOTICES = {
  restarted:
    "The kernel was started anew, and this page went with the old one: run this cell again. A run that went on is " +
    "found again: it goes on, or can go on from its last checkpoint.",
  ended:
    "The kernel of this page has ended: start one, and run this cell again. A run that went on is found again: it goes " +
    "on, or can go on from its last checkpoint.",
  busy: "The kernel is busy with another cell: this page answers when that is done.",
  server: "The server does not answer: the network may be away, or JupyterLab is being started again.",
};

// Whether the server is down, or only this page's kernel.
async function findReason() {
  try {
    const address = `${document.body.dataset.baseUrl}static/voila.js`;
    await fetch(address, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(INTERVAL) });
    return "kernel";
  } catch {
    return "server";
  }
}

// For a web page.
export function pingKernel(model) {
  let [missed, pingedAt, lost] = [0, performance.now(), false];

  function ping() {
    const time = performance.now();
    // Timers stop in a hidden tab and while the machine sleeps: missed answers then mean nothing.
    if (document.hidden || time - pingedAt > 2 * INTERVAL) missed = 0;
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
  const timer = setInterval(ping, INTERVAL);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", ping);
    model.off("msg:custom", onReply);
  };
}

// For JupyterLab: watches the kernel of the widget called `id`, and shows its state in the page's head.
export function watchKernel(model, { kernel, id }, head) {
  const config = document.getElementById("jupyter-config-data");
  const base = config && JSON.parse(config.textContent).baseUrl;
  const address = base && kernel && `${base}api/kernels/${kernel}`;
  let [busy, gone, closed] = [0, false, false];

  function show(key) {
    if (closed) return;
    gone = key === "restarted" || key === "ended";
    head.notify(NOTICES[key] ?? "", gone);
  }

  async function look() {
    if (document.hidden || gone) return;
    try {
      const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(INTERVAL) });
      if (gone) return;
      const state = answer.ok ? (await answer.json()).execution_state : answer.status === 404 ? "dead" : "";
      busy = state === "busy" ? busy + 1 : 0;
      if (state === "dead") show("ended");
      else show(busy >= BUSY_AFTER ? "busy" : "");
    } catch {
      if (!gone) show("server");
    }
  }

  // JupyterLab takes the connection from the widgets of a kernel that is restarted.
  const onConnection = async () => {
    if (closed) return;
    const { comm_live: live } = await model.widget_manager.get_model(id);
    if (live && gone) show("");
    else if (!live) show("restarted");
  };
  model.on("comm_live_update", onConnection);
  const timer = address ? setInterval(look, INTERVAL) : 0;
  return () => {
    closed = true;
    clearInterval(timer);
    model.off("comm_live_update", onConnection);
  };
}
