// The upload of a trained teacher: a button, then the file's name and size, and a button that removes it.

import { makeChannel } from "../shared/channel.js";
import { button, element } from "../shared/dom.js";
import { makeUpload } from "../shared/upload.js";

const FORMAT_HELP =
  "A trained teacher of your own, or drop it here: its weights as safetensors, for the network that the field Teacher names";
const MISSING_TEXT = "The teacher came from a file: choose it again, or × to train one.";

export function render({ model, el }) {
  el.classList.add("kd-weights");
  const channel = makeChannel(model, el);
  const fileName = element("span", { class: "kd-file" });
  const error = element("p", { class: "kd-error", role: "alert", hidden: true });
  function showError(sentence) {
    error.textContent = sentence;
    error.hidden = !sentence;
  }
  const upload = makeUpload({
    channel,
    text: "Weights …",
    formatHelp: FORMAT_HELP,
    kinds: [".safetensors"],
    wrongKind: "is no safetensors file: save the network with safetensors.torch.save_file.",
    limit: () => channel.ask("limit"),
    showError,
    onReply: () => removeButton.focus(), // the traits update the rest
  });
  const removeButton = button("×", "Let the file go, and train the teacher", async () => {
    showError("");
    const { error: reason } = await channel.ask("let_go");
    if (reason) return showError(reason);
    upload.elements[0].focus();
  });
  removeButton.setAttribute("aria-label", "Let the teacher's file go");
  el.append(...upload.elements, fileName, removeButton, error);
  upload.acceptDrops(el);

  function show() {
    const state = model.get("file_state");
    upload.elements[0].hidden = state === "file";
    removeButton.hidden = state === "none";
    fileName.textContent = state === "missing" ? MISSING_TEXT : model.get("title");
    fileName.title = fileName.textContent;
    if (state === "file") fileName.append(element("small", {}, `${model.get("size").toLocaleString("en")} bytes`));
  }
  model.on("change:file_state change:title change:size", show);
  show();
  return () => {
    model.off("change:file_state change:title change:size", show);
    channel.close();
  };
}
