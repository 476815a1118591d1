// How long this room is open, why it closes, how much was seen of it: asked of the gateway, not of the room.
// Nothing here decides anything. A person who takes it out is not warned, and the room closes all the same.

const EVERY = 5000;
const WARN_AT = [1800, 600, 120];
const SAVE_AT = 30;

// --- words -----------------------------------------------------------------------------------------------------------
export function duration(seconds) {
  if (seconds < 90) return `${seconds} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
}

export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}

// --- what is due: of an answer, what the person has not been told -----------------------------------------------------
export function due(me, seen) {
  const told = [];
  for (const notice of me.notices ?? []) told.push({ id: notice.id, kind: 'info', text: notice.text });
  if (me.closing_at) {
    const at = new Date(me.closing_at).toLocaleTimeString();
    const text = `This room closes at ${at}: ${me.why} What is open is being saved.`;
    told.push({ id: `closing/${me.closing_at}`, kind: 'error', text, home: me.home });
  } else if (me.seconds_left !== null && me.seconds_left <= WARN_AT[0]) {
    const stage = WARN_AT.filter(seconds => me.seconds_left <= seconds).pop();
    const text = `This room closes in ${duration(me.seconds_left)}. What is open is saved before; the home page says why.`;
    told.push({ id: `end/${me.until}/${stage}`, kind: 'warning', text, home: me.home });
  }
  return told.filter(each => !seen.has(each.id));
}

export function mustSave(me) {
  return Boolean(me.closing_at) || (me.seconds_left !== null && me.seconds_left <= SAVE_AT);
}

export function status(me) {
  const { hour_bytes: spent, hour_limit: limit } = me.meter;
  const meter = `${megabytes(spent)} of ${megabytes(limit)} MB this hour`;
  const soon = me.seconds_left !== null && me.seconds_left <= WARN_AT[0];
  return soon ? `closes in ${duration(me.seconds_left)} · ${meter}` : meter;
}

// --- JupyterLab ------------------------------------------------------------------------------------------------------
export function extension({ Notification, IStatusBar, Widget, PageConfig }) {
  return {
    id: 'tre-lab:room',
    description: 'Says when a room closes and why, saves first, and shows how much was seen.',
    autoStart: true,
    optional: [IStatusBar],
    activate(app, statusBar) {
      const base = PageConfig.getBaseUrl();
      const memory = remembered(`tre-lab:${base}`);
      const bar = statusItem(Widget);
      statusBar?.registerStatusItem('tre-lab:room', { item: bar, align: 'right', rank: 1 });
      const say = each => {
        const actions = each.home ? [{ label: 'My projects', callback: () => window.location.assign(each.home) }] : [];
        Notification.emit(each.text, each.kind, { autoClose: false, actions });
        memory.add(each.id);
      };
      every(EVERY, async () => {
        const me = await ask(`${base}tre/me`);
        if (me === null) return;
        if (me.reason) {
          if (!memory.has(me.reason)) say({ id: me.reason, kind: 'error', text: me.reason });
          return;
        }
        bar.node.textContent = status(me);
        bar.node.title = 'What this room shows you is counted; results leave as an export.';
        const saving = mustSave(me) ? app.commands.execute('docmanager:save-all') : null;
        for (const each of due(me, memory)) say(each);
        await saving;
      });
    }
  };
}

function statusItem(Widget) {
  const bar = new Widget();
  bar.addClass('tre-lab-meter');
  bar.node.style.cssText = 'padding: 0 8px; font-size: var(--jp-ui-font-size1); color: var(--jp-ui-font-color1)';
  return bar;
}

// A page that is reloaded does not tell the same again.
function remembered(key) {
  const ids = new Set(JSON.parse(sessionStorage.getItem(key) ?? '[]'));
  return {
    has: id => ids.has(id),
    add(id) {
      ids.add(id);
      sessionStorage.setItem(key, JSON.stringify([...ids].slice(-100)));
    }
  };
}

// null: nobody answered, or not in a way that says anything.
async function ask(address) {
  try {
    const answer = await fetch(address, { credentials: 'same-origin', cache: 'no-store' });
    const said = await answer.json();
    return answer.ok || (answer.status === 403 && said.reason) ? said : null;
  } catch {
    return null;
  }
}

// A worker keeps the time, since a tab in the background is let wait for minutes. One question at a time.
function every(milliseconds, look) {
  const source = new Blob([`setInterval(() => postMessage(0), ${milliseconds})`], { type: 'text/javascript' });
  const clock = new Worker(URL.createObjectURL(source));
  let busy = false;
  const turn = async () => {
    if (busy) return;
    busy = true;
    try {
      await look();
    } finally {
      busy = false;
    }
  };
  clock.onmessage = turn;
  void turn();
}
