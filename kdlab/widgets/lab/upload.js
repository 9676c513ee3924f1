// A file of one's own, chosen or dropped on the page: sent to the kernel piece by piece, because a message above 10 MB is
// lost without a word on its way through Voilà.

import { button, element } from "./dom.js";

const PIECE = 900_000; // bytes
const KINDS = [".npz", ".csv"];
const inWords = (size) => size.toLocaleString("en");
const FORM =
  "Logits of your own: an NPZ with labels, teacher and student, or a CSV whose first line is label, teacher:cat, " +
  "teacher:dog …, student:cat, student:dog …";

// A sentence about a file that need not be sent at all, or "".
function flaw({ name, size }, limit) {
  const called = name.length > 50 ? `${name.slice(0, 49)}…` : name;
  if (!KINDS.some((kind) => name.toLowerCase().endsWith(kind)))
    return `${called} is neither an NPZ nor a CSV file: save your logits as one of them.`;
  if (!size) return `${called} is empty: choose another file.`;
  if (size > limit)
    return `${called} has ${inWords(size)} bytes, and ${inWords(limit)} are the most that can be opened here: choose a smaller file.`;
  return "";
}

// show(key) is called with the data set that came of a file. Returns { elements, takeDropped(page) }.
export function makeUpload({ channel, limit, complain, show }) {
  const told = element("span", { class: "kd-sending", role: "status" });
  const input = element("input", { type: "file", accept: KINDS.join(), hidden: true });
  const choose = button("Open a file …", FORM, () => input.click());

  async function send(file) {
    const id = Math.random().toString(36).slice(2);
    for (let at = 0; at < file.size; at += PIECE) {
      told.textContent = `Sending the file: ${Math.round((100 * at) / file.size)} %`;
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      const about = { file: id, name: file.name, size: file.size, at };
      const { error, dataset } = await channel.ask("file", about, [piece]);
      if (error) return complain(error);
      if (dataset) await show(dataset);
    }
  }

  async function open(file) {
    complain(""); // what was wrong with the one before
    if (choose.disabled) return;
    const refused = flaw(file, limit);
    if (refused) return complain(refused);
    choose.disabled = true;
    try {
      await send(file);
    } catch {
      complain("The file could not be read: choose it again.");
    } finally {
      choose.disabled = false;
      told.textContent = "";
    }
  }

  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) open(file).then(() => (input.value = "")); // or the same file, mended, could not be chosen again
  });

  return {
    elements: [choose, input, told],
    takeDropped(page) {
      const bearsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
      page.addEventListener("dragover", (event) => {
        if (!bearsFiles(event)) return;
        event.preventDefault(); // or the browser leaves the page for the file
        page.classList.add("kd-dropping");
      });
      page.addEventListener("dragleave", ({ relatedTarget }) => {
        if (!page.contains(relatedTarget)) page.classList.remove("kd-dropping");
      });
      page.addEventListener("drop", (event) => {
        page.classList.remove("kd-dropping");
        if (!bearsFiles(event)) return;
        event.preventDefault();
        const { files } = event.dataTransfer;
        if (files.length === 1) open(files[0]);
        else complain("One file at a time can be opened: drop a single one.");
      });
    },
  };
}
