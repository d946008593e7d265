// A question: native radio buttons in a group that has the question as its name.
function render({ model, el }) {
  const name = `question ${Math.random()}`; // one group of radio buttons, apart from all others
  el.classList.add("jp-RenderedHTMLCommon");
  const group = Object.assign(document.createElement("fieldset"), { style: "border: 0; margin: 0; padding: 0" });
  const legend = Object.assign(document.createElement("legend"), {
    innerHTML: model.get("text"),
    style: "font-weight: bold; padding: 0; margin-bottom: 0.4em",
  });
  group.append(legend);
  model.get("choices").forEach((choice, index) => {
    const label = Object.assign(document.createElement("label"), {
      style: "display: flex; gap: 0.5em; align-items: baseline; margin: 0.2em 0",
    });
    const radio = Object.assign(document.createElement("input"), {
      type: "radio",
      name,
      checked: model.get("index") === index,
    });
    radio.addEventListener("change", () => {
      model.set("index", index);
      model.save_changes();
    });
    const words = Object.assign(document.createElement("span"), { innerHTML: choice });
    label.append(radio, words);
    group.append(label);
  });
  // JupyterLab would go to another cell.
  group.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.stopPropagation());
  const verdict = document.createElement("p");
  verdict.setAttribute("role", "status");
  verdict.style.margin = "0.6em 0 0";
  const say = () => (verdict.innerHTML = model.get("verdict"));
  model.on("change:verdict", say);
  say();
  el.append(group, verdict);
}

export default { render };
