// The predictions for one picture, from left to right: the generalist, the consulted specialists, all together.

import { makeBars } from "./share_bars.js";
import { element, formatShare, keepUntranslated, setText, textWidth } from "../../widgets/shared/dom.js";
import { abbreviate } from "../../widgets/shared/names.js";

const MAX_ROWS = 12; // of many classes, those with the highest probability

const joinNames = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
// Names in brackets: the first few if there are many.
const listNames = (names) =>
  names.length <= 5 ? names.join(", ") : `${names.slice(0, 4).join(", ")} … ${names.length} in all`;
const argmax = (shares) => shares.indexOf(Math.max(...shares));

// The classes to show, in ascending order: all, or those of the largest weight.
function topRows(count, weight) {
  const order = [...Array(count).keys()];
  if (count <= MAX_ROWS) return order;
  const heaviest = order.sort((a, b) => weight(b) - weight(a)).slice(0, MAX_ROWS);
  return heaviest.sort((a, b) => a - b);
}

function verdict(classes, shares, truth) {
  const predicted = argmax(shares);
  return `${classes[predicted]} (${formatShare(shares[predicted])}), which is ${predicted === truth ? "right\u00a0✓" : "wrong\u00a0✗"}`;
}

function describe({ classes, truth, generalist, together, first, specialists, n }) {
  const asked = specialists.flatMap(({ asked }, index) => (asked ? [String(index + 1)] : []));
  const opening = `The generalist says ${verdict(classes, generalist, truth)}.`;
  const subject =
    n === 1
      ? "Its most probable class"
      : `Its ${first.length} most probable classes, ${joinNames(first.map((index) => classes[index]))},`;
  if (n === 0) return `${opening} With n = 0 nobody else is asked, and its answer stands.`;
  if (!asked.length)
    return `${opening} ${subject} ${n === 1 ? "belongs" : "belong"} to no specialist, so its answer stands.`;
  const consulted = `specialist${asked.length > 1 ? "s" : ""} ${joinNames(asked)}`;
  return `${opening} ${subject} ${n === 1 ? "calls" : "call"} ${consulted}. Together they say ${verdict(classes, together, truth)}.`;
}

// A column with its heading, coloured by role.
function column(kind, title, ...children) {
  return element("section", { class: `kd-prediction kd-${kind}` }, element("h3", {}, title), ...children);
}

export function makeAnswer() {
  const picture = element("canvas", { class: "kd-answer-picture", role: "img" });
  const truth = keepUntranslated(element("strong", {}));
  const sentence = element("p", { class: "kd-sentence", role: "status" });
  const head = element(
    "div",
    { class: "kd-answer-head" },
    picture,
    element("div", {}, element("p", {}, "It is: ", truth), sentence),
  );
  const [generalist, together] = [makeBars(), makeBars()];
  const asked = element("div", { class: "kd-asked-specialists" });
  const notAsked = element("p", { class: "kd-note kd-not-asked" });
  const legend = element("p", { class: "kd-note" });
  const root = element(
    "div",
    { class: "kd-answer" },
    head,
    element(
      "div",
      { class: "kd-predictions" },
      column("generalist", "The generalist", generalist.element),
      column("specialists", "Specialists", asked, notAsked),
      column("together", "All together", together.element),
    ),
    legend,
  );
  let specialistBars = []; // created on first use

  return {
    element: root,
    draw(answer, { canvas, truth: name, example }) {
      const { classes, specialists, first, n } = answer;
      picture.width = canvas.width;
      picture.height = canvas.height;
      picture.getContext("2d").drawImage(canvas, 0, 0);
      picture.setAttribute("aria-label", `Image ${example}`);
      setText(truth, name);
      setText(sentence, describe(answer));
      const visible = topRows(classes.length, (index) =>
        index === answer.truth ? 2 : Math.max(answer.generalist[index], answer.together[index]),
      );
      const short = abbreviate(classes, 12);
      root.style.setProperty("--kd-names", `${Math.max(96, textWidth(short) + 30)}px`);
      const row = (index) => ({ name: classes[index], short: short[index], truth: index === answer.truth });
      generalist.draw(
        visible.map((index) => ({ ...row(index), share: answer.generalist[index], rank: first.indexOf(index) })),
      );
      together.draw(
        visible.map((index) => ({ ...row(index), share: answer.together[index], reference: answer.generalist[index] })),
      );
      while (specialistBars.length < specialists.length)
        specialistBars.push({ title: element("h4", {}), bars: makeBars() });
      const answered = specialists.flatMap((specialist, index) => (specialist.asked ? [[specialist, index]] : []));
      for (const [{ members, shares }, index] of answered) {
        const topMembers = topRows(members.length, (position) =>
          members[position] === answer.truth ? 2 : shares[position],
        );
        const memberRows = topMembers.map((position) => ({ ...row(members[position]), share: shares[position] }));
        const elsewhere = !members.includes(answer.truth);
        setText(specialistBars[index].title, `Specialist ${index + 1}`);
        specialistBars[index].bars.draw([
          ...memberRows,
          { name: "any other", dustbin: true, truth: elsewhere, share: shares.at(-1) },
        ]);
      }
      const nodes = answered.map(([, index]) => {
        specialistBars[index].root ??= element(
          "div",
          { class: "kd-specialist" },
          specialistBars[index].title,
          specialistBars[index].bars.element,
        );
        return specialistBars[index].root;
      });
      if (nodes.length !== asked.children.length || nodes.some((node, index) => node !== asked.children[index]))
        asked.replaceChildren(...nodes);
      const notAskedNames = specialists.flatMap((specialist, index) =>
        specialist.asked ? [] : [`${index + 1} (${listNames(specialist.members.map((member) => classes[member]))})`],
      );
      setText(notAsked, notAskedNames.length ? `Not asked: ${notAskedNames.join("; ")}.` : "All were asked.");
      const omitted = classes.length > visible.length ? ` Of ${classes.length} classes those with most.` : "";
      const ranks = n
        ? ` ${n > 1 ? "①, ② …" : "①"}: what the generalist finds most probable, which decides who is asked.`
        : "";
      const marks = "Line in a bar: the generalist's share. Hatched: the dustbin, for all other classes.";
      setText(legend, `●: the truth.${ranks} ${marks}${omitted}`);
    },
  };
}
