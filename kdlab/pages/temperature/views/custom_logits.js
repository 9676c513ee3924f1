// Custom logits and class names, typed or dragged, and presets from the literature.

import { button, element } from "../../../widgets/shared/dom.js";
import { makeNumberField } from "../../../widgets/shared/number_field.js";

const [MIN_LOGIT, MAX_LOGIT] = [-10, 20];
const MOST = 1e4; // size of a logit
const RANGE = { minimum: -MOST, maximum: MOST };
const MAX_CLASSES = 12;

// The classes are from the named sources; the logits are ours, in their spirit.
const PRESETS = {
  "A dog: dog, cat, tree": { classes: ["dog", "cat", "tree"], teacher: [9, 4, -3], student: [5, 1, 0] },
  "A car: pedestrian, dog, car, truck": {
    classes: ["pedestrian", "dog", "car", "truck"],
    teacher: [-1, -2.5, 10, 6],
    student: [0, 1, 6, 2],
  },
  "One logit vector at several temperatures": {
    classes: ["a", "b", "c", "d", "e"],
    teacher: [6, 4, 2, 1, -2],
    student: [4, 3, 2, 1, 0],
  },
};

// Returns an error message, or "" for valid logits.
export function validateLogits({ classes, teacher, student }) {
  if (!(classes.length >= 2 && classes.length <= MAX_CLASSES)) return `Give between 2 and ${MAX_CLASSES} classes.`;
  if (classes.length !== teacher.length || classes.length !== student.length)
    return "Give each class a logit of the teacher and one of the student.";
  if (![...teacher, ...student].every((value) => Number.isFinite(value) && Math.abs(value) <= MOST))
    return "A logit is a number from −10,000 to 10,000.";
  if (classes.some((name) => !name.trim())) return "Give every class a name.";
  return "";
}

export function makeCustomLogits(store) {
  const choice = element(
    "select",
    { "aria-label": "Examples of logits" },
    element("option", { value: "" }, "Begin with …"),
    ...Object.keys(PRESETS).map((name) => element("option", { value: name }, name)),
  );
  const body = element("tbody");
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, "Class"),
    element("th", { scope: "col", colSpan: 2 }, "Teacher's logit"),
    element("th", { scope: "col", colSpan: 2 }, "Student's logit"),
    element("td"),
  );
  const widths = ["30%", "auto", "60px", "auto", "60px", "32px"];
  const columns = element("colgroup", {}, ...widths.map((width) => element("col", { style: `width: ${width}` })));
  const add = button("+ Class", "Add a class", () => {
    const { classes, teacher, student } = entered;
    replace({
      classes: [...classes, `class ${classes.length + 1}`],
      teacher: [...teacher, 0],
      student: [...student, 0],
    });
  });
  const warning = element("p", { class: "kd-error", role: "alert", hidden: true });
  const refusals = element("div", {}); // sentences about numbers, as there is no room for them in the table
  const hint = element(
    "p",
    { class: "kd-note" },
    "The presets have classes from the literature, and logits that we made up.",
  );
  const root = element(
    "div",
    { class: "kd-custom-logits" },
    element("div", { class: "kd-custom-logits-head" }, choice, add),
    element("table", {}, columns, element("thead", {}, head), body),
    refusals,
    warning,
    hint,
  );
  let entered = null; // values of the fields, valid or not
  let accepted = null; // the last valid values

  function apply(logits) {
    warning.textContent = validateLogits(logits);
    warning.hidden = !warning.textContent;
    if (warning.hidden) store.set({ own: (accepted = logits) });
  }

  function replace(logits) {
    apply((entered = logits));
    build();
  }

  function change(list, index, value) {
    const values = [...entered[list]];
    values[index] = value;
    choice.value = ""; // edited values are no preset
    apply((entered = { ...entered, [list]: values }));
  }

  // The labels of the fields contain the class's name, which may change.
  function labelFields(fields, numbers, label) {
    const labels = { remove: `Remove ${label}` };
    for (const network of ["teacher", "student"]) {
      labels[network] = `${network === "teacher" ? "Teacher" : "Student"}'s logit of ${label}`;
      labels[`${network} typed`] = `${labels[network]}, as a number`;
    }
    for (const [key, field] of Object.entries(fields)) field.setAttribute("aria-label", labels[key]);
    for (const [network, number] of Object.entries(numbers))
      number.setRange(RANGE, `${labels[network]} must be a number from −10,000 to 10,000`);
  }

  function logitFields(network, index) {
    const value = String(entered[network][index]);
    const range = {
      type: "range",
      min: String(MIN_LOGIT),
      max: String(MAX_LOGIT),
      step: "0.1",
      value,
      class: `kd-of-${network}`,
    };
    const slider = element("input", range);
    const number = makeNumberField({
      range: RANGE,
      requirement: "",
      onValue(logit) {
        slider.value = logit;
        change(network, index, logit);
      },
      live: true,
    });
    number.show(entered[network][index]);
    refusals.append(number.error);
    slider.addEventListener("input", () => {
      const logit = Number(slider.value);
      number.show(logit);
      change(network, index, logit);
    });
    return [slider, number];
  }

  function row(label, index) {
    const title = element("input", {
      type: "text",
      value: label,
      maxlength: "24",
      "aria-label": `Name of class ${index + 1}`,
    });
    const remove = button("×", "Remove this class", () => {
      const without = (list) => list.filter((_, i) => i !== index);
      replace(Object.fromEntries(Object.entries(entered).map(([list, values]) => [list, without(values)])));
    });
    remove.disabled = entered.classes.length <= 2;
    const [teacher, student] = ["teacher", "student"].map((network) => logitFields(network, index));
    const numbers = { teacher: teacher[1], student: student[1] };
    const fields = {
      remove,
      teacher: teacher[0],
      "teacher typed": teacher[1].input,
      student: student[0],
      "student typed": student[1].input,
    };
    title.addEventListener("input", () => {
      change("classes", index, title.value);
      labelFields(fields, numbers, title.value);
    });
    labelFields(fields, numbers, label);
    const cells = [title, ...["teacher", "teacher typed", "student", "student typed"].map((key) => fields[key]), remove];
    return element("tr", {}, ...cells.map((field) => element("td", {}, field)));
  }

  function build() {
    refusals.replaceChildren();
    body.replaceChildren(...entered.classes.map(row));
    add.disabled = entered.classes.length >= MAX_CLASSES;
  }

  choice.addEventListener("change", () => {
    if (choice.value) replace(structuredClone(PRESETS[choice.value]));
  });
  store.watch(["own"], ({ own: logits }) => {
    if (logits === accepted) return; // typing must not rebuild the focused field
    entered = accepted = logits;
    build();
  });
  return { element: root };
}
