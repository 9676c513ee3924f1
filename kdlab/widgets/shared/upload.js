// Uploads a file, chosen or dropped on the page, to the kernel in chunks: Voilà drops messages above 10 MB silently.

import { button, element } from "./dom.js";

const CHUNK_BYTES = 900_000;
const formatCount = (size) => size.toLocaleString("en");

// An error message for a file that is not worth uploading, or "".
function validateFile({ name, size }, { kinds, wrongKind, limit }) {
  const shortName = name.length > 50 ? `${name.slice(0, 49)}…` : name;
  if (!kinds.some((kind) => name.toLowerCase().endsWith(kind))) return `${shortName} ${wrongKind}`;
  if (!size) return `${shortName} is empty: choose another file.`;
  if (size > limit)
    return `${shortName} has ${formatCount(size)} bytes, and ${formatCount(limit)} are the most that can be opened here: choose a smaller file.`;
  return "";
}

// A button labelled `text` with the tooltip `formatHelp`. `kinds`: accepted extensions; `wrongKind`: the rest of the
// error message for others; limit() returns { limit } in bytes or { error }, or a promise of it. onReply(reply) is
// called with the kernel's reply to a complete file; onRefused(reply, retry), if given, with a reply that has an
// error: retry(fields) uploads the file again with these fields in each message. Returns
// { elements, acceptDrops(page) }, the button first.
export function makeUpload({
  channel,
  text,
  formatHelp,
  kinds,
  wrongKind,
  limit,
  showError,
  onReply,
  onRefused = () => {},
}) {
  const progress = element("span", { class: "kd-upload-progress", role: "status" });
  const input = element("input", { type: "file", accept: kinds.join(), hidden: true });
  const choose = button(text, formatHelp, () => input.click());

  async function send(file, extraFields) {
    const id = Math.random().toString(36).slice(2);
    let reply;
    for (let offset = 0; offset < file.size; offset += CHUNK_BYTES) {
      progress.textContent = `Sending the file: ${Math.round((100 * offset) / file.size)} %`;
      const chunk = await file.slice(offset, offset + CHUNK_BYTES).arrayBuffer();
      const message = { file: id, name: file.name, size: file.size, at: offset, ...extraFields };
      reply = await channel.ask("file", message, [chunk]);
      if (!reply.error) continue;
      showError(reply.error);
      onRefused(reply, (fields) => open(file, fields));
      return;
    }
    await onReply(reply);
  }

  async function open(file, extraFields = {}) {
    showError(""); // clear the previous error
    if (choose.disabled) return;
    choose.disabled = true;
    try {
      const allowed = await limit();
      const error = allowed.error ?? validateFile(file, { kinds, wrongKind, limit: allowed.limit });
      if (error) showError(error);
      else await send(file, extraFields);
    } catch {
      showError("The file could not be read: choose it again.");
    } finally {
      choose.disabled = false;
      progress.textContent = "";
    }
  }

  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) open(file).then(() => (input.value = "")); // otherwise choosing the same file again fires no event
  });

  return {
    elements: [choose, input, progress],
    acceptDrops(page) {
      const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
      page.addEventListener("dragover", (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault(); // otherwise the browser would navigate to the file
        page.classList.add("kd-dropping");
      });
      page.addEventListener("dragleave", ({ relatedTarget }) => {
        if (!page.contains(relatedTarget)) page.classList.remove("kd-dropping");
      });
      page.addEventListener("drop", (event) => {
        page.classList.remove("kd-dropping");
        if (!hasFiles(event)) return;
        event.preventDefault();
        const { files } = event.dataTransfer;
        if (files.length === 1) open(files[0]);
        else showError("One file at a time can be opened: drop a single one.");
      });
    },
  };
}
