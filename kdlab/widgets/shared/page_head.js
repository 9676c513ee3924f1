// The head of a page: its title, links to the other pages, a sentence, and a line for a notice.

import { inVoila, linkTo } from "./page_link.js";
import { element } from "./view.js";

export function makePageHead() {
  const title = element("h1");
  const links = element("nav", { "aria-label": "Pages" });
  const lead = element("p", { class: "kd-page-lead" });
  const notice = element("p", { class: "kd-kernel-notice", role: "alert" });
  notice.hidden = true;
  return {
    elements: [title, links, lead, notice],
    // Shows a sentence about the kernel, or none for "". Where it is `gone` nothing else on the page can be used.
    notify(sentence, gone = false) {
      notice.textContent = sentence;
      notice.hidden = !sentence;
      const page = notice.closest(".kd-page");
      page?.classList.toggle("kd-without-kernel", gone);
      for (const part of page?.children ?? []) if (!part.contains(notice)) part.inert = gone;
    },
    // `pages`: address, name, and whether it is the page itself.
    show(text, sentence, pages) {
      title.textContent = text;
      if (inVoila()) document.title = `kdlab – ${text}`;
      lead.textContent = sentence;
      lead.hidden = !sentence;
      links.hidden = !pages.length;
      links.replaceChildren(
        ...pages.map(([address, name, current]) => {
          const link = linkTo(element("a", {}, name), address);
          if (current) link.setAttribute("aria-current", "page");
          return link;
        }),
      );
    },
  };
}
