// Words with role="status": the node is kept, so that a voice reads each change once.
function render({ model, el }) {
  el.classList.add("jp-RenderedHTMLCommon");
  const words = el.appendChild(document.createElement("p"));
  words.setAttribute("role", "status");
  words.style.margin = "0";
  const say = () => (words.textContent = model.get("value"));
  model.on("change:value", say);
  say();
  keepArrows(el, 100);
}

// JupyterLab would take an arrow key on a control and go to another cell.
function keepArrows(el, tries) {
  const explorer = el.closest(".explorer-of-lessons");
  if (explorer) explorer.addEventListener("keydown", stay); // one and the same function: it is added once
  else if (tries) setTimeout(() => keepArrows(el, tries - 1), 100); // it is not in the page yet
}

function stay(event) {
  if (/^(Arrow|Home|End)/.test(event.key)) event.stopPropagation();
}

export default { render };
