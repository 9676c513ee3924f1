// Formats seconds since 1970 as a date and time in the browser's locale.

export const formatDate = (seconds) =>
  new Date(1000 * seconds).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
