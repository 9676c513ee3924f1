// The softened predictions of all networks for one example: a table with a bar per class and network at T, a tick at
// T = 1, and the numbers.

import {
  ROLES,
  element,
  formatExactly,
  formatShare,
  keepUntranslated,
  nameWidth,
  roleNames,
  setText,
} from "./dom.js";
import { abbreviate } from "./names.js";
import { soften } from "./softening.js";

const DECADES = 10; // range of the log scale: from 10⁻¹⁰
export const NAME_LETTERS = 12; // width of a class name beside its row
const MAX_CLASSES = 16; // of many classes, those with the highest probability of the teacher

export function barLength(share, scale) {
  return scale === "log" ? Math.max(0, 1 + Math.log10(share) / DECADES) : share;
}

// The classes with the largest logits, in ascending order.
export function topClasses(logits, count) {
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]);
  return order.slice(0, count).sort((a, b) => a - b);
}

// A note on omitted classes, for a title.
export function topClassesNote(classes, count) {
  return classes.length > count ? ` (the ${count} classes most probable to the teacher, of ${classes.length})` : "";
}

export function makeBars() {
  const head = element("tr");
  const body = keepUntranslated(element("tbody"));
  const caption = element("caption");
  const root = element("table", { class: "kd-bars" }, caption, element("thead", {}, head), body);
  let shown;
  let rows = []; // reused while only lengths and numbers change

  function build() {
    const { classes, truth, logits } = shown;
    const networks = roleNames(logits);
    const titles = networks.map((network) =>
      element("th", { scope: "col", class: `kd-value kd-${network}` }, ROLES[network].label),
    );
    head.replaceChildren(element("th", { scope: "col" }, "Class"), element("td", {}), ...titles);
    const short = abbreviate(classes, NAME_LETTERS);
    root.style.setProperty("--kd-names", nameWidth(short));
    const rowClasses = topClasses(logits.teacher, MAX_CLASSES);
    caption.textContent =
      rowClasses.length < classes.length
        ? `The ${rowClasses.length} classes that the teacher finds most probable, of ${classes.length}`
        : "";
    rows = rowClasses.map((index) => {
      const name = element(
        "th",
        { scope: "row", title: classes[index], class: index === truth ? "kd-truth" : "" },
        short[index],
      );
      if (index === truth) name.append(element("span", { title: "the true class" }, " ●"));
      const cells = networks.map((network) => {
        const [bar, tick] = [element("div", { class: "kd-bar" }), element("div", { class: "kd-tick" })];
        const line = element("div", { class: `kd-line kd-${network}` }, bar, tick);
        return { network, line, bar, tick, value: element("td", { class: `kd-value kd-${network}` }) };
      });
      const track = element("td", { class: "kd-track" }, ...cells.map(({ line }) => line));
      return { index, cells, row: element("tr", {}, name, track, ...cells.map(({ value }) => value)) };
    });
    body.replaceChildren(...rows.map(({ row }) => row));
  }

  return {
    element: root,
    draw(example, temperature, scale) {
      const rowKey = ({ classes, truth, logits }) => [classes.join(), truth, roleNames(logits)].join("|");
      // For another example of the same classes, only the bars change.
      const sameRows = shown && example.classes.length <= MAX_CLASSES && rowKey(shown) === rowKey(example);
      if (example !== shown) {
        shown = example;
        if (!sameRows) build();
      }
      const [softened, unsoftened] = [temperature, 1].map((t) =>
        Object.fromEntries(Object.entries(shown.logits).map(([network, logits]) => [network, soften(logits, t)])),
      );
      for (const { index, cells } of rows)
        for (const { network, bar, tick, value } of cells) {
          const [share, unsoftenedShare] = [softened[network][index], unsoftened[network][index]];
          bar.style.transform = `scaleX(${barLength(share, scale)})`;
          tick.style.left = `${100 * barLength(unsoftenedShare, scale)}%`;
          setText(value, formatShare(share));
          value.title = `${formatExactly(share)} at this T, ${formatExactly(unsoftenedShare)} at T = 1`;
        }
    },
  };
}
