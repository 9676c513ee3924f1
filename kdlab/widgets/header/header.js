// The head of a page as a widget: it also follows the URL hash and watches the kernel.

import { makePageHead } from "../shared/page_head.js";
import { pingKernel, watchKernel } from "../shared/kernel.js";
import { inVoila } from "../shared/page_link.js";
import { syncUrl } from "./url.js";

export function render({ model, el }) {
  el.classList.add("kd-page-head");
  const head = makePageHead();
  el.append(...head.elements);
  const show = () => head.show(model.get("title"), model.get("lead"), model.get("links"));
  model.on("change:title change:lead change:links", show);
  show();
  const closeUrl = syncUrl(model);
  const closeKernel = inVoila() ? pingKernel(model) : watchKernel(model, model.get("kernel"), head.notice);
  return () => {
    model.off("change:title change:lead change:links", show);
    closeUrl();
    closeKernel();
  };
}
