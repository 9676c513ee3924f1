// What is worked out from the choices: the set, the example that is shown, and what the set says at this temperature.

import { startSweep } from "../views/curves.js";
import { survey, unmoved } from "../compute/set_stats.js";

const DIGITS = [..."0123456789"];

// `opening`: the key of the set to fall back on.
export function deriveAll({ store, sets, opening, complain }) {
  let stopSweep = () => {};

  store.watch(["dataset"], async ({ dataset, set }) => {
    try {
      const loaded = await sets.get(dataset);
      if (store.state.dataset === dataset) store.set({ set: loaded }); // or another one was chosen meanwhile
    } catch (error) {
      complain(error.message);
      store.set({ dataset: set?.key ?? opening });
    }
  });

  // A link may ask for what the set does not have.
  store.watch(["set", "example", "cell"], ({ set, example, cell }) => {
    if (!set) return;
    const classes = set.classes.length;
    if (example >= set.labels.length) {
      complain(`${set.label} has no example ${example}; shown: example ${set.telling}.`);
      store.set({ example: set.telling });
    }
    if (cell && (cell.true >= classes || cell.predicted >= classes)) {
      complain(
        `${set.label} has no class ${Math.max(cell.true, cell.predicted)}: its classes are numbered from 0 to ${classes - 1}.`,
      );
      store.set({ cell: null });
    }
  });

  store.watch(["set"], ({ set }) => {
    if (!set) return;
    stopSweep();
    store.set({ surveys: [], fixed: unmoved(set) });
    stopSweep = startSweep(set, (surveys) => store.set({ surveys }));
    if (!set.teachers && set.more)
      sets.teachers(set).then((teachers) => {
        set.teachers = teachers;
        if (store.state.set === set) store.set({ teachers });
      });
  });

  async function draw(pixels) {
    const image = pixels ?? new Float32Array(784); // to an empty pad too the networks say something
    const answers = Object.entries(await sets.networks()).map(([name, predict]) => [name, Array.from(predict(image))]);
    store.set({ drawn: { answers: Object.fromEntries(answers), name: pixels ? "this drawing" : "the empty pad" } });
  }
  store.watch(["source"], ({ source, drawn }) => source === "drawn" && !drawn && draw(null));

  const sources = {
    example: ({ set, example }) => sets.example(set, example),
    own: ({ own: { classes, teacher, student } }) => ({
      classes,
      truth: -1,
      logits: { teacher, student },
      teachers: [teacher],
      name: "these logits",
    }),
    drawn({ drawn }) {
      const { answers, name } = drawn;
      const teachers = Object.keys(answers).filter((network) => network.startsWith("teacher"));
      const logits = { teacher: answers.teacher, student: answers.student };
      return { classes: DIGITS, truth: -1, logits, teachers: teachers.map((network) => answers[network]), name };
    },
  };
  store.watch(["set", "teachers", "example", "source", "own", "drawn"], (state) => {
    if (state.set && (state.source !== "drawn" || state.drawn)) store.set({ shown: sources[state.source](state) });
  });

  store.watch(["set", "temperature"], ({ set, temperature }) => {
    if (set) store.set({ survey: survey(set, temperature) });
  });

  return { draw, close: () => stopSweep() };
}
