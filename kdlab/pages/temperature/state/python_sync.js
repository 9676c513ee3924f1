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
  const hearing = SHARED.map((key) => {
    const hear = () => {
      const value = model.get(key);
      // Python's echo of what it was told is equal, but another object: it must not rebuild the fields one types in.
      if (JSON.stringify(value) !== JSON.stringify(store.state[key])) store.set({ [key]: value });
    };
    return [`change:${key}`, hear];
  });
  for (const [change, hear] of hearing) model.on(change, hear);
  return () => {
    clearTimeout(telling);
    for (const [change, hear] of hearing) model.off(change, hear);
  };
}
