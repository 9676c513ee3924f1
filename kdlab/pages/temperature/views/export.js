// Buttons that copy a link to the view and export it as a file that needs no kernel.

import { toHash } from "../state/link_state.js";
import { button, element } from "../../../widgets/shared/dom.js";
import { syncedState } from "../state/python_sync.js";

export function makeExport({ channel, store, showError }) {
  const notice = element("span", { class: "kd-notice", role: "status" });
  let timer = 0;
  const notify = (text) => {
    notice.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => (notice.textContent = ""), 4000);
  };
  const linkButton = button("Copy link", "The address of this page with this view in it", async () => {
    const address = `${location.href.split("#")[0]}#${toHash(store.state)}`;
    history.replaceState(history.state, "", address);
    try {
      await navigator.clipboard.writeText(address);
      notify("Copied.");
    } catch {
      notify("The link is in the address bar.");
    }
  });
  const exportButton = button(
    "Export",
    "One HTML file that works without kdlab, for a lecture or an e-mail",
    async () => {
      exportButton.disabled = true;
      notify("Making the file …");
      const { error, name, buffers } = await channel.ask("export", syncedState(store));
      exportButton.disabled = false;
      notify("");
      if (error) return showError(error);
      const address = URL.createObjectURL(new Blob(buffers, { type: "text/html" }));
      element("a", { href: address, download: name }).click();
      URL.revokeObjectURL(address);
      notify(`Saved as ${name}.`);
    },
  );
  return channel.standalone ? [linkButton, notice] : [linkButton, exportButton, notice];
}
