// A prebuilt extension of JupyterLab, written by hand, since it is so small. JupyterLab itself never reads a file again
// that has changed on disk; this does it for Home.md, whenever its tab is chosen.
window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB["minillm-home"] = {
  init: () => {},
  get: async () => () => ({
    __esModule: true,
    default: {
      id: "minillm-home:plugin",
      description: "Reads workbook/Home.md again when its tab is chosen.",
      autoStart: true,
      activate: (app) => {
        app.shell.currentChanged?.connect((shell, { newValue: widget }) => {
          const context = widget?.context;
          if (context?.path?.split("/").pop() === "Home.md") {
            renew(app, context).catch(() => {}); // an old page is better than an error over it
          }
        });
      },
    },
  }),
};

async function renew(app, context) {
  await context.ready;
  const { last_modified } = await app.serviceManager.contents.get(context.path, { content: false });
  if (!context.model.dirty && last_modified !== context.contentsModel?.last_modified) {
    await context.revert();
  }
}
