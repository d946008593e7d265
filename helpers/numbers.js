
// In Lab the kernel sends them while they are open, and is not asked for them otherwise.
function render({ model, el }) {
  el.classList.add("jp-RenderedHTMLCommon");
  const numbers = el.appendChild(document.createElement("details"));
  numbers.append(Object.assign(document.createElement("summary"), { textContent: "Numbers" }));
  const place = numbers.appendChild(document.createElement("div"));
  Object.assign(place, { tabIndex: 0, style: "max-height: 20em; overflow: auto" });
  const show = () => tabulate(place, model.get("text"));
  numbers.open = model.get("opened");
  numbers.addEventListener("toggle", () => {
    model.set("opened", numbers.open);
    model.save_changes();
  });
  model.on("change:text", show);
  show();
}

export default { render };
