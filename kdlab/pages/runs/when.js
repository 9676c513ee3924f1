// A moment, in seconds since 1970, as people here write it.

export const when = (seconds) =>
  new Date(1000 * seconds).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
