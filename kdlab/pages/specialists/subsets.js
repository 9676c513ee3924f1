// The classes of each specialist: sorted lists of class numbers. All functions return new lists.

const sortedUnique = (classes) => [...new Set(classes)].sort((a, b) => a - b);
const replaceMembers = (subsets, specialist, classes) =>
  subsets.map((members, index) => (index === specialist ? sortedUnique(classes) : members));

export const has = (subsets, specialist, member) => subsets[specialist]?.includes(member) ?? false;

// Adds the class, or removes it if it is there.
export function toggle(subsets, specialist, member) {
  const members = subsets[specialist];
  return replaceMembers(
    subsets,
    specialist,
    members.includes(member) ? members.filter((id) => id !== member) : [...members, member],
  );
}

export const include = (subsets, specialist, classes) =>
  replaceMembers(subsets, specialist, [...subsets[specialist], ...classes]);

export function move(subsets, from, to, member) {
  return from === to ? subsets : toggle(include(subsets, to, [member]), from, member);
}

export const extend = (subsets) => [...subsets, []];
export const remove = (subsets, specialist) => subsets.filter((_, index) => index !== specialist);
