// Buttons that start, pause, step, stop and reset a run, with its progress and a status line for screen readers.

import { setText } from "./shared/dom.js";

const BUTTONS = {
  start: ["▶ Start", "Train the teacher, then distil the student beside its baseline"],
  pause: ["❚❚ Pause", "Hold the run; the sliders can still be moved"],
  resume: ["▶ Resume", "Go on with the run"],
  step: ["+1 Step", "Make one optimisation step and hold"],
  stop: ["■ Stop", "End the run and keep what it has shown"],
  go_on: ["▶ Go on", "Go on with this run from its last checkpoint"],
  reset: ["↺ Reset", "Back to the run and the settings this page opened with"],
};
// Enabled buttons by state of the run; the first is the default.
const ENABLED = {
  idle: ["start", "step"],
  queued: ["stop"],
  starting: ["stop"],
  running: ["pause", "step", "stop"],
  paused: ["resume", "step", "stop"],
  // No step: it would begin another run, and what this one has shown would go.
  stopped: ["start"],
  done: ["start"],
  failed: ["start"],
  interrupted: ["start"],
};
const SLOTS = [["start", "pause", "resume"], ["step"], ["stop", "go_on"], ["reset"]];

export function render({ model, el }) {
  el.classList.add("kd-run");
  const row = Object.assign(document.createElement("div"), { className: "kd-buttons" });
  const buttons = SLOTS.map((names, slot) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    if (slot === 0) button.className = "kd-primary";
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "false") model.send({ type: button.dataset.action });
    });
    row.append(button);
    return { button, names };
  });
  const progress = Object.assign(document.createElement("progress"), { max: 1 });
  progress.setAttribute("aria-label", "Progress of the run");
  const status = Object.assign(document.createElement("p"), { className: "kd-status" });
  status.setAttribute("role", "status");
  const error = Object.assign(document.createElement("p"), { className: "kd-error" });
  error.setAttribute("role", "alert");
  const machine = Object.assign(document.createElement("p"), {
    className: "kd-machine",
    textContent: model.get("machine"),
    hidden: !model.get("machine"),
  });
  el.append(row, progress, status, error, machine);

  function showState() {
    // Another person's run cannot be changed: only a new run is enabled.
    const allowed = model.get("watching") ? ["start"] : ENABLED[model.get("state")];
    const enabled = [...allowed, "reset", ...(model.get("resumable") ? ["go_on"] : [])];
    for (const { button, names } of buttons) {
      const action = names.find((name) => enabled.includes(name)) ?? names[0];
      [button.textContent, button.title] = model.get("button_texts")[action] ?? BUTTONS[action];
      button.dataset.action = action;
      button.setAttribute("aria-disabled", !enabled.includes(action)); // unlike `disabled` it keeps the keyboard focus
    }
    el.dataset.state = model.get("state");
  }

  function showProgress() {
    const share = model.get("progress");
    if (share < 0) progress.removeAttribute("value");
    else progress.value = share;
    setText(status, model.get("status"));
    setText(error, model.get("error"));
    error.hidden = !model.get("error");
  }

  model.on("change:state change:watching change:resumable", showState);
  model.on("change:progress change:status change:error", showProgress);
  showState();
  showProgress();
  return () => {
    model.off("change:state change:watching change:resumable", showState);
    model.off("change:progress change:status change:error", showProgress);
  };
}
