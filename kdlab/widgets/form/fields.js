// One field of a form by its kind: a label, the control, and what belongs to it.

import { element, keepUntranslated } from "../shared/dom.js";
import { makeNumberField } from "../shared/number_field.js";

const OTHER = "Other …";

let controlCount = 0;

// Makes a control that screen readers can name, and whose keys JupyterLab leaves alone.
function makeControl(tag, attributes = {}) {
  const id = `kd-field-${(controlCount += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  const control = element(tag, { id, ...attributes });
  control.dataset.lmSuppressShortcuts = "true";
  return control;
}

const makeLabel = (text, control) => element("label", { for: control.id }, text);

function setOptions(list, options) {
  list.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
}

function makeText({ label }, { onValue }) {
  const input = makeControl("input", { type: "text", autocomplete: "off" });
  input.addEventListener("change", () => onValue(input.value));
  return {
    nodes: [makeLabel(label, input), input],
    controls: [input],
    show: (value) => (input.value = value),
  };
}

// Names of data sets and networks are no words, and stay as they are in a translated page.
function makeName({ label, options, any_name: anyName, hint, helps }, { onValue }) {
  const list = keepUntranslated(makeControl("select"));
  const text = makeControl("input", { type: "text", autocomplete: "off", placeholder: hint, title: hint });
  const other = element("div", { class: "kd-other-name" }, makeLabel(`${label} name`, text), text);
  function choose(name) {
    show(name);
    onValue(name);
  }
  // The text field is empty after a listed name, so that an earlier choice cannot run unnoticed.
  list.addEventListener("change", () => choose(list.value === OTHER ? "" : list.value));
  text.addEventListener("change", () => choose(text.value.trim()));

  function show(name) {
    const listed = options.includes(name) || !anyName;
    // A chosen name outside of a restricted list is offered while it is chosen: the page may open with it.
    const offered = [...new Set([...options, ...(listed ? [name] : []), ...(anyName ? [OTHER] : [])])];
    setOptions(
      list,
      offered.map((option) => [option, option]),
    );
    list.value = listed ? name : OTHER;
    list.title = helps[name.split(":")[0]] ?? "";
    text.value = listed ? "" : name;
    other.hidden = listed;
  }
  return { nodes: [makeLabel(label, list), list, other], controls: [list, text], show };
}

function makeEntry({ label, options, meanings }, { onValue }) {
  const list = makeControl("select");
  const meaning = element("p", { class: "kd-meaning", id: `${list.id}-meaning` });
  list.setAttribute("aria-describedby", meaning.id);
  setOptions(list, options);
  function show(key) {
    list.value = key;
    meaning.textContent = meanings[key] ?? "";
  }
  list.addEventListener("change", () => {
    show(list.value);
    onValue(list.value);
  });
  return { nodes: [makeLabel(label, list), list, meaning], controls: [list], show };
}

function makeNumber({ label, whole, minimum, maximum, requirement }, { onValue, onInvalid }) {
  const range = { whole, minimum, maximum };
  const { input, error, show } = makeNumberField({ range, requirement, onValue, onInvalid });
  return { nodes: [makeLabel(label, input), input, error], controls: [input], show };
}

function makeSwitch({ label }, { onValue }) {
  const box = makeControl("input", { type: "checkbox" });
  box.addEventListener("change", () => onValue(Number(box.checked)));
  const knob = element("div", { class: "kd-knob kd-knob-switch" }, box, makeLabel(label, box));
  return { nodes: [knob], controls: [box], show: (value) => (box.checked = Boolean(value)) };
}

function makeChoice({ label, options }, { onValue }) {
  const list = makeControl("select");
  let chosen = "";
  list.addEventListener("change", () => onValue((chosen = list.value)));
  function describe({ options }) {
    setOptions(
      list,
      options.map((option) => [option, option]),
    );
    list.value = chosen;
  }
  describe({ options });
  return {
    nodes: [makeLabel(label, list), list],
    controls: [list],
    show: (value) => (list.value = chosen = value),
    describe,
  };
}

const KINDS = {
  text: makeText,
  name: makeName,
  entry: makeEntry,
  number: makeNumber,
  switch: makeSwitch,
  choice: makeChoice,
};

// `callbacks`: { onValue(value), onInvalid(text) }. Returns { element, show(value, invalid), describe(description) }.
export function makeField(key, description, callbacks) {
  const { nodes, controls, show, describe: describeKind = () => {} } = KINDS[description.kind](description, callbacks);
  const root = element("div", { class: `kd-field kd-${description.kind}-field`, "data-key": key }, ...nodes);

  function describe(next) {
    root.hidden = next.hidden;
    for (const control of controls) {
      control.disabled = next.disabled;
      if (next.help) control.title = next.help;
    }
    describeKind(next);
  }
  describe(description);
  return { element: root, show, describe };
}
