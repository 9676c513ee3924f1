// Which classes each specialist has: lists of class numbers in rising order. Nothing here is changed in place.

const rising = (classes) => [...new Set(classes)].sort((a, b) => a - b);
const changed = (subsets, at, classes) => subsets.map((own, other) => (other === at ? rising(classes) : own));

export const has = (subsets, at, one) => subsets[at]?.includes(one) ?? false;

// In if it was out, out if it was in.
export function toggle(subsets, at, one) {
  const own = subsets[at];
  return changed(subsets, at, own.includes(one) ? own.filter((other) => other !== one) : [...own, one]);
}

export const include = (subsets, at, classes) => changed(subsets, at, [...subsets[at], ...classes]);

export function move(subsets, from, to, one) {
  return from === to ? subsets : toggle(include(subsets, to, [one]), from, one);
}

export const extend = (subsets) => [...subsets, []];
export const remove = (subsets, at) => subsets.filter((_, other) => other !== at);
