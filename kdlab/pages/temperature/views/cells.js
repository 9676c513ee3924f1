// Colours and texts of the cells of a soft confusion matrix.

import { divergingColour, sequentialColour } from "../../../widgets/shared/colours.js";

const LOG_DECADES = 6; // range of the log scale

// Texts of 0 to 100 % in tenths of a percent, precomputed: thousands are needed per second.
const PERCENT = Array.from({ length: 1001 }, (_, tenths) =>
  tenths === 0 ? "" : tenths < 10 ? `.${tenths}` : tenths < 100 ? (tenths / 10).toFixed(1) : (tenths / 10).toFixed(0),
);
const percent = (share) => PERCENT[Math.round(1000 * Math.min(1, share))];
const SUPERSCRIPTS = Array.from(
  { length: 400 },
  (_, power) => "⁻" + [...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join(""),
);

// By kind of matrix and scale: [colour, text]. `share` and `reference` are means of softened predictions. `dark`: whether
// the page is.
export const CELL_STYLES = {
  share: {
    linear: [(share, classes, _, dark) => sequentialColour((share * classes) / 2, dark), percent],
    log: [
      (share, _classes, _reference, dark) => sequentialColour(1 + Math.log10(share) / LOG_DECADES, dark),
      (share) => (share >= 0.0005 ? percent(share) : share > 0 ? SUPERSCRIPTS[Math.ceil(-Math.log10(share))] : ""),
    ],
  },
  difference: {
    linear: [
      (share, classes, reference, dark) => divergingColour((share - reference) * classes, dark),
      (share, reference) => {
        const text = percent(Math.abs(share - reference));
        return text && (share > reference ? "+" : "−") + text;
      },
    ],
    log: [
      (share, _, reference, dark) => divergingColour(Math.log10(share / reference) / 2 || 0, dark),
      (share, reference) => {
        const ratio = Math.max(share / reference, reference / share);
        if (!(ratio >= 1.05)) return "";
        return (
          (share > reference ? "×" : "÷") +
          (ratio >= 99.5 ? "99⁺" : ratio >= 9.95 ? ratio.toFixed(0) : ratio.toFixed(1))
        );
      },
    ],
  },
};
