// Which data set is shown: the menu of those there are, and a file of one's own that comes to them.

import { element, labelled } from "./dom.js";
import { makeUpload } from "./upload.js";

const FORM =
  "Logits of your own: an NPZ with labels, teacher and student, or a CSV whose first line is label, teacher:cat, " +
  "teacher:dog …, student:cat, student:dog …";

// Returns { elements, takeDropped(page), close }.
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
  const upload = makeUpload({
    channel,
    text: "Open a file …",
    form: FORM,
    kinds: [".npz", ".csv"],
    otherwise: "is neither an NPZ nor a CSV file: save your logits as one of them.",
    limit: () => ({ limit }),
    complain,
    take: ({ dataset }) => show(dataset).then(() => store.set({ source: "example" })),
  });
  return { elements: [menu, ...upload.elements], takeDropped: upload.takeDropped, close };
}
