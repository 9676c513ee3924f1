// The state of one lab. Watchers run right after a change, in a microtask, so that the time until the next frame is
// used. Further changes before that frame are batched and handled once, in it.

export function makeStore(state) {
  const watchers = [];
  const changed = new Set();
  let frame = 0; // id of the requested frame, or 0 when no watcher ran since the last frame

  // Watchers run in the order of their registration: later ones see the values that earlier ones set.
  function notify() {
    try {
      for (const { keys, callback } of watchers) if (keys.some((key) => changed.has(key))) callback(state);
    } finally {
      changed.clear(); // otherwise a failed watcher would fail on every later change
    }
  }

  function markChanged(key) {
    changed.add(key);
    if (frame) return;
    queueMicrotask(notify);
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (changed.size) notify();
    });
  }

  return {
    state,
    set(changes) {
      for (const [key, value] of Object.entries(changes)) {
        if (Object.is(state[key], value)) continue;
        state[key] = value;
        markChanged(key);
      }
    },
    // `callback` is called when one of these keys changes; only later watchers may watch the keys that it sets.
    watch: (keys, callback) => watchers.push({ keys, callback }),
    // Runs all watchers, as if every key had changed.
    refresh: () => Object.keys(state).forEach(markChanged),
    close() {
      cancelAnimationFrame(frame);
      watchers.length = 0;
    },
  };
}
