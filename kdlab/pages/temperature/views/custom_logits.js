// One's own logits and class names, typed or dragged, and presets from the literature.

import { button, element, parse } from "../../../widgets/shared/dom.js";

const [LEAST, MOST] = [-10, 20];
const MOST_CLASSES = 12;

// The classes are those of the sources named; the logits are ours, in their spirit.
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

// Says what is wrong with logits of one's own, or nothing.
export function flaw({ classes, teacher, student }) {
  if (!(classes.length >= 2 && classes.length <= MOST_CLASSES)) return `Give between 2 and ${MOST_CLASSES} classes.`;
  if (classes.length !== teacher.length || classes.length !== student.length)
    return "Give each class a logit of the teacher and one of the student.";
  if (![...teacher, ...student].every((value) => Number.isFinite(value) && Math.abs(value) <= 1e4))
    return "A logit is a number from −10,000 to 10,000.";
  if (classes.some((name) => !name.trim())) return "Give every class a name.";
  return "";
}

export function makeOwn(store) {
  const choice = element(
    "select",
    { "aria-label": "Examples of logits" },
    element("option", { value: "" }, "Begin with …"),
    ...Object.keys(PRESETS).map((name) => element("option", {}, name)),
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
    const { classes, teacher, student } = written;
    replace({
      classes: [...classes, `class ${classes.length + 1}`],
      teacher: [...teacher, 0],
      student: [...student, 0],
    });
  });
  const warning = element("p", { class: "kd-error", role: "alert", hidden: true });
  const hint = element(
    "p",
    { class: "kd-note" },
    "The presets have classes from the literature, and logits that we made up.",
  );
  const root = element(
    "div",
    { class: "kd-own" },
    element("div", { class: "kd-own-top" }, choice, add),
    element("table", {}, columns, element("thead", {}, head), body),
    warning,
    hint,
  );
  let written = null; // what the fields hold
  let given = null; // the last of it that could be shown

  function give(own) {
    warning.textContent = flaw(own);
    warning.hidden = !warning.textContent;
    if (warning.hidden) store.set({ own: (given = own) });
  }

  function replace(own) {
    give((written = own));
    build();
  }

  function change(list, at, value) {
    const values = [...written[list]];
    values[at] = value;
    choice.value = ""; // it is no preset any more
    give((written = { ...written, [list]: values }));
  }

  // The fields of a class are called by its name, which may change.
  function name(fields, label) {
    const says = { remove: `Remove ${label}` };
    for (const network of ["teacher", "student"]) {
      says[network] = `${network === "teacher" ? "Teacher" : "Student"}'s logit of ${label}`;
      says[`${network} typed`] = `${says[network]}, as a number`;
    }
    for (const [what, field] of Object.entries(fields)) field.setAttribute("aria-label", says[what]);
  }

  function logitFields(network, at) {
    const value = String(written[network][at]);
    const range = {
      type: "range",
      min: String(LEAST),
      max: String(MOST),
      step: "0.1",
      value,
      class: `kd-of-${network}`,
    };
    const drag = element("input", range);
    const type = element("input", { type: "text", inputmode: "decimal", value });
    drag.addEventListener("input", () => {
      type.value = drag.value;
      change(network, at, Number(drag.value));
    });
    type.addEventListener("input", () => {
      drag.value = type.value;
      change(network, at, parse(type.value));
    });
    return [drag, type];
  }

  function row(label, at) {
    const title = element("input", {
      type: "text",
      value: label,
      maxlength: "24",
      "aria-label": `Name of class ${at + 1}`,
    });
    const remove = button("×", "Remove this class", () => {
      const without = (list) => list.filter((_, other) => other !== at);
      replace(Object.fromEntries(Object.entries(written).map(([list, values]) => [list, without(values)])));
    });
    remove.disabled = written.classes.length <= 2;
    const [teacher, student] = ["teacher", "student"].map((network) => logitFields(network, at));
    const fields = { remove };
    [fields.teacher, fields["teacher typed"]] = teacher;
    [fields.student, fields["student typed"]] = student;
    title.addEventListener("input", () => {
      change("classes", at, title.value);
      name(fields, title.value);
    });
    name(fields, label);
    return element("tr", {}, ...[title, ...teacher, ...student, remove].map((field) => element("td", {}, field)));
  }

  function build() {
    body.replaceChildren(...written.classes.map(row));
    add.disabled = written.classes.length >= MOST_CLASSES;
  }

  choice.addEventListener("change", () => {
    if (choice.value) replace(structuredClone(PRESETS[choice.value]));
  });
  store.watch(["own"], ({ own }) => {
    if (own === given) return; // typing must not rebuild the field one types in
    written = given = own;
    build();
  });
  return { element: root };
}
