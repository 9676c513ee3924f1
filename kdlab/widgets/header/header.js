// The head of a page as a widget: it also follows the URL hash and watches the kernel.

import { makePageHead } from "../shared/page_head.js";
import { NO_KERNEL, hasKernel } from "../shared/kernel.js";
import { pingKernel, watchKernel } from "../shared/kernel_watch.js";
import { inVoila } from "../shared/page_link.js";
import { syncUrl } from "./url.js";

export function render({ model, el }) {
  el.classList.add("kd-page-head");
  const head = makePageHead();
  el.append(...head.elements);
  const show = () => head.show(model.get("title"), model.get("lead"), model.get("links"));
  model.on("change:title change:lead change:links", show);
  show();
  const closers = [() => model.off("change:title change:lead change:links", show)];
  // Drawn from a saved notebook, without a kernel, it stays as it was saved.
  if (!hasKernel(el)) head.notify(NO_KERNEL);
  else closers.push(syncUrl(model), inVoila() ? pingKernel(model) : watchKernel(model, model.get("kernel"), head));
  return () => closers.forEach((close) => close());
}
