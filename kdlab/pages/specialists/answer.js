// What is said of one picture, from left to right: the generalist, the specialists whom it asks, all together.

import { makeBars } from "./share_bars.js";
import { element, formatShare, textWidth, write } from "../../widgets/shared/dom.js";
import { abbreviate } from "../../widgets/shared/names.js";

const MOST = 12; // rows; of many classes those that get most

const join = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
// Names in brackets: the first few of many.
const list = (names) =>
  names.length <= 5 ? names.join(", ") : `${names.slice(0, 4).join(", ")} … ${names.length} in all`;
const best = (shares) => shares.indexOf(Math.max(...shares));

// The rows worth showing, in their own order: all, or those of most weight.
function worth(count, weight) {
  const order = [...Array(count).keys()];
  if (count <= MOST) return order;
  const heaviest = order.sort((a, b) => weight(b) - weight(a)).slice(0, MOST);
  return heaviest.sort((a, b) => a - b);
}

function verdict(classes, shares, truth) {
  const said = best(shares);
  return `${classes[said]} (${formatShare(shares[said])}), which is ${said === truth ? "right\u00a0✓" : "wrong\u00a0✗"}`;
}

function describe({ classes, truth, generalist, together, first, specialists, n }) {
  const asked = specialists.flatMap(({ asked }, at) => (asked ? [String(at + 1)] : []));
  const before = `The generalist says ${verdict(classes, generalist, truth)}.`;
  const probable =
    n === 1
      ? "Its most probable class"
      : `Its ${first.length} most probable classes, ${join(first.map((at) => classes[at]))},`;
  if (n === 0) return `${before} With n = 0 nobody else is asked, and its answer stands.`;
  if (!asked.length)
    return `${before} ${probable} ${n === 1 ? "belongs" : "belong"} to no specialist, so its answer stands.`;
  const who = `specialist${asked.length > 1 ? "s" : ""} ${join(asked)}`;
  return `${before} ${probable} ${n === 1 ? "calls" : "call"} ${who}. Together they say ${verdict(classes, together, truth)}.`;
}

// A heading with a sign of its own, as everywhere for roles, and what stands below it.
function column(kind, title, ...children) {
  return element("section", { class: `kd-said kd-${kind}` }, element("h3", {}, title), ...children);
}

export function makeAnswer() {
  const picture = element("canvas", { class: "kd-asked-picture", role: "img" });
  const truth = element("strong", {});
  const sentence = element("p", { class: "kd-sentence", role: "status" });
  const head = element(
    "div",
    { class: "kd-asked-head" },
    picture,
    element("div", {}, element("p", {}, "It is: ", truth), sentence),
  );
  const [generalist, together] = [makeBars(), makeBars()];
  const asked = element("div", { class: "kd-asked-specialists" });
  const rest = element("p", { class: "kd-note kd-not-asked" });
  const legend = element("p", { class: "kd-note" });
  const root = element(
    "div",
    { class: "kd-answer" },
    head,
    element(
      "div",
      { class: "kd-saids" },
      column("generalist", "The generalist", generalist.element),
      column("specialists", "Specialists", asked, rest),
      column("together", "All together", together.element),
    ),
    legend,
  );
  let kept = []; // bars of specialists, made when first needed

  return {
    element: root,
    draw(said, { canvas, truth: name, example }) {
      const { classes, specialists, first, n } = said;
      picture.width = canvas.width;
      picture.height = canvas.height;
      picture.getContext("2d").drawImage(canvas, 0, 0);
      picture.setAttribute("aria-label", `Image ${example}`);
      write(truth, name);
      write(sentence, describe(said));
      const shown = worth(classes.length, (at) =>
        at === said.truth ? 2 : Math.max(said.generalist[at], said.together[at]),
      );
      const short = abbreviate(classes, 12);
      root.style.setProperty("--kd-names", `${Math.max(96, textWidth(short) + 30)}px`);
      const row = (at) => ({ name: classes[at], short: short[at], truth: at === said.truth });
      generalist.draw(shown.map((at) => ({ ...row(at), share: said.generalist[at], rank: first.indexOf(at) })));
      together.draw(shown.map((at) => ({ ...row(at), share: said.together[at], before: said.generalist[at] })));
      while (kept.length < specialists.length) kept.push({ title: element("h4", {}), bars: makeBars() });
      const answered = specialists.flatMap((one, at) => (one.asked ? [[one, at]] : []));
      for (const [{ members, shares }, at] of answered) {
        const most = worth(members.length, (place) => (members[place] === said.truth ? 2 : shares[place]));
        const own = most.map((place) => ({ ...row(members[place]), share: shares[place] }));
        const elsewhere = !members.includes(said.truth);
        write(kept[at].title, `Specialist ${at + 1}`);
        kept[at].bars.draw([...own, { name: "any other", dustbin: true, truth: elsewhere, share: shares.at(-1) }]);
      }
      const nodes = answered.map(([, at]) => {
        kept[at].root ??= element("div", { class: "kd-specialist" }, kept[at].title, kept[at].bars.element);
        return kept[at].root;
      });
      if (nodes.length !== asked.children.length || nodes.some((node, at) => node !== asked.children[at]))
        asked.replaceChildren(...nodes);
      const silent = specialists.flatMap((one, at) =>
        one.asked ? [] : [`${at + 1} (${list(one.members.map((own) => classes[own]))})`],
      );
      write(rest, silent.length ? `Not asked: ${silent.join("; ")}.` : "All were asked.");
      const left = classes.length > shown.length ? ` Of ${classes.length} classes those with most.` : "";
      const look = n
        ? ` ${n > 1 ? "①, ② …" : "①"}: what the generalist finds most probable, which decides who is asked.`
        : "";
      const own = "Line in a bar: the generalist's share. Hatched: the dustbin, for all other classes.";
      write(legend, `●: the truth.${look} ${own}${left}`);
    },
  };
}
