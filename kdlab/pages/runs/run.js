// One run of the list. Its elements stay, so that a look at how it goes on disturbs nobody who is about to press one.

import { element } from "../../widgets/shared/view.js";
import { link } from "../../widgets/shared/page_link.js";
import { save } from "./save.js";
import { when } from "./when.js";

export function makeRow(run, { tick, ask }) {
  const box = element("input", { type: "checkbox" });
  const number = element("span", { class: "kd-number", "aria-hidden": "true" });
  const label = element("strong");
  const about = element("span", { class: "kd-note" });
  const message = element("span", { class: "kd-note kd-message" });
  const title = element("label", { class: "kd-what" }, box, number, element("span", {}, label, about, message));
  const outcome = element("div", { class: "kd-outcome" });
  const open = element("a", {}, "Open");
  const saving = element("button", { type: "button" }, "Save");
  const deleting = element("button", { type: "button" }, "Delete");
  const acts = element("div", { class: "kd-acts" }, open, saving, deleting);
  const yes = element("button", { type: "button", class: "kd-danger" }, "Delete");
  const no = element("button", { type: "button" }, "Keep");
  const sure = element("span", {}, "Delete this run and its files for good?");
  const asking = element("div", { class: "kd-asking", role: "group" }, sure, yes, no);
  asking.hidden = true;
  const made = element("li", {}, title, outcome, acts, asking);
  const said = {};

  function ask_(open) {
    asking.hidden = !open;
    acts.hidden = open;
    (open ? no : deleting).focus();
  }
  box.addEventListener("change", () => tick(run, box.checked));
  deleting.addEventListener("click", () => ask_(true));
  no.addEventListener("click", () => ask_(false));
  asking.addEventListener("keydown", ({ key }) => key === "Escape" && ask_(false));
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    const { error } = await ask("delete", { run });
    yes.disabled = false;
    if (error) ask_(false);
  });
  saving.addEventListener("click", async () => {
    saving.disabled = true;
    await save(run, ask, (share) => (saving.textContent = `${Math.round(100 * share)} %`));
    saving.textContent = "Save";
    saving.disabled = false;
  });

  return {
    element: made,
    show(content, place, full) {
      made.dataset.state = content.state;
      made.classList.toggle("kd-chosen", place > 0);
      box.checked = place > 0;
      box.disabled = full && !place;
      box.title = box.disabled ? "No more runs can be told apart in one figure: untick another one first" : "Compare";
      number.textContent = place || "";
      const text = JSON.stringify(content);
      if (text === said.text) return;
      said.text = text;
      label.textContent = content.label;
      about.textContent = [content.stands, when(content.created), content.knobs].filter(Boolean).join(" · ");
      message.textContent = content.message;
      outcome.replaceChildren(...tiles(content));
      for (const [name, value] of Object.entries(link(content.page))) open.setAttribute(name, value);
      for (const one of [open, saving, deleting])
        one.setAttribute("aria-label", `${one.firstChild?.data ?? ""}: ${content.label}, ${when(content.created)}`);
      saving.title = "Its files as one .zip";
      deleting.disabled = content.going;
      deleting.title = content.going ? "It still goes on: open it, and stop it first" : "";
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
      element("b", {}, validation, element("small", {}, " validation")),
      ...(test ? [element("small", {}, `${test} test`)] : []),
    ),
  );
}
