// State derived from the user's choices: the data set, the shown example, and the set's statistics at this temperature.

import { startSweep } from "../views/curves.js";
import { setStats, temperatureInvariants } from "../compute/set_stats.js";

const DIGITS = [..."0123456789"];

// `defaultDataset`: key of the set to show when the chosen one cannot be loaded.
export function deriveState({ store, dataClient, defaultDataset, showError }) {
  let stopSweep = () => {};

  store.watch(["dataset"], async ({ dataset, set }) => {
    try {
      const loaded = await dataClient.get(dataset);
      if (store.state.dataset === dataset) store.set({ set: loaded }); // unless another set was chosen meanwhile
    } catch (error) {
      showError(error.message);
      store.set({ dataset: set?.key ?? defaultDataset });
    }
  });

  // A link may name an example or a class that the set does not have.
  store.watch(["set", "example", "cell"], ({ set, example, cell }) => {
    if (!set) return;
    const classes = set.classes.length;
    if (example >= set.labels.length) {
      showError(`${set.label} has no example ${example}; shown: example ${set.telling}.`);
      store.set({ example: set.telling });
    }
    if (cell && (cell.true >= classes || cell.predicted >= classes)) {
      showError(
        `${set.label} has no class ${Math.max(cell.true, cell.predicted)}: its classes are numbered from 0 to ${classes - 1}.`,
      );
      store.set({ cell: null });
    }
  });

  store.watch(["set"], ({ set }) => {
    if (!set) return;
    stopSweep();
    store.set({ sweep: [], invariants: temperatureInvariants(set) });
    stopSweep = startSweep(set, (sweep) => store.set({ sweep }));
    if (!set.teachers && set.more)
      dataClient.teachers(set).then(
        (teachers) => {
          set.teachers = teachers;
          if (store.state.set === set) store.set({ teachers });
        },
        (error) => showError(error.message),
      );
  });

  async function draw(pixels) {
    const image = pixels ?? new Float32Array(784); // the networks predict for an empty pad too
    try {
      const networkLogits = Object.fromEntries(
        Object.entries(await dataClient.networks()).map(([name, predict]) => [name, Array.from(predict(image))]),
      );
      store.set({ drawn: { networkLogits, name: pixels ? "this drawing" : "the empty pad" } });
    } catch (error) {
      showError(error.message);
    }
  }
  store.watch(["source"], ({ source, drawn }) => source === "drawn" && !drawn && draw(null));

  const sources = {
    example: ({ set, example }) => dataClient.example(set, example),
    own: ({ own: { classes, teacher, student } }) => ({
      classes,
      truth: -1,
      logits: { teacher, student },
      teachers: [teacher],
      name: "these logits",
    }),
    drawn({ drawn }) {
      const { networkLogits, name } = drawn;
      const teachers = Object.keys(networkLogits).filter((network) => network.startsWith("teacher"));
      const logits = { teacher: networkLogits.teacher, student: networkLogits.student };
      return { classes: DIGITS, truth: -1, logits, teachers: teachers.map((network) => networkLogits[network]), name };
    },
  };
  store.watch(["set", "teachers", "example", "source", "own", "drawn"], (state) => {
    if (state.set && (state.source !== "drawn" || state.drawn)) store.set({ shown: sources[state.source](state) });
  });

  store.watch(["set", "temperature"], ({ set, temperature }) => {
    if (set) store.set({ stats: setStats(set, temperature) });
  });

  return { draw, close: () => stopSweep() };
}
