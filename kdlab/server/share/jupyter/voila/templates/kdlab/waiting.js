// Says what a page waits for, and what happened when its kernel or the server is gone. In the page itself, because it
// must work when nothing else can be loaded.
{
  const SLOW = 5000; // milliseconds until a page says that it takes long, and
  const STUCK = 25000; // until it offers to try again
  const PATIENCE = 12000; // how long a lost socket may take to come back
  const REASONS = {
    kernel:
      "The process behind this page has ended, because the page was away for long or the machine was short of memory.",
    server: "The server does not answer: the network may be away, or kdlab is being started again.",
  };
  const KEPT = "Your choices and your runs are kept; they are there again once the page is loaded anew.";
  let [leaving, opened] = [false, false];

  const reload = async (button) => {
    try {
      // Not at once: where the server is still away, the browser would show a page of its own.
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
      if (answer.status < 500) return location.reload();
    } catch {
      // It is away.
    }
    button.textContent = "Still no answer. Try again";
  };

  const tell = (text, again = false) => {
    const line = document.getElementById("loading_text");
    if (!line) return;
    line.textContent = text;
    const button = document.getElementById("loading_again");
    button.hidden = !again;
    button.onclick = () => reload(button);
  };

  const lose = ({ detail }) => {
    if (leaving) return;
    const dialog = document.getElementById("lost");
    document.getElementById("lost_reason").textContent = `${REASONS[detail?.reason] ?? REASONS.kernel} ${KEPT}`;
    const button = document.getElementById("lost_again");
    button.textContent = "Load the page again";
    button.onclick = () => reload(button);
    if (!dialog.open) dialog.showModal();
  };

  // Voilà calls these while it runs the cells, and when all are there.
  window.voila_heartbeat = () => {};
  window.voila_waits = () => {};
  window.voila_shows = () => {
    // Voilà calls this twice: the second time its own styles are there as well.
    if (!window.themeLoaded) return void (window.cellLoaded = true);
    document.getElementById("rendered_cells").style.display = "";
    const drawn = () => {
      const there = document.querySelector("#rendered_cells .kd-page, #rendered_cells .kd-failed");
      if (there) document.getElementById("loading")?.remove();
      return (opened = Boolean(there));
    };
    if (drawn()) return;
    const observer = new MutationObserver(() => drawn() && observer.disconnect());
    observer.observe(document.body, { childList: true, subtree: true });
  };

  setTimeout(() => tell("Connecting: kdlab starts a process for this page, which takes a moment more …"), SLOW);
  setTimeout(() => tell("This takes longer than it should.", true), STUCK);
  addEventListener(
    "error",
    ({ target }) => {
      if (!opened && target instanceof HTMLScriptElement) tell("A part of the page could not be loaded.", true);
    },
    true,
  );
  addEventListener("pagehide", () => (leaving = true));
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload(); // back to a page whose kernel was ended as it was left
  });
  addEventListener("kdlab:lost", lose);
  addEventListener("kdlab:found", () => document.getElementById("lost").close());

  // The socket to the kernel, watched from outside: JupyterLab's own code opens it, and opens it again when it is lost.
  const channels = new Set();
  let due;
  const look = async (socket) => {
    try {
      const answer = await fetch(socket.url.replace(/^ws/, "http").replace(/\/channels.*$/, ""), { cache: "no-store" });
      if (answer.status === 404) dispatchEvent(new CustomEvent("kdlab:lost", { detail: { reason: "kernel" } }));
    } catch {
      // The server is away, or the network: the socket may come back.
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...options) {
      super(...options);
      if (!/\/api\/kernels\/[^/]+\/channels/.test(this.url)) return;
      this.addEventListener("open", () => {
        channels.add(this);
        clearTimeout(due);
        if (document.getElementById("lost").open) dispatchEvent(new CustomEvent("kdlab:found"));
      });
      this.addEventListener("close", () => {
        if (!channels.delete(this) || leaving) return;
        look(this);
        clearTimeout(due);
        due = setTimeout(() => {
          if (!channels.size) dispatchEvent(new CustomEvent("kdlab:lost", { detail: { reason: "server" } }));
        }, PATIENCE);
      });
    }
  };
}
