// Which data set is shown: the menu of those there are, and a file of one's own that comes to them.

import { button, element, labelled } from "../../../widgets/shared/dom.js";
import { makeUpload } from "../../../widgets/shared/upload.js";

const FORM =
  "Logits of your own: an NPZ with labels, teacher and student, or a CSV whose first line is label, teacher:cat, " +
  "teacher:dog …, student:cat, student:dog …";
const OUTPUTS = {
  probabilities: ["Probabilities", "Take the logarithms of the numbers in this file as logits"],
  logits: ["Logits", "Take the numbers in this file as they are"],
};

// Returns { elements, asking (there is none in a file), takeDropped(page), close }.
export function makeMenu({ model, store, sets, channel, complain }) {
  const choice = element("select", {});

  function offer() {
    choice.replaceChildren(...model.get("sets").map(({ key, label }) => element("option", { value: key }, label)));
    choice.value = store.state.dataset;
  }

  async function show(key) {
    const set = await sets.get(key);
    store.set({ dataset: set.key, set, example: set.telling, cell: null });
  }

  offer();
  choice.addEventListener("change", () => show(choice.value));
  store.watch(["dataset"], ({ dataset }) => (choice.value = dataset));
  model.on("change:sets", offer);
  const close = () => model.off("change:sets", offer);
  const menu = labelled("Data", choice);
  if (channel.alone) return { elements: [menu], takeDropped() {}, close }; // a file has nobody to read another
  const limit = model.get("upload_bytes");
  // What a file's numbers are, asked where they look like probabilities; gone with the sentence that asks.
  const asking = element("span", { class: "kd-outputs", role: "group", "aria-label": "What the numbers are", hidden: true });
  store.watch(["complaint"], ({ complaint }) => {
    if (!complaint) asking.replaceChildren();
    asking.hidden = !asking.childElementCount;
  });
  function refuse({ choices = [] }, again) {
    const offer = (outputs) =>
      button(...OUTPUTS[outputs], () => {
        choice.focus(); // the button goes
        again({ outputs });
      });
    asking.replaceChildren(...(choices.length ? ["Its numbers are:", ...choices.map(offer)] : []));
  }
  const upload = makeUpload({
    channel,
    text: "Open a file …",
    form: FORM,
    kinds: [".npz", ".csv"],
    otherwise: "is neither an NPZ nor a CSV file: save your logits as one of them.",
    limit: () => ({ limit }),
    complain,
    refuse,
    take: ({ dataset }) => show(dataset).then(() => store.set({ source: "example" })),
  });
  return { elements: [menu, ...upload.elements], asking, takeDropped: upload.takeDropped, close };
}
