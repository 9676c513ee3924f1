// Shows the loading state of a page, and a dialog when its kernel or the server is lost. Inlined in the page, because
// it must work when nothing else can be loaded.
{
  const SLOW_AFTER = 5000; // milliseconds until the page reports a slow start
  const RETRY_AFTER = 25000; // milliseconds until it offers to try again
  const RECONNECT_TIMEOUT = 12000; // milliseconds that a lost socket may take to reconnect
  const REASONS = {
    kernel:
      "The process behind this page has ended, because the page was away for long or the machine was short of memory.",
    server: "The server does not answer: the network may be away, or kdlab is being started again.",
  };
  const KEPT_NOTE = "Your choices and your runs are kept; they are there again once the page is loaded anew.";
  let [leaving, opened] = [false, false];

  const reload = async (button) => {
    try {
      // Checked first: if the server is still down, the browser would show its own error page.
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
      if (answer.status < 500) return location.reload();
    } catch {
      // The server is down.
    }
    button.textContent = "Still no answer. Try again";
  };

  const showMessage = (text, canRetry = false) => {
    const line = document.getElementById("loading_text");
    if (!line) return;
    line.textContent = text;
    const button = document.getElementById("loading_again");
    button.hidden = !canRetry;
    button.onclick = () => reload(button);
  };

  const showLostDialog = ({ detail }) => {
    if (leaving) return;
    const dialog = document.getElementById("lost");
    document.getElementById("lost_reason").textContent = `${REASONS[detail?.reason] ?? REASONS.kernel} ${KEPT_NOTE}`;
    const button = document.getElementById("lost_again");
    button.textContent = "Load the page again";
    button.onclick = () => reload(button);
    if (!dialog.open) dialog.showModal();
  };

  // Voilà calls these while it executes the cells, and when all are executed.
  window.voila_heartbeat = () => {};
  window.voila_waits = () => {};
  window.voila_shows = () => {
    // Voilà calls this twice: its own styles are loaded the second time.
    if (!window.themeLoaded) return void (window.cellLoaded = true);
    document.getElementById("rendered_cells").style.display = "";
    const removeWaiting = () => {
      const page = document.querySelector("#rendered_cells .kd-page, #rendered_cells .kd-failed");
      if (page) document.getElementById("loading")?.remove();
      return (opened = Boolean(page));
    };
    if (removeWaiting()) return;
    const observer = new MutationObserver(() => removeWaiting() && observer.disconnect());
    observer.observe(document.body, { childList: true, subtree: true });
  };

  setTimeout(
    () => showMessage("Connecting: kdlab starts a process for this page, which takes a moment more …"),
    SLOW_AFTER,
  );
  setTimeout(() => showMessage("This takes longer than it should.", true), RETRY_AFTER);
  addEventListener(
    "error",
    ({ target }) => {
      if (!opened && target instanceof HTMLScriptElement) showMessage("A part of the page could not be loaded.", true);
    },
    true,
  );
  addEventListener("pagehide", () => (leaving = true));
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload(); // the kernel of a page in the back/forward cache was shut down
  });
  addEventListener("kdlab:lost", showLostDialog);
  addEventListener("kdlab:found", () => document.getElementById("lost").close());

  // Watches the kernel's socket from outside, because JupyterLab's own code opens and reopens it.
  const channels = new Set();
  let reconnectTimer;
  const checkKernel = async (socket) => {
    try {
      const answer = await fetch(socket.url.replace(/^ws/, "http").replace(/\/channels.*$/, ""), { cache: "no-store" });
      if (answer.status === 404) dispatchEvent(new CustomEvent("kdlab:lost", { detail: { reason: "kernel" } }));
    } catch {
      // The server or the network is down: the socket may reconnect.
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...options) {
      super(...options);
      if (!/\/api\/kernels\/[^/]+\/channels/.test(this.url)) return;
      this.addEventListener("open", () => {
        channels.add(this);
        clearTimeout(reconnectTimer);
        if (document.getElementById("lost").open) dispatchEvent(new CustomEvent("kdlab:found"));
      });
      this.addEventListener("close", () => {
        if (!channels.delete(this) || leaving) return;
        checkKernel(this);
        clearTimeout(reconnectTimer);
        reconnectTimer = setTimeout(() => {
          if (!channels.size) dispatchEvent(new CustomEvent("kdlab:lost", { detail: { reason: "server" } }));
        }, RECONNECT_TIMEOUT);
      });
    }
  };
}
