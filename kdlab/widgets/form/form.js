// The fields of a form. What a person sets goes to the kernel as messages, in order with the press on a button.

import { element } from "../shared/dom.js";
import { makeField } from "./fields.js";

export function render({ model, el }) {
  el.classList.add("kd-form");
  const fields = new Map();
  const unanswered = new Map(); // messages by key that the kernel has not answered yet
  const current = new Map(); // what each field shows, so that a change of one leaves the others alone

  function send(key, message) {
    current.set(key, JSON.stringify([message.value ?? model.get("values")[key], message.text]));
    unanswered.set(key, (unanswered.get(key) ?? 0) + 1);
    model.send({ ...message, key });
  }

  function show(key) {
    if (unanswered.get(key)) return; // what the kernel says is older than what a person has set meanwhile
    const [value, text] = [model.get("values")[key], model.get("invalid")[key]];
    const state = JSON.stringify([value, text]);
    if (state === current.get(key)) return;
    current.set(key, state);
    fields.get(key).show(value, text ?? null);
  }

  function showAll() {
    for (const key of fields.keys()) show(key);
  }

  function onAnswer({ type, key }) {
    if (type !== "taken" || !unanswered.get(key)) return;
    unanswered.set(key, unanswered.get(key) - 1);
    show(key);
  }

  function describe() {
    for (const [key, description] of Object.entries(model.get("descriptions"))) fields.get(key).describe(description);
  }

  let numbers; // neighbouring numbers lie in two columns
  for (const [key, description] of Object.entries(model.get("descriptions"))) {
    const field = makeField(key, description, {
      onValue: (value) => send(key, { type: "value", value }),
      onInvalid: (text) => send(key, { type: "invalid", text }),
    });
    fields.set(key, field);
    if (description.kind === "number") {
      if (!numbers) el.append((numbers = element("div", { class: "kd-number-fields" })));
      numbers.append(field.element);
    } else {
      numbers = undefined;
      el.append(field.element);
    }
  }

  model.on("change:values change:invalid", showAll);
  model.on("change:descriptions", describe);
  model.on("msg:custom", onAnswer);
  showAll();
  return () => {
    model.off("change:values change:invalid", showAll);
    model.off("change:descriptions", describe);
    model.off("msg:custom", onAnswer);
  };
}
