// How much room the parts of a row get: dendrogram, matrix, names, dots. Knows no screen.

const [NARROW, GAPS] = [560, 24];
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

// width: pixels for all; names: of the classes; specialists: how many columns of dots; widthOf(letters): of the widest name
// cut to so many. Returns pixels: `row` and `cell`
// (its width in the matrix), `column` (of dots), `tree`, `names` (0: no room for them), and how many `letters` fit.
export function layOut(width, names, specialists, widthOf) {
  const count = names.length;
  const narrow = width < NARROW;
  const longest = Math.max(...names.map((name) => [...name].length));
  const columns = Math.max(1, specialists);
  const tallest = narrow ? 30 : 36;
  // A finger needs more height than a mouse, as the columns are narrow there.
  const row = count <= 14 ? clamp(Math.floor(440 / count), 26, tallest) : clamp(Math.floor(840 / count), 8, 24);
  const letters = clamp(longest, 2, narrow ? 9 : 18);
  const named = row >= 11 ? widthOf(letters) + 6 : 0;
  const column = clamp(Math.floor((narrow ? 130 : 320) / columns), 24, narrow ? 30 : 44);
  const dots = Math.min(columns * column, narrow ? 130 : 480); // more of them scroll
  const rest = width - named - dots - GAPS;
  const least = narrow ? 34 : 90;
  const cell = clamp((rest - least) / count, 2, row);
  const tree = clamp(Math.floor(rest - cell * count), 24, narrow ? 60 : 200);
  return { row, cell: count * cell > 40 ? Math.floor(cell * 4) / 4 : cell, column, tree, names: named, letters };
}
