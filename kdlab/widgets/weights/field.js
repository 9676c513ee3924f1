// A teacher of one's own: a quiet button, then the file's name and size and a × that lets it go.

import { makeChannel } from "../shared/channel.js";
import { button, element } from "../shared/dom.js";
import { makeUpload } from "../shared/upload.js";

const FORM =
  "A trained teacher of your own, or drop it here: its weights as safetensors, for the network that the field Teacher names";
const AGAIN = "The teacher came from a file: choose it again, or × to train one.";

export function render({ model, el }) {
  el.classList.add("kd-weights");
  const channel = makeChannel(model);
  const what = element("span", { class: "kd-file" });
  const error = element("p", { class: "kd-error", role: "alert", hidden: true });
  function complain(sentence) {
    error.textContent = sentence;
    error.hidden = !sentence;
  }
  const upload = makeUpload({
    channel,
    text: "Weights …",
    form: FORM,
    kinds: [".safetensors"],
    otherwise: "is no safetensors file: save the network with safetensors.torch.save_file.",
    limit: () => channel.ask("limit"),
    complain,
    take: () => away.focus(), // what else there is to do, the traits tell
  });
  const away = button("×", "Let the file go, and train the teacher", async () => {
    complain("");
    await channel.ask("let_go");
    upload.elements[0].focus();
  });
  away.setAttribute("aria-label", "Let the teacher's file go");
  el.append(...upload.elements, what, away, error);
  upload.takeDropped(el);

  function show() {
    const held = model.get("held");
    upload.elements[0].hidden = held === "file";
    away.hidden = held === "none";
    what.textContent = held === "missing" ? AGAIN : model.get("title");
    what.title = what.textContent;
    if (held === "file") what.append(element("small", {}, `${model.get("size").toLocaleString("en")} bytes`));
  }
  model.on("change:held change:title change:size", show);
  show();
  return () => {
    model.off("change:held change:title change:size", show);
    channel.close();
  };
}
