// Numbers on demand: the tables of a picture, from lines of a caption, heads and rows (helpers/numbers.py).
function tabulate(place, text) {
  const add = (above, tag, words) => above.appendChild(Object.assign(document.createElement(tag), { textContent: words }));
  place.replaceChildren();
  for (const part of text ? text.split("\n\n") : []) {
    const [caption, ...lines] = part.split("\n");
    const table = add(place, "table", "");
    if (caption) add(table, "caption", caption);
    lines.forEach((line, n) => {
      const row = add(table, "tr", "");
      line.split("\t").forEach((cell, m) => {
        if (n && m) add(row, "td", cell);
        else add(row, "th", cell).scope = n ? "row" : "col";
      });
    });
  }
}
