// The door that JupyterLab 4.6 knocks at: it hands over the packages it shares, and asks for `./extension`.
// Written by hand, so that what runs is what was read: no build, no bundle.
(() => {
  const here = new URL(document.currentScript.src);
  let shared = {};

  async function from(name) {
    const versions = Object.values(shared[name] ?? {});
    const offered = versions.find(each => each.loaded) ?? versions[0];
    if (!offered) throw new Error(`tre-lab: JupyterLab shares no ${name}`);
    return (await offered.get())();
  }

  const container = {
    init(scope) {
      shared = scope;
    },
    async get(module) {
      if (module !== './extension') throw new Error(`tre-lab: there is no ${module}`);
      const [room, exports, { Notification, ICommandPalette }, { IStatusBar }, { Widget }, { PageConfig }] = await Promise.all([
        import(new URL(`room.js${here.search}`, here).href),
        import(new URL(`exports.js${here.search}`, here).href),
        from('@jupyterlab/apputils'),
        from('@jupyterlab/statusbar'),
        from('@lumino/widgets'),
        from('@jupyterlab/coreutils')
      ]);
      const plugins = [
        room.extension({ Notification, IStatusBar, Widget, PageConfig }),
        exports.extension({ Widget, PageConfig, ICommandPalette })
      ];
      return () => ({ __esModule: true, default: plugins });
    }
  };

  (window._JUPYTERLAB ??= {})['tre-lab'] = container;
})();
