// A text field for a number. We read what is typed: a browser's own number field turns "0,01" into 1 and "1e3" into 13,
// and the mouse wheel turns its value.

import { element, setAttr } from "./dom.js";

const NUMBER = /^[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?$/i;
// In a whole number a comma separates thousands. A point is only read before an exponent: "55.000" may mean 55,000.
const WHOLE = /^[+-]?(\d+|[1-9]\d{0,2}(,\d{3})+|\d+(\.\d+)?e\+?\d+)$/i;
const MAX_LETTERS = 30; // of a text that is repeated in a sentence

// range: { whole, minimum, maximum }. Returns NaN for a text that is no number in the range.
function readNumber(text, { whole = false, minimum, maximum }) {
  const typed = text.trim().replace("−", "-");
  if (!(whole ? WHOLE : NUMBER).test(typed)) return NaN;
  const value = Number(whole ? typed.replaceAll(",", "") : typed.replace(",", "."));
  const fits = value >= minimum && value <= maximum && (!whole || Number.isInteger(value));
  return fits ? value + 0 : NaN; // -0 is 0
}

// One step up or down: one of a whole number, and of a real one a unit of its second digit.
function stepped(value, direction, { whole, minimum, maximum }) {
  const size = Math.abs(value) || (maximum - minimum) / 10;
  const step = whole ? 1 : 10 ** (Math.floor(Math.log10(size)) - 1);
  const next = Number((value + direction * step).toPrecision(12));
  return Math.min(maximum, Math.max(minimum, next));
}

// onStep(direction) is called with 1 and -1 for the arrow keys.
function listenForArrows(input, onStep) {
  input.addEventListener("keydown", (event) => {
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!direction || event.altKey || event.ctrlKey || event.metaKey || input.readOnly) return;
    event.preventDefault();
    onStep(direction);
  });
}

let fieldCount = 0;

// `requirement`: the first part of the sentence about a text that cannot be used, as "Epochs must be a whole number
// from 1 to 100". onValue(value) and onInvalid(text) are called with what was typed; `live`: after every key.
// Returns { input, error (the element with the sentence), show(value, invalidText), setRange(range, requirement) }.
export function makeNumberField({ range, requirement, onValue, onInvalid = () => {}, format = String, live = false }) {
  const id = `kd-number-${(fieldCount += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  const inputmode = range.whole ? "numeric" : "decimal";
  const input = element("input", { type: "text", inputmode, autocomplete: "off", class: "kd-number-input", id });
  input.dataset.lmSuppressShortcuts = "true"; // otherwise JupyterLab handles the arrow keys in its notebook
  const error = element("div", { class: "kd-field-error", id: `${id}-error`, role: "alert", hidden: true });
  let [value, invalid] = [NaN, null]; // as last shown or reported; `invalid`: the text that cannot be used, or null

  function mark(text) {
    error.hidden = text === null;
    if (text === null) {
      error.textContent = "";
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
      return;
    }
    const typed = text.trim();
    const shown = typed.length > MAX_LETTERS ? `${typed.slice(0, MAX_LETTERS)}…` : typed || "nothing";
    error.textContent = `${requirement}, not ${shown}.`;
    setAttr(input, "aria-invalid", "true");
    setAttr(input, "aria-describedby", error.id);
  }

  // Reports what is typed, once; `settled`: the person has finished, so that the number is written as we write it.
  function commit(settled) {
    const typed = input.value;
    if (invalid === null && typed === format(value)) return;
    const read = readNumber(typed, range);
    if (Number.isNaN(read)) {
      if (invalid === typed) return;
      invalid = typed;
      mark(typed);
      onInvalid(typed);
      return;
    }
    const changed = invalid !== null || read !== value;
    [value, invalid] = [read, null];
    mark(null);
    if (settled) input.value = format(value);
    if (changed) onValue(value);
  }

  input.addEventListener("input", () => {
    if (live) commit(false);
    // The sentence goes as soon as the text can be read; half a number is no value yet.
    else if (invalid !== null) mark(Number.isNaN(readNumber(input.value, range)) ? input.value : null);
  });
  input.addEventListener("change", () => commit(true));
  input.addEventListener("blur", () => commit(true));
  listenForArrows(input, (direction) => {
    const read = readNumber(input.value, range);
    input.value = format(stepped(Number.isNaN(read) ? value : read, direction, range));
    commit(true);
  });

  return {
    input,
    error,
    // Shows a value, or a text that cannot be used. The same ones again leave alone what is being typed.
    show(nextValue, nextInvalid = null) {
      if (nextValue === value && nextInvalid === invalid) return;
      [value, invalid] = [nextValue, nextInvalid];
      input.value = invalid ?? format(value);
      mark(invalid);
    },
    setRange(nextRange, nextRequirement) {
      [range, requirement] = [nextRange, nextRequirement];
    },
  };
}
