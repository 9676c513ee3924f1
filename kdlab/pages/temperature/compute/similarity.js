// Similarity of classes from a network's soft confusion matrix; uses no DOM.

const MIN_SIMILARITY = 1e-12;

// The probability of one class given the other, mean of both directions; 0 on the diagonal.
export function similarity(confusion, classes) {
  const similar = new Float64Array(classes * classes);
  for (let a = 0; a < classes; a++)
    for (let b = 0; b < classes; b++)
      if (a !== b) similar[a * classes + b] = (confusion[a * classes + b] + confusion[b * classes + a]) / 2 || 0; // NaN → 0
  return similar;
}

// The `count` most similar pairs as [a, b, similarity], in descending order.
export function similarPairs(confusion, classes, count = Infinity) {
  const similar = similarity(confusion, classes);
  const pairs = [];
  for (let a = 0; a < classes; a++)
    for (let b = a + 1; b < classes; b++)
      if (!Number.isNaN(confusion[a * classes + b] + confusion[b * classes + a]))
        pairs.push([a, b, similar[a * classes + b]]);
  return pairs.sort((a, b) => b[2] - a[2]).slice(0, count);
}

// Average linkage (UPGMA) on the distance −log2(similarity), in bits. Rows are [left, right, distance, leaves] as in
// SciPy: indices from `classes` on refer to earlier rows.
export function linkage(confusion, classes) {
  const similar = similarity(confusion, classes);
  const distance = similar.map((value) => -Math.log2(Math.min(1, Math.max(value, MIN_SIMILARITY))));
  const clusters = Array.from({ length: classes }, (_, i) => ({ index: i, cluster: i, leaves: 1 }));
  const rows = [];
  while (clusters.length > 1) {
    let [minDistance, first, second] = [Infinity, 0, 1];
    for (let i = 0; i < clusters.length; i++)
      for (let k = i + 1; k < clusters.length; k++) {
        const separation = distance[clusters[i].index * classes + clusters[k].index];
        if (separation < minDistance) [minDistance, first, second] = [separation, i, k];
      }
    const [merged, removed] = [clusters[first], clusters[second]];
    for (const { index } of clusters) {
      if (index === merged.index || index === removed.index) continue;
      const mean =
        (merged.leaves * distance[merged.index * classes + index] +
          removed.leaves * distance[removed.index * classes + index]) /
        (merged.leaves + removed.leaves);
      distance[merged.index * classes + index] = distance[index * classes + merged.index] = mean;
    }
    const pair = [merged.cluster, removed.cluster].sort((a, b) => a - b);
    rows.push([...pair, minDistance, merged.leaves + removed.leaves]);
    clusters[first] = {
      index: merged.index,
      cluster: classes + rows.length - 1,
      leaves: merged.leaves + removed.leaves,
    };
    clusters.splice(second, 1);
  }
  return rows;
}
