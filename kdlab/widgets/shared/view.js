// Creates elements, and a view that is rebuilt when its content changes.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A widget's render function that shows the elements that `build(content)` returns.
export function contentView(className, build) {
  return ({ model, el }) => {
    el.classList.add(className);
    const show = () => {
      const children = build(model.get("content"));
      el.replaceChildren(...children);
      el.hidden = children.length === 0;
    };
    model.on("change:content", show);
    show();
    return () => model.off("change:content", show);
  };
}
