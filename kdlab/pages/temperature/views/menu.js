// The menu of data sets, and the upload of a file that is added to it.

import { button, element, keepUntranslated, labelled } from "../../../widgets/shared/dom.js";
import { makeUpload } from "../../../widgets/shared/upload.js";

const FORMAT_HELP =
  "Logits of your own: an NPZ with labels, teacher and student, or a CSV whose first line is label, teacher:cat, " +
  "teacher:dog …, student:cat, student:dog …";
const OUTPUTS = {
  probabilities: ["Probabilities", "Take the logarithms of the numbers in this file as logits"],
  logits: ["Logits", "Take the numbers in this file as they are"],
};

// Returns { elements, asking (absent in an exported file), acceptDrops(page), close }.
export function makeMenu({ model, store, dataClient, channel, showError }) {
  const choice = keepUntranslated(element("select", {}));

  function fillOptions() {
    choice.replaceChildren(...model.get("sets").map(({ key, label }) => element("option", { value: key }, label)));
    choice.value = store.state.dataset;
  }

  async function showSet(key) {
    try {
      const set = await dataClient.get(key);
      store.set({ dataset: set.key, set, example: set.telling, cell: null });
    } catch (error) {
      choice.value = store.state.dataset;
      showError(error.message);
    }
  }

  fillOptions();
  choice.addEventListener("change", () => showSet(choice.value));
  store.watch(["dataset"], ({ dataset }) => (choice.value = dataset));
  model.on("change:sets", fillOptions);
  const close = () => model.off("change:sets", fillOptions);
  const menu = labelled("Data", choice);
  if (channel.standalone) return { elements: [menu], acceptDrops() {}, close }; // no kernel
  const limit = model.get("upload_bytes");
  // Asks whether the numbers of a file are probabilities or logits. Hidden together with the error message.
  const asking = element("span", {
    class: "kd-outputs",
    role: "group",
    "aria-label": "What the numbers are",
    hidden: true,
  });
  store.watch(["error"], ({ error }) => {
    if (!error) asking.replaceChildren();
    asking.hidden = !asking.childElementCount;
  });
  function onRefused({ choices = [] }, retry) {
    const outputButton = (outputs) =>
      button(...OUTPUTS[outputs], () => {
        choice.focus(); // this button is about to be removed
        retry({ outputs });
      });
    asking.replaceChildren(...(choices.length ? ["Its numbers are:", ...choices.map(outputButton)] : []));
  }
  const upload = makeUpload({
    channel,
    text: "Open a file …",
    formatHelp: FORMAT_HELP,
    kinds: [".npz", ".csv"],
    wrongKind: "is neither an NPZ nor a CSV file: save your logits as one of them.",
    limit: () => ({ limit }),
    showError,
    onRefused,
    onReply: ({ dataset }) => showSet(dataset).then(() => store.set({ source: "example" })),
  });
  return { elements: [menu, ...upload.elements], asking, acceptDrops: upload.acceptDrops, close };
}
