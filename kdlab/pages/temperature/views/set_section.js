// The section on the whole data set: soft confusion matrices, the examples of a cell, and similar classes.

import { NETWORKS } from "../state/link_state.js";
import { makeSimilarityView } from "./similarity_view.js";
import { makeExamplesList } from "./examples_list.js";
import { element, formatNumber, formatShare, setText } from "../../../widgets/shared/dom.js";
import { makeMatrix } from "./matrix.js";

const points = (value) => `${value > 0 ? "+" : ""}${formatNumber(100 * value)} points`;
const KEYS = {
  linear:
    "Numbers in percent (blank: under 0.05 %), faint for little and strong for much; colours end at twice the share that each " +
    "class would have if all were alike.",
  log:
    "Log scale: .1 is 0.1 %, and ⁻⁴ stands for a share from 10⁻⁴ up to 10⁻³; colours span 10⁻⁶ to 1. On the right: how many " +
    "times the teacher's share the student gives (99⁺: more).",
};
const KINDS = {
  teacher: { title: "Teacher", kind: "share", describe: formatShare },
  student: { title: "Student", kind: "share", describe: formatShare },
  difference: {
    title: "Student − teacher, points",
    kind: "difference",
    describe: (share, teacherShare) =>
      `student ${formatShare(share)}, teacher ${formatShare(teacherShare)}: ${points(share - teacherShare)}`,
  },
};

function explainInvariants({ labels, examples }, { mistakes }) {
  const count = (number) => number.toLocaleString("en");
  return (
    "Why is there no hard confusion matrix here? It stands still: dividing all logits of an example by T keeps their " +
    `order, so the most probable class is the same at every T. Of ${count(labels.length)} ${examples} the teacher ` +
    `has ${count(mistakes.teacher)} wrong and the student ${count(mistakes.student)}, whatever the temperature.`
  );
}

export function makeSetSection({ store, pictures }) {
  const matrices = Object.fromEntries(
    NETWORKS.map((network) => {
      const onChoose = (position) => store.set({ cell: { network, ...position } });
      return [network, makeMatrix({ ...KINDS[network], onChoose })];
    }),
  );
  const invariantsNote = element("p", { class: "kd-note" });
  const scaleNote = element("p", { class: "kd-note" });
  const setNote = element("p", { class: "kd-note" });
  const similarityView = makeSimilarityView({ onChoose: (cell) => store.set({ cell }) });
  const examplesList = makeExamplesList({ store, pictures });

  store.watch(["set"], ({ set, invariants }) => {
    if (!set) return;
    for (const matrix of Object.values(matrices)) matrix.setClasses(set.classes);
    invariantsNote.textContent = explainInvariants(set, invariants);
    setNote.textContent = set.note;
  });
  store.watch(["stats", "scale", "cell"], ({ stats, scale, cell, set }) => {
    if (!stats) return;
    setText(scaleNote, KEYS[scale]);
    const { teacher, student } = stats.confusion;
    matrices.difference.setTitle(scale === "log" ? "Student ÷ teacher" : KINDS.difference.title);
    for (const network of NETWORKS) {
      const selected = cell?.network === network ? cell : null;
      matrices[network].draw(network === "teacher" ? teacher : student, teacher, scale, selected);
    }
    similarityView.draw(set.classes, teacher);
  });

  store.watch(["dark"], () => Object.values(matrices).forEach((matrix) => matrix.repaint()));

  const row = element("div", { class: "kd-matrices3" }, ...NETWORKS.map((network) => matrices[network].element));
  return [row, scaleNote, invariantsNote, examplesList.element, similarityView.element, setNote];
}
