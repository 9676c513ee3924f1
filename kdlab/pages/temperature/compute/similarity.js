// Which classes a network finds alike, from its soft confusion matrix; knows no screen.

const LEAST = 1e-12;

// How much of the prediction one class gets when the other is true, mean of both directions; 0 on the diagonal.
export function similarity(confusion, classes) {
  const similar = new Float64Array(classes * classes);
  for (let a = 0; a < classes; a++)
    for (let b = 0; b < classes; b++)
      if (a !== b) similar[a * classes + b] = (confusion[a * classes + b] + confusion[b * classes + a]) / 2 || 0; // NaN: no examples
  return similar;
}

// The `count` most similar pairs as [a, b, similarity], most similar first.
export function similarPairs(confusion, classes, count = Infinity) {
  const similar = similarity(confusion, classes);
  const pairs = [];
  for (let a = 0; a < classes; a++)
    for (let b = a + 1; b < classes; b++)
      if (!Number.isNaN(confusion[a * classes + b] + confusion[b * classes + a]))
        pairs.push([a, b, similar[a * classes + b]]);
  return pairs.sort((one, other) => other[2] - one[2]).slice(0, count);
}

// Average linkage (UPGMA) with the distance −log2(similarity), in bits: rows [left, right, distance, leaves] as in SciPy,
// where clusters from `classes` on are the earlier rows.
export function linkage(confusion, classes) {
  const similar = similarity(confusion, classes);
  const distance = similar.map((value) => -Math.log2(Math.min(1, Math.max(value, LEAST))));
  const alive = Array.from({ length: classes }, (_, at) => ({ at, cluster: at, leaves: 1 }));
  const rows = [];
  while (alive.length > 1) {
    let [least, first, second] = [Infinity, 0, 1];
    for (let i = 0; i < alive.length; i++)
      for (let k = i + 1; k < alive.length; k++) {
        const apart = distance[alive[i].at * classes + alive[k].at];
        if (apart < least) [least, first, second] = [apart, i, k];
      }
    const [kept, gone] = [alive[first], alive[second]];
    for (const { at } of alive) {
      if (at === kept.at || at === gone.at) continue;
      const mean =
        (kept.leaves * distance[kept.at * classes + at] + gone.leaves * distance[gone.at * classes + at]) /
        (kept.leaves + gone.leaves);
      distance[kept.at * classes + at] = distance[at * classes + kept.at] = mean;
    }
    const pair = [kept.cluster, gone.cluster].sort((a, b) => a - b);
    rows.push([...pair, least, kept.leaves + gone.leaves]);
    alive[first] = { at: kept.at, cluster: classes + rows.length - 1, leaves: kept.leaves + gone.leaves };
    alive.splice(second, 1);
  }
  return rows;
}
