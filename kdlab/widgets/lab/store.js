// The state of one lab. What follows from a change is worked out at once, and drawn in the next frame: a key press
// need not wait for the frame to begin with the sums.

export function makeStore(state) {
  const [derivers, watchers] = [[], []];
  const [fresh, changed] = [new Set(), new Set()]; // keys that the derivers, and the watchers, have not heard of
  let frame = 0;
  let ahead = false; // already derived for the coming frame; what still comes waits for it

  // In the order in which they were added: each may set what later ones read.
  function derive() {
    for (const { keys, act } of derivers) if (keys.some((key) => fresh.has(key))) act(state);
    fresh.clear();
  }

  function flush() {
    frame = 0;
    derive();
    ahead = false;
    const told = new Set(changed);
    changed.clear();
    for (const { keys, act } of watchers) if (keys.some((key) => told.has(key))) act(state);
  }

  function note(key) {
    fresh.add(key);
    changed.add(key);
    frame ||= requestAnimationFrame(flush);
    if (ahead) return;
    ahead = true;
    queueMicrotask(derive);
  }

  return {
    state,
    set(changes) {
      for (const [key, value] of Object.entries(changes)) {
        if (Object.is(state[key], value)) continue;
        state[key] = value;
        note(key);
      }
    },
    // For what is worked out from other values: `act` sets it.
    derive: (keys, act) => derivers.push({ keys, act }),
    // For what is drawn: `act` is called once a frame, however many changes there were.
    watch: (keys, act) => watchers.push({ keys, act }),
    // Tells all of them, as when everything is new.
    refresh: () => Object.keys(state).forEach(note),
    close() {
      cancelAnimationFrame(frame);
      derivers.length = watchers.length = 0;
    },
  };
}
