// Ask for results to leave: choose files of the outbox, say what they are, follow what becomes of them.
// The list and every answer come from the house through the gateway; the room that this page belongs to decides nothing.

const EVERY = 10000;
export const KINDS = [
  ['table', 'Table'], ['figure', 'Picture'], ['regression', 'Regression'], ['survival', 'Survival curve'],
  ['genomics', 'Variant statistics'], ['model', 'Trained model'], ['text', 'Text'], ['code', 'Program']
];
const OPEN = new Set(['draft', 'checking', 'in_review', 'consolidating', 'returned', 'approved']);
const STATES = {
  draft: 'draft', checking: 'being checked', in_review: 'with two approvers', consolidating: 'approvers differ, and look again',
  returned: 'returned to you', approved: 'approved', released: 'released', rejected: 'rejected', withdrawn: 'withdrawn',
  expired: 'expired', recalled: 'recalled'
};

// --- what is sent ----------------------------------------------------------------------------------------------------
export function guess(name) {
  if (/\.(png|jpe?g)$/i.test(name)) return 'figure';
  if (/\.csv$/i.test(name)) return 'table';
  return /\.(py|r|sql|ipynb)$/i.test(name) ? 'code' : 'text';
}

// `made` is typed as JSON; what cannot be read is said before anything is sent.
export function described(row) {
  const said = { kind: row.kind, context: row.context.trim(), controls: row.controls.trim() };
  if (row.supports) said.supports = row.supports;
  if (row.made.trim()) {
    try {
      said.made = JSON.parse(row.made);
    } catch {
      throw new Error(`${row.name}: how it was made is no JSON`);
    }
  }
  if (row.more) said.more = row.more;
  return said;
}

export function asked(rows, why) {
  if (!rows.length) throw new Error('Tick at least one file.');
  if (!why.trim()) throw new Error('Say why the files should leave: approvers cannot ask you first.');
  const about = Object.fromEntries(rows.map(row => [row.name, described(row)]));
  return { paths: rows.map(row => row.name), why: why.trim(), about };
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function pointed(request) {
  return request.files.flatMap(file => file.findings.map(each => ({ file: file.name, ...each })));
}

// --- elements --------------------------------------------------------------------------------------------------------
let numbers = 0;
function el(tag, given = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== 'list') made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside.filter(each => each !== null && each !== undefined));
  return made;
}

function labelled(text, field, help) {
  field.id ||= `tre-exports-${++numbers}`;
  const said = help ? el('small', { id: `${field.id}-help`, textContent: help }) : null;
  if (said) field.setAttribute('aria-describedby', said.id);
  return el('div', { className: 'tre-field' }, el('label', { htmlFor: field.id, textContent: text }), said, field);
}

const SHEET = `
.tre-exports { padding: 8px 12px; overflow-y: auto; color: var(--jp-ui-font-color1); font-size: var(--jp-ui-font-size1); }
.tre-exports h2 { font-size: var(--jp-ui-font-size2); margin: 12px 0 6px; }
.tre-exports fieldset { border: 1px solid var(--jp-border-color2); border-radius: 3px; margin: 0 0 8px; padding: 6px 8px; }
.tre-exports label { display: block; }
.tre-exports .tre-field { margin: 6px 0; }
.tre-exports small { display: block; color: var(--jp-ui-font-color2); }
.tre-exports textarea, .tre-exports select { width: 100%; box-sizing: border-box; padding: 4px;
  background: var(--jp-input-background); color: var(--jp-ui-font-color1); border: 1px solid var(--jp-border-color1); font: inherit; }
.tre-exports textarea { min-height: 3.5em; }
.tre-exports button { margin: 4px 6px 4px 0; padding: 4px 10px; border: 1px solid var(--jp-border-color1); border-radius: 3px;
  background: var(--jp-layout-color2); color: var(--jp-ui-font-color1); font: inherit; cursor: pointer; }
.tre-exports button.tre-main { background: var(--jp-brand-color1); color: var(--jp-ui-inverse-font-color1); border-color: var(--jp-brand-color1); }
.tre-exports ul { list-style: none; margin: 0; padding: 0; }
.tre-exports li.tre-request { border-top: 1px solid var(--jp-border-color2); padding: 8px 0; overflow-wrap: anywhere; }
.tre-exports li.tre-block { color: var(--jp-error-color1); }
.tre-exports [role=status] { min-height: 1.4em; }
`;

// --- the panel -------------------------------------------------------------------------------------------------------
export function panel({ base, fetch: send = (...given) => fetch(...given) }) {
  const node = el('section', { className: 'tre-exports', 'aria-label': 'Exports' });
  const files = el('div');
  const why = el('textarea', { maxLength: 4000, required: true });
  const said = el('p', { role: 'status', textContent: '' });
  const list = el('ul');
  const rows = new Map();
  let again = 0;
  let shown = '';

  const heading = el('h2', { textContent: 'Ask for an export' });
  const submit = el('button', { type: 'submit', className: 'tre-main', textContent: 'Ask for these files' });
  const stop = el('button', { type: 'button', textContent: 'Not now', hidden: true, onclick: () => turnTo(0) });
  const form = el('form', { onsubmit: event => { event.preventDefault(); void hand(); } },
    files, labelled('Why should they leave?', why, 'What they show and what they are needed for. No values of patients.'), submit, stop);
  node.append(el('style', { textContent: SHEET }), heading, form, said,
    el('h2', { textContent: 'Your requests of this project' }), list);

  async function ask(path, body) {
    const given = { credentials: 'same-origin', cache: 'no-store' };
    if (body) Object.assign(given, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const answer = await send(`${base}tre/v1/${path}`, given);
    const told = await answer.json().catch(() => ({ error: 'the house does not answer; try again in a moment' }));
    if (!answer.ok) throw new Error([told.error, ...(told.remedies ?? [])].join('. '));
    return told;
  }

  function fileRow(file) {
    const given = file.about ?? {};
    const box = el('input', { type: 'checkbox' });
    const kind = el('select', {}, ...KINDS.map(([value, text]) => el('option', { value, textContent: text })));
    kind.value = given.kind ?? guess(file.name);
    const context = el('textarea', { maxLength: 4000, value: given.context ?? '' });
    const controls = el('textarea', { maxLength: 4000, value: given.controls ?? '' });
    const made = el('textarea', { value: given.made ? JSON.stringify(given.made, null, 1) : '', spellcheck: false });
    const supports = el('select', {}, el('option', { value: '', textContent: 'none' }));
    const more = el('details', {}, el('summary', { textContent: 'How it was made' }),
      labelled('Output manifest (JSON)', made, 'tre.table(...) and tre.describe(...) write it for you. The airlock makes the numbers again from it.'),
      labelled('Picture whose numbers these are', supports));
    const rest = el('div', { hidden: true }, labelled('Kind', kind), labelled('What it shows', context),
      labelled('What was done so that nobody is disclosed', controls), more);
    box.addEventListener('change', () => { rest.hidden = !box.checked; });
    const row = {
      name: file.name, box, supports,
      get value() {
        return { name: file.name, kind: kind.value, context: context.value, controls: controls.value, made: made.value,
          supports: supports.value, more: given.more };
      },
      tick(on) { box.checked = on; rest.hidden = !on; },
      given
    };
    row.node = el('fieldset', {}, el('legend', { className: 'jp-sr-only', textContent: file.name }),
      el('label', {}, box, ` ${file.name} `, el('small', { textContent: size(file.size) })), rest);
    return row;
  }

  async function outbox() {
    const told = await ask('outbox');
    const now = JSON.stringify(told.files);
    if (now === shown) return;
    shown = now;
    const ticked = new Set([...rows.values()].filter(row => row.box.checked).map(row => row.name));
    rows.clear();
    for (const file of told.files) rows.set(file.name, fileRow(file));
    const pictures = told.files.filter(file => guess(file.name) === 'figure');
    for (const row of rows.values()) {
      row.supports.append(...pictures.map(file => el('option', { value: file.name, textContent: file.name })));
      row.supports.value = row.given.supports ?? '';
      row.tick(ticked.has(row.name));
    }
    files.replaceChildren(...(rows.size ? [...rows.values()].map(row => row.node)
      : [el('p', { textContent: 'Your outbox is empty: write results into /outbox, then look again.' })]));
  }

  function turnTo(number, names = []) {
    again = number;
    heading.textContent = number ? `Submit request ${number} again` : 'Ask for an export';
    submit.textContent = number ? 'Submit again' : 'Ask for these files';
    stop.hidden = !number;
    for (const row of rows.values()) row.tick(names.includes(row.name));
    (rows.values().next().value?.box ?? why).focus();
  }

  async function hand() {
    try {
      const body = asked([...rows.values()].filter(row => row.box.checked).map(row => row.value), why.value);
      submit.disabled = true;
      const told = await ask(again ? `requests/${again}/resubmit` : 'requests', body);
      said.textContent = `Request ${told.id} was handed in. ${told.says}`;
      why.value = '';
      turnTo(0);
      await requests();
    } catch (fault) {
      said.textContent = fault.message;
    } finally {
      submit.disabled = false;
    }
  }

  async function takeBack(number) {
    try {
      await ask(`requests/${number}/withdraw`, {});
      said.textContent = `Request ${number} was taken back; nothing of it leaves.`;
      await requests();
    } catch (fault) {
      said.textContent = fault.message;
    }
  }

  function requestRow(request) {
    const found = pointed(request);
    const mine = request.files.filter(file => !['approved', 'released'].includes(file.state)).map(file => file.name);
    const buttons = [];
    if (request.may.includes('submit')) {
      buttons.push(el('button', { type: 'button', textContent: `Submit ${request.id} again`, onclick: () => turnTo(request.id, mine) }));
    }
    if (request.may.includes('withdraw') && OPEN.has(request.state)) {
      buttons.push(el('button', { type: 'button', textContent: `Withdraw ${request.id}`, onclick: () => void takeBack(request.id) }));
    }
    return el('li', { className: 'tre-request' },
      el('strong', { textContent: `Request ${request.id}: ${STATES[request.state] ?? request.state}` }),
      el('div', { textContent: request.files.map(file => file.name).join(', ') }),
      el('div', { textContent: request.says }),
      found.length ? el('details', {}, el('summary', { textContent: `${found.length} findings` }),
        el('ul', {}, ...found.map(each => el('li', { className: `tre-${each.severity}`,
          textContent: `${each.file}, ${each.where}: ${each.message}${each.fix ? ` ${each.fix}` : ''}` })))) : null,
      el('div', {}, ...buttons, el('a', { href: request.url, target: '_blank', rel: 'noopener', textContent: 'Its page' })));
  }

  let listed = '';
  async function requests() {
    const told = await ask('requests');
    const now = JSON.stringify(told.requests);
    if (now === listed) return;
    listed = now;
    list.replaceChildren(...(told.requests.length ? told.requests.map(requestRow)
      : [el('li', { textContent: 'You have asked for nothing to leave yet.' })]));
  }

  async function look() {
    try {
      await outbox();
      await requests();
    } catch (fault) {
      said.textContent = fault.message;
    }
  }

  return { node, look };
}

// --- JupyterLab ------------------------------------------------------------------------------------------------------
export function extension({ Widget, PageConfig, ICommandPalette }) {
  return {
    id: 'tre-lab:exports',
    description: 'Asks for results to leave, and follows them.',
    autoStart: true,
    optional: [ICommandPalette],
    activate(app, palette) {
      const made = panel({ base: PageConfig.getBaseUrl() });
      const widget = new Widget({ node: made.node });
      widget.id = 'tre-lab-exports';
      widget.title.label = 'Exports';
      widget.title.caption = 'Exports: ask for results to leave';
      app.shell.add(widget, 'right', { rank: 900 });
      app.commands.addCommand('tre-lab:exports', {
        label: 'Exports: ask for results to leave',
        execute: () => { app.shell.activateById(widget.id); return made.look(); }
      });
      palette?.addItem({ command: 'tre-lab:exports', category: 'Exports' });
      let clock = 0;
      const onShow = () => { void made.look(); clock ||= setInterval(() => void made.look(), EVERY); };
      const onHide = () => { clearInterval(clock); clock = 0; };
      const seen = new IntersectionObserver(found => (found.some(each => each.isIntersecting) ? onShow() : onHide()));
      seen.observe(made.node);
    }
  };
}
