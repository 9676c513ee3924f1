// What Python knows of the state, as traits of the same names: it hears of a change once there is a pause.

export const SHARED = ["temperature", "dataset", "example", "scale", "exponent", "source", "own", "cell"];
const PAUSE = 150; // milliseconds

export const shared = ({ state }) => Object.fromEntries(SHARED.map((key) => [key, state[key]]));

export function shareWithPython(model, store) {
  let telling = 0;
  store.watch(SHARED, () => {
    clearTimeout(telling);
    telling = setTimeout(() => {
      for (const [key, value] of Object.entries(shared(store))) model.set(key, value);
      model.save_changes();
    }, PAUSE);
  });
  const hearing = SHARED.map((key) => [`change:${key}`, () => store.set({ [key]: model.get(key) })]);
  for (const [change, hear] of hearing) model.on(change, hear);
  return () => {
    clearTimeout(telling);
    for (const [change, hear] of hearing) model.off(change, hear);
  };
}
