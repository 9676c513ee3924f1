// A file of one's own, chosen or dropped on the page: sent to the kernel piece by piece, because a message above 10 MB is
// lost without a word on its way through Voilà.

import { button, element } from "./dom.js";

const PIECE = 900_000; // bytes
const inWords = (size) => size.toLocaleString("en");

// A sentence about a file that need not be sent at all, or "".
function flaw({ name, size }, { kinds, otherwise, limit }) {
  const called = name.length > 50 ? `${name.slice(0, 49)}…` : name;
  if (!kinds.some((kind) => name.toLowerCase().endsWith(kind))) return `${called} ${otherwise}`;
  if (!size) return `${called} is empty: choose another file.`;
  if (size > limit)
    return `${called} has ${inWords(size)} bytes, and ${inWords(limit)} are the most that can be opened here: choose a smaller file.`;
  return "";
}

// A button with this text, whose tooltip says what form a file has. `kinds`: endings of names; `otherwise`: what is said of
// others; limit() gives or promises { limit } in bytes, or { error }. take(answer) is called with what the kernel answers to a
// whole file; refuse(answer, again), if given, with one that has an error: again(more) sends the file anew and says `more`.
// Returns { elements, takeDropped(page) }, the button first.
export function makeUpload({ channel, text, form, kinds, otherwise, limit, complain, take, refuse = () => {} }) {
  const told = element("span", { class: "kd-sending", role: "status" });
  const input = element("input", { type: "file", accept: kinds.join(), hidden: true });
  const choose = button(text, form, () => input.click());

  async function send(file, more) {
    const id = Math.random().toString(36).slice(2);
    let answer;
    for (let at = 0; at < file.size; at += PIECE) {
      told.textContent = `Sending the file: ${Math.round((100 * at) / file.size)} %`;
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      const about = { file: id, name: file.name, size: file.size, at, ...more };
      answer = await channel.ask("file", about, [piece]);
      if (!answer.error) continue;
      complain(answer.error);
      refuse(answer, (told) => open(file, told));
      return;
    }
    await take(answer);
  }

  async function open(file, more = {}) {
    complain(""); // what was wrong with the one before
    if (choose.disabled) return;
    choose.disabled = true;
    try {
      const most = await limit();
      const refused = most.error ?? flaw(file, { kinds, otherwise, limit: most.limit });
      if (refused) complain(refused);
      else await send(file, more);
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
