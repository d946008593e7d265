// What moves on a page without Python: explorers, whose settings were drawn beforehand, and questions.
const still = matchMedia("(prefers-reduced-motion: reduce)");

function start(section, number) {
  const data = JSON.parse(section.querySelector("script").textContent);
  const picture = section.querySelector(".picture");
  const words = section.querySelector(".words");
  const says = section.querySelector(".says");
  const numbers = section.querySelector(".numbers");
  const controls = [...section.querySelectorAll(".control")];
  const inputs = controls.map((control) => [...control.querySelectorAll("input, select")]);
  const at = [...data.at];

  const numberOf = (places) => places.reduce((sum, place, axis) => sum * data.says[axis].length + place, 0);
  const sourceOf = (places) => `data:image/webp;base64,${data.pictures[data.frames[numberOf(places)][0]]}`;
  const wordsOf = (places) => data.words[data.frames[numberOf(places)][1]];

  function tell() {
    tabulate(numbers.lastElementChild, numbers.open ? data.numbers[data.frames[numberOf(at)][2]] : "");
  }
  numbers.addEventListener("toggle", tell);

  function show() {
    picture.src = sourceOf(at);
    picture.alt = wordsOf(at);
    if (words.textContent !== picture.alt) words.textContent = picture.alt; // the node is kept
    controls.forEach((control, axis) => {
      const said = data.says[axis][at[axis]];
      for (const input of inputs[axis]) {
        if (input.type === "radio") input.checked = Number(input.value) === at[axis];
        else if (input.type === "checkbox") input.checked = at[axis] === 1;
        else input.value = at[axis];
        if (input.type === "range") input.setAttribute("aria-valuetext", said);
      }
      const value = control.querySelector(".value");
      if (value) value.textContent = said;
    });
    tell();
  }

  function move(axis, place) {
    if (says) says.textContent = ""; // it was said of another place
    at[axis] = place;
    show();
  }

  inputs.forEach((group, axis) =>
    group.forEach((input) => {
      if (input.type === "radio") input.name = `explorer ${number}, control ${axis}`;
      input.addEventListener("input", () => {
        stop();
        move(axis, input.type === "checkbox" ? Number(input.checked) : Number(input.value));
      });
    }),
  );

  section.querySelectorAll(".looks button").forEach((button, which) => {
    const position = data.positions[which];
    button.addEventListener("click", () => {
      stop();
      position.at.forEach((place, axis) => place !== null && (at[axis] = place));
      show();
      says.textContent = position.says;
    });
  });

  // Play: from here to the end and round again, until it is pressed once more.
  const play = section.querySelector(".play");
  let timer = null;
  function stop() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    play.setAttribute("aria-pressed", "false");
    words.removeAttribute("aria-live");
  }
  play?.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (still.matches) return;
    const axis = controls.indexOf(play.closest(".control"));
    play.setAttribute("aria-pressed", "true");
    words.setAttribute("aria-live", "off"); // a voice could not keep up
    timer = setInterval(() => {
      if (still.matches) return stop();
      move(axis, (at[axis] + 1) % data.says[axis].length);
    }, 600);
  });

  // On paper, the named positions stand one below the other.
  const row = section.appendChild(Object.assign(document.createElement("div"), { className: "paper" }));
  for (const position of data.positions) {
    const places = position.at.map((place, axis) => place ?? data.at[axis]);
    const figure = row.appendChild(document.createElement("figure"));
    figure.append(Object.assign(new Image(), { src: sourceOf(places), alt: wordsOf(places) }));
    const caption = figure.appendChild(document.createElement("figcaption"));
    caption.append(Object.assign(document.createElement("b"), { textContent: position.name }));
    caption.append(`${wordsOf(places)} ${position.says}`);
  }
}

function ask(question, number) {
  const verdict = question.querySelector("[role=status]");
  for (const radio of question.querySelectorAll("input")) {
    radio.name = `question ${number}`;
    radio.addEventListener("input", () => (verdict.innerHTML = radio.dataset.reply));
  }
}

// What is too wide scrolls, by keyboard too.
const reach = () =>
  document.querySelectorAll("pre, .table").forEach((wide) => {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
  });

addEventListener("resize", reach);
document.addEventListener("DOMContentLoaded", () => {
  reach();
  document.querySelectorAll(".explorer").forEach(start);
  document.querySelectorAll(".question").forEach(ask);
});
