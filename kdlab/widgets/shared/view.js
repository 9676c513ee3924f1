// Making elements, and a view that is made anew when its content changes.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A widget's render function that shows what `build(content)` returns, a list of elements.
export function view(name, build) {
  return ({ model, el }) => {
    el.classList.add(name);
    const show = () => {
      const made = build(model.get("content"));
      el.replaceChildren(...made);
      el.hidden = made.length === 0;
    };
    model.on("change:content", show);
    show();
    return () => model.off("change:content", show);
  };
}
