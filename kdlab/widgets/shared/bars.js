// The softened predictions of all networks for one example, class by class: bars at T with a tick where they are at
// T = 1, in a table of their numbers.

import { ROLES, element, formatExactly, formatShare, nameWidth, roleNames, write } from "./dom.js";
import { abbreviate } from "./names.js";
import { soften } from "./softening.js";

const DECADES = 10; // the log scale begins at 10⁻¹⁰
export const LETTERS = 12; // of a class's name beside its row
const MOST = 16; // of many classes those are shown to which the teacher gives most

export function length(share, scale) {
  return scale === "log" ? Math.max(0, 1 + Math.log10(share) / DECADES) : share;
}

// The classes worth a row, in their own order.
export function foremost(logits, most) {
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]);
  return order.slice(0, most).sort((a, b) => a - b);
}

// A word on what is left out, for a title.
export function firstOf(classes, most) {
  return classes.length > most ? ` (the ${most} classes most probable to the teacher, of ${classes.length})` : "";
}

export function makeBars() {
  const head = element("tr");
  const body = element("tbody");
  const rest = element("caption");
  const root = element("table", { class: "kd-bars" }, rest, element("thead", {}, head), body);
  let shown;
  let rows = []; // kept while only lengths and numbers change

  function build() {
    const { classes, truth, logits } = shown;
    const networks = roleNames(logits);
    const titles = networks.map((network) =>
      element("th", { scope: "col", class: `kd-value kd-${network}` }, ROLES[network].label),
    );
    head.replaceChildren(element("th", { scope: "col" }, "Class"), element("td", {}), ...titles);
    const short = abbreviate(classes, LETTERS);
    root.style.setProperty("--kd-names", nameWidth(short));
    const kept = foremost(logits.teacher, MOST);
    rest.textContent =
      kept.length < classes.length
        ? `The ${kept.length} classes that the teacher finds most probable, of ${classes.length}`
        : "";
    rows = kept.map((at) => {
      const name = element(
        "th",
        { scope: "row", title: classes[at], class: at === truth ? "kd-truth" : "" },
        short[at],
      );
      if (at === truth) name.append(element("span", { title: "the true class" }, " ●"));
      const cells = networks.map((network) => {
        const [bar, tick] = [element("div", { class: "kd-bar" }), element("div", { class: "kd-tick" })];
        const line = element("div", { class: `kd-line kd-${network}` }, bar, tick);
        return { network, line, bar, tick, value: element("td", { class: `kd-value kd-${network}` }) };
      });
      const track = element("td", { class: "kd-track" }, ...cells.map(({ line }) => line));
      return { at, cells, row: element("tr", {}, name, track, ...cells.map(({ value }) => value)) };
    });
    body.replaceChildren(...rows.map(({ row }) => row));
  }

  return {
    element: root,
    draw(example, temperature, scale) {
      const look = ({ classes, truth, logits }) => [classes.join(), truth, roleNames(logits)].join("|");
      // Another example of the same classes only moves the bars.
      const same = shown && example.classes.length <= MOST && look(shown) === look(example);
      if (example !== shown) {
        shown = example;
        if (!same) build();
      }
      const [now, plain] = [temperature, 1].map((t) =>
        Object.fromEntries(Object.entries(shown.logits).map(([network, logits]) => [network, soften(logits, t)])),
      );
      for (const { at, cells } of rows)
        for (const { network, bar, tick, value } of cells) {
          const [share, before] = [now[network][at], plain[network][at]];
          bar.style.transform = `scaleX(${length(share, scale)})`;
          tick.style.left = `${100 * length(before, scale)}%`;
          write(value, formatShare(share));
          value.title = `${formatExactly(share)} at this T, ${formatExactly(before)} at T = 1`;
        }
    },
  };
}
