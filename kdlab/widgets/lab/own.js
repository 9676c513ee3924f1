// One's own logits and class names, typed or dragged, and presets from the literature.

import { button, element } from "./dom.js";

const [LEAST, MOST] = [-10, 20];
const MOST_CLASSES = 12;

// The classes are those of the sources named; the logits are ours, in their spirit.
export const PRESETS = {
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
  const add = button("+ Class", "Add a class", () => {
    const { classes, teacher, student } = store.state.own;
    set({ classes: [...classes, `class ${classes.length + 1}`], teacher: [...teacher, 0], student: [...student, 0] });
  });
  const warning = element("p", { class: "kd-error", role: "alert", hidden: true });
  const root = element(
    "div",
    { class: "kd-own" },
    element("div", { class: "kd-own-top" }, choice, add),
    element("table", {}, element("thead", {}, head), body),
    warning,
  );
  let written = null; // what the fields hold

  function set(own) {
    warning.textContent = flaw(own);
    warning.hidden = !warning.textContent;
    if (warning.hidden) store.set({ own });
  }

  function change(list, at, value) {
    const values = [...store.state.own[list]];
    values[at] = value;
    written = { ...store.state.own, [list]: values };
    set(written);
  }

  function logitFields(network, at) {
    const name = () => `${network === "teacher" ? "Teacher" : "Student"}'s logit of ${store.state.own.classes[at]}`;
    const value = store.state.own[network][at];
    const drag = element("input", {
      type: "range",
      min: String(LEAST),
      max: String(MOST),
      step: "0.1",
      value: String(value),
      class: `kd-of-${network}`,
      "aria-label": name(),
    });
    const type = element("input", {
      type: "number",
      step: "any",
      value: String(value),
      "aria-label": `${name()}, as a number`,
    });
    drag.addEventListener("input", () => {
      type.value = drag.value;
      change(network, at, Number(drag.value));
    });
    type.addEventListener("input", () => {
      drag.value = type.value;
      change(network, at, type.value === "" ? NaN : Number(type.value));
    });
    return [element("td", {}, drag), element("td", {}, type)];
  }

  function build() {
    const { classes } = (written = store.state.own);
    body.replaceChildren(
      ...classes.map((label, at) => {
        const name = element("input", {
          type: "text",
          value: label,
          maxlength: "24",
          "aria-label": `Name of class ${at + 1}`,
        });
        name.addEventListener("input", () => change("classes", at, name.value));
        const remove = button("×", `Remove ${label}`, () => {
          const without = (list) => list.filter((_, other) => other !== at);
          const { classes: names, teacher, student } = store.state.own;
          set({ classes: without(names), teacher: without(teacher), student: without(student) });
        });
        remove.setAttribute("aria-label", `Remove ${label}`);
        remove.disabled = classes.length <= 2;
        return element(
          "tr",
          {},
          element("td", {}, name),
          ...logitFields("teacher", at),
          ...logitFields("student", at),
          element("td", {}, remove),
        );
      }),
    );
    add.disabled = classes.length >= MOST_CLASSES;
  }

  choice.addEventListener("change", () => {
    if (choice.value) set(structuredClone(PRESETS[choice.value]));
    choice.value = "";
  });
  store.watch(["own"], ({ own }) => {
    if (own !== written) build(); // typing must not rebuild the field one types in
  });
  build();
  return { element: root };
}
