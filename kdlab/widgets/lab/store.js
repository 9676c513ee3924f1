// The state of one lab. Changes are gathered and told to the watchers once a frame, so that however many of them come,
// each view is drawn once.

export function makeStore(state) {
  const watchers = [];
  const changed = new Set();
  let frame = 0;

  // In the order in which they began to watch: what is worked out from other values is set by an earlier watcher and
  // read, in the same frame, by later ones.
  function flush() {
    for (const { keys, act } of watchers) if (keys.some((key) => changed.has(key))) act(state);
    changed.clear();
    frame = 0;
  }

  return {
    state,
    set(changes) {
      for (const [key, value] of Object.entries(changes)) {
        if (Object.is(state[key], value)) continue;
        state[key] = value;
        changed.add(key);
        frame ||= requestAnimationFrame(flush);
      }
    },
    watch(keys, act) {
      watchers.push({ keys, act });
    },
    // Tells every watcher in the next frame, as when all is new.
    refresh() {
      for (const key of Object.keys(state)) changed.add(key);
      frame ||= requestAnimationFrame(flush);
    },
    close() {
      cancelAnimationFrame(frame);
      watchers.length = 0;
    },
  };
}
