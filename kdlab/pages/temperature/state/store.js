// The state of one lab. A change is followed at once, and not only when the next frame begins, so that the time until then
// is used; further changes before that frame are gathered and followed once, in it.

export function makeStore(state) {
  const watchers = [];
  const changed = new Set();
  let frame = 0; // the one that is to come, 0 when nothing was followed since the last

  // In the order in which they began to watch: what one of them works out and sets is seen by those after it.
  function follow() {
    try {
      for (const { keys, act } of watchers) if (keys.some((key) => changed.has(key))) act(state);
    } finally {
      changed.clear(); // or what fails once would fail for ever
    }
  }

  function note(key) {
    changed.add(key);
    if (frame) return;
    queueMicrotask(follow);
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (changed.size) follow();
    });
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
    // `act` is called when one of these keys changed; what it sets must be watched by later ones only.
    watch: (keys, act) => watchers.push({ keys, act }),
    // Calls all of them, as when everything is new.
    refresh: () => Object.keys(state).forEach(note),
    close() {
      cancelAnimationFrame(frame);
      watchers.length = 0;
    },
  };
}
