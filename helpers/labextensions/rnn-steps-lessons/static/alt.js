// JupyterLab 4.6 and Notebook 7 show a picture of an output without alt text. Here it gets its cell's ("alt" in
// the metadata), else the words that the output itself has for it: those of an explorer, for one.
const wordsFor = (app, picture) => {
  for (const { content } of app.shell.widgets("main"))
    for (const cell of content?.widgets ?? []) {
      if (!cell.outputArea?.node.contains(picture)) continue;
      const at = cell.outputArea.widgets.findIndex((output) => output.node.contains(picture));
      const said = [cell.model.getMetadata("alt"), cell.outputArea.model.get(at)?.data["text/plain"]];
      return said.find((words) => words && !words.startsWith("<")) ?? "What the code above draws.";
    }
  return "A picture";
};

const plugin = {
  id: "rnn-steps-lessons:alt",
  autoStart: true,
  activate(app) {
    const name = () =>
      document
        .querySelectorAll(".jp-OutputArea img:not([alt])")
        .forEach((picture) => (picture.alt = wordsFor(app, picture)));
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  },
};

// What JupyterLab asks of an extension that is loaded beside it.
(window._JUPYTERLAB ??= {})["rnn-steps-lessons"] = {
  init() {},
  get: async () => () => ({ __esModule: true, default: plugin }),
};
