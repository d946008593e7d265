// A native slider in its label, as on a saved page, and Play: from here to the end and round again.
const still = matchMedia("(prefers-reduced-motion: reduce)");

function render({ model, el }) {
  const make = (tag, above, options) => above.appendChild(Object.assign(document.createElement(tag), options));
  el.classList.add("jp-RenderedHTMLCommon", "slider-of-lessons");
  const label = make("label", el);
  make("span", label, { textContent: model.get("description") });
  const slider = make("input", label, { type: "range", min: 0, max: model.get("names").length - 1 });
  const value = make("span", label, { className: "value", ariaHidden: "true" });

  const show = () => {
    const name = model.get("names")[model.get("value")];
    slider.value = model.get("value");
    slider.setAttribute("aria-valuetext", (value.textContent = name));
  };
  slider.addEventListener("input", () => {
    model.set("value", Number(slider.value));
    model.save_changes(); // while the kernel draws, ipywidgets keeps the last of these only
  });
  slider.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) event.stopPropagation(); // JupyterLab would take it for its own
  });
  model.on("change:value", show);
  show();
  if (model.get("plays")) return play(model, el, make("button", el, { className: "play", textContent: "Play" }));
}

// A step is asked for when the picture of the one before is there, and 600 ms after that was asked for.
function play(model, el, button) {
  let timer = null;
  let asked = 0;
  let started = null; // of a walk: what listens while it goes on
  const words = () => el.closest(".explorer-of-lessons").querySelectorAll("[role=status]");

  function stop() {
    started?.abort();
    started = null;
    clearTimeout(timer);
    button.setAttribute("aria-pressed", "false");
  }
  function step() {
    if (still.matches) return stop();
    asked = performance.now();
    model.send((model.get("value") + 1) % model.get("names").length);
  }
  function start() {
    if (still.matches) return;
    started = new AbortController();
    button.setAttribute("aria-pressed", "true");
    words().forEach((each) => each.setAttribute("aria-live", "off")); // a voice could not keep up
    started.signal.onabort = () => words().forEach((each) => each.removeAttribute("aria-live"));
    const explorer = el.closest(".explorer-of-lessons");
    const touched = (event) => event.target !== button && stop();
    for (const kind of ["input", "click"]) explorer.addEventListener(kind, touched, { signal: started.signal });
    timer = setTimeout(step, 600);
  }
  model.on("msg:custom", () => started && (timer = setTimeout(step, asked + 600 - performance.now())));
  button.addEventListener("click", () => (started ? stop() : start()));
  stop();
  return stop;
}

export default { render };
