// How a cell of a soft confusion matrix is coloured and what it says.

import { amount, difference } from "../../../widgets/shared/colours.js";

const FAINTEST = 6; // decades of the log scale

// Texts of 0 to 100 % in tenths of a percent, made once: thousands are wanted a second.
const PERCENT = Array.from({ length: 1001 }, (_, tenths) =>
  tenths === 0 ? "" : tenths < 10 ? `.${tenths}` : tenths < 100 ? (tenths / 10).toFixed(1) : (tenths / 10).toFixed(0),
);
const percent = (share) => PERCENT[Math.round(1000 * Math.min(1, share))];
const RAISED = Array.from(
  { length: 400 },
  (_, power) => "⁻" + [...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join(""),
);

// By kind of matrix and scale, [colour, text]; `share` and `other` are means of softened predictions.
export const WAYS = {
  share: {
    linear: [(share, classes) => amount((share * classes) / 2), percent],
    log: [
      (share) => amount(1 + Math.log10(share) / FAINTEST),
      (share) => (share >= 0.0005 ? percent(share) : share > 0 ? RAISED[Math.ceil(-Math.log10(share))] : ""),
    ],
  },
  difference: {
    linear: [
      (share, classes, other) => difference((share - other) * classes),
      (share, other) => {
        const text = percent(Math.abs(share - other));
        return text && (share > other ? "+" : "−") + text;
      },
    ],
    log: [
      (share, _, other) => difference(Math.log10(share / other) / 2 || 0),
      (share, other) => {
        const times = Math.max(share / other, other / share);
        if (!(times >= 1.05)) return "";
        return (
          (share > other ? "×" : "÷") + (times >= 99.5 ? "99⁺" : times >= 9.95 ? times.toFixed(0) : times.toFixed(1))
        );
      },
    ],
  },
};
