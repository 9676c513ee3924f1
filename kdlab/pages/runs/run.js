// One run of the list. Its elements are reused, so that an update does not interrupt a click or the focus.

import { keepUntranslated } from "../../widgets/shared/dom.js";
import { element } from "../../widgets/shared/view.js";
import { linkTo } from "../../widgets/shared/page_link.js";
import { save } from "./save.js";
import { formatDate } from "./when.js";

export function makeRow(run, { tick, ask }) {
  const box = element("input", { type: "checkbox" });
  const number = element("span", { class: "kd-number", "aria-hidden": "true" });
  const label = keepUntranslated(element("strong"));
  const details = element("span", { class: "kd-note" });
  const message = element("span", { class: "kd-note kd-message" });
  const title = element("label", { class: "kd-run-label" }, box, number, element("span", {}, label, details, message));
  const outcome = element("div", { class: "kd-outcome" });
  const openLink = element("a", {}, "Open");
  const saveButton = element("button", { type: "button" }, "Save");
  const askDeleteButton = element("button", { type: "button" }, "Delete");
  const controls = { Open: openLink, Save: saveButton, Delete: askDeleteButton };
  const actions = element("div", { class: "kd-actions" }, ...Object.values(controls));
  const deleteButton = element("button", { type: "button", class: "kd-danger" }, "Delete");
  const keepButton = element("button", { type: "button" }, "Keep");
  const question = element("span", {}, "Delete this run and its files for good?");
  const confirmation = element("div", { class: "kd-confirmation", role: "group" }, question, deleteButton, keepButton);
  confirmation.hidden = true;
  const root = element("li", {}, title, outcome, actions, confirmation);
  const drawn = {};

  function confirmDeletion(open) {
    confirmation.hidden = !open;
    actions.hidden = open;
    (open ? keepButton : askDeleteButton).focus();
  }
  box.addEventListener("change", () => tick(run, box.checked));
  askDeleteButton.addEventListener("click", () => confirmDeletion(true));
  keepButton.addEventListener("click", () => confirmDeletion(false));
  confirmation.addEventListener("keydown", ({ key }) => key === "Escape" && confirmDeletion(false));
  deleteButton.addEventListener("click", async () => {
    deleteButton.disabled = true;
    const { error } = await ask("delete", { run });
    deleteButton.disabled = false;
    if (error) confirmDeletion(false);
  });
  saveButton.addEventListener("click", async () => {
    saveButton.disabled = true;
    await save(run, ask, (share) => (saveButton.textContent = `${Math.round(100 * share)} %`));
    saveButton.textContent = "Save";
    saveButton.disabled = false;
  });

  return {
    element: root,
    show(content, position, full) {
      root.dataset.state = content.state;
      root.classList.toggle("kd-chosen", position > 0);
      box.checked = position > 0;
      box.disabled = full && !position;
      box.title = box.disabled ? "No more runs can be told apart in one figure: untick another one first" : "Compare";
      number.textContent = position || "";
      const text = JSON.stringify(content);
      if (text === drawn.text) return;
      drawn.text = text;
      label.textContent = content.label;
      details.textContent = [content.stands, formatDate(content.created), content.knobs].filter(Boolean).join(" · ");
      message.textContent = content.message;
      outcome.replaceChildren(...tiles(content));
      linkTo(openLink, content.page);
      for (const [action, control] of Object.entries(controls))
        control.setAttribute("aria-label", `${action}: ${content.label}, ${formatDate(content.created)}`);
      saveButton.title = "Its files as one .zip";
      askDeleteButton.disabled = content.going;
      askDeleteButton.title = content.going ? "It still goes on: open it, and stop it first" : "";
    },
  };
}

function tiles({ errors, outcome }) {
  if (outcome) return [element("span", {}, outcome)];
  return errors.map(({ role, label, test, validation }) =>
    element(
      "span",
      { class: `kd-errors kd-${role}`, title: "Wrong answers on validation data and, at the end, on test data" },
      element("small", {}, label),
      element("b", {}, keepUntranslated(element("span", {}, validation)), element("small", {}, " validation")),
      ...(test ? [element("small", {}, `${test} test`)] : []),
    ),
  );
}
