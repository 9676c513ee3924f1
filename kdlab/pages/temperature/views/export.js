// Keeping the view: as a link, and as a file that needs no kernel.

import { toAddress } from "../state/link_state.js";
import { button, element } from "../../../widgets/shared/dom.js";
import { shared } from "../state/python_sync.js";

export function makeExport({ channel, store, complain }) {
  const told = element("span", { class: "kd-told", role: "status" });
  let fading = 0;
  const tell = (text) => {
    told.textContent = text;
    clearTimeout(fading);
    fading = setTimeout(() => (told.textContent = ""), 4000);
  };
  const link = button("Copy link", "The address of this page with this view in it", async () => {
    const address = `${location.href.split("#")[0]}#${toAddress(store.state)}`;
    history.replaceState(history.state, "", address);
    try {
      await navigator.clipboard.writeText(address);
      tell("Copied.");
    } catch {
      tell("The link is in the address bar.");
    }
  });
  const file = button("Export", "One HTML file that works without kdlab, for a lecture or an e-mail", async () => {
    file.disabled = true;
    tell("Making the file …");
    const { error, name, buffers } = await channel.ask("export", shared(store));
    file.disabled = false;
    tell("");
    if (error) return complain(error);
    const address = URL.createObjectURL(new Blob(buffers, { type: "text/html" }));
    element("a", { href: address, download: name }).click();
    URL.revokeObjectURL(address);
    tell(`Saved as ${name}.`);
  });
  return channel.alone ? [link, told] : [link, file, told];
}
