// Widths of the parts of a row: dendrogram, matrix, names, dots. Uses no DOM.

const [NARROW, GAPS] = [560, 24];
const clamp = (value, min, max) => Math.min(max, Math.max(min, value));

// width: available pixels; names: of the classes; specialists: number of columns of dots; widthOf(letters): width of
// the widest name cut to so many letters. Returns pixels: `row` (height), `cell` (width in the matrix), `column` (of
// dots), `tree`, `names` (0: hidden), and the number of `letters` that fit.
export function layOut(width, names, specialists, widthOf) {
  const count = names.length;
  const narrow = width < NARROW;
  const longest = Math.max(...names.map((name) => [...name].length));
  const columns = Math.max(1, specialists);
  const tallest = narrow ? 30 : 36;
  // A finger needs a taller row than a mouse, as the columns are narrow there.
  const row = count <= 14 ? clamp(Math.floor(440 / count), 26, tallest) : clamp(Math.floor(840 / count), 8, 24);
  const letters = clamp(longest, 2, narrow ? 9 : 18);
  const named = row >= 11 ? widthOf(letters) + 6 : 0;
  const column = clamp(Math.floor((narrow ? 130 : 320) / columns), 24, narrow ? 30 : 44);
  const dots = Math.min(columns * column, narrow ? 130 : 480); // further columns scroll
  const available = width - named - dots - GAPS;
  const minTree = narrow ? 34 : 90;
  const cell = clamp((available - minTree) / count, 2, row);
  const tree = clamp(Math.floor(available - cell * count), 24, narrow ? 60 : 200);
  return { row, cell: count * cell > 40 ? Math.floor(cell * 4) / 4 : cell, column, tree, names: named, letters };
}
