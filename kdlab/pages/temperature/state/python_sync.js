// Syncs part of the state with Python traits of the same names; Python is updated after a pause.

export const SYNCED = ["temperature", "dataset", "example", "scale", "exponent", "source", "own", "cell"];
const SYNC_DELAY = 150; // milliseconds

export const syncedState = ({ state }) => Object.fromEntries(SYNCED.map((key) => [key, state[key]]));

export function syncWithPython(model, store) {
  let timer = 0;
  store.watch(SYNCED, () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const [key, value] of Object.entries(syncedState(store))) model.set(key, value);
      model.save_changes();
    }, SYNC_DELAY);
  });
  const listeners = SYNCED.map((key) => {
    const receive = () => {
      const value = model.get(key);
      // Python echoes an equal value as another object: it must not rebuild the field that is being typed in.
      if (JSON.stringify(value) !== JSON.stringify(store.state[key])) store.set({ [key]: value });
    };
    return [`change:${key}`, receive];
  });
  for (const [change, receive] of listeners) model.on(change, receive);
  return () => {
    clearTimeout(timer);
    for (const [change, receive] of listeners) model.off(change, receive);
  };
}
