'use strict';
// The page in four parts: the data read, facts concluded as package facts does, entries drawn, and the address.
(() => {

// --- Data: see data.go ---

const data = JSON.parse(document.getElementById('data').textContent);
const text = i => data.strings[i || 0];
const numbers = new Map([['', 0]]);
/** number makes a version comparable: 7.2 is 7.2.0. */
function number(version) {
  let n = numbers.get(version);
  if (n === undefined) {
    const [a, b, c] = version.split('.');
    n = (+a * 1000 + (+b || 0)) * 1000 + (+c || 0);
    numbers.set(version, n);
  }
  return n;
}
const dates = data.dates.map(([release, after, by, source, instead]) => ({release, after, by, source, instead, n: number(release)}));
const timesOf = i => i ? (times[i] ??= pairs(data.times[i - 1])) : [];
const times = [];
function pairs(row) {
  const spans = [];
  for (let i = 0; i < row.length; i += 2) spans.push({since: dates[row[i]], removed: row[i + 1] < 0 ? null : dates[row[i + 1]]});
  return spans;
}
const axis = data.releases;

/** Server is the data of one server, of which nodes are read when they are needed. */
class Server {
  constructor(raw) {
    Object.assign(this, raw);
    this.index = new Map(raw.nodes.map((row, i) => [text(row[1]), i]));
    this.read = [];
  }
  node(name) {
    const i = this.index.get(name);
    if (i === undefined) return null;
    return this.read[i] ??= this.readNode(this.nodes[i]);
  }
  readNode([kind, name, module, tag, at, cond, use, deprecated, go, ref, ...parts]) {
    const node = {kind: text(kind), name: text(name), module: text(module), tag: text(tag), times: timesOf(at), cond: text(cond), use: text(use), deprecated: text(deprecated), go: text(go), ref: text(ref), parts: new Map()};
    for (const [label, target, at, optional, go, cond, use, deprecated, list] of parts) {
      const part = {label: text(label), target: text(target), times: timesOf(at), optional: timesOf(optional), go: text(go), cond: text(cond), use: text(use), deprecated: text(deprecated), list: !!list};
      if (!node.parts.has(part.label)) node.parts.set(part.label, []);
      node.parts.get(part.label).push(part);
    }
    node.isEntry = node.kind === 'command' || node.kind === 'event';
    return node;
  }
  /** rows are all that can be searched for. */
  get rows() { return this.allRows ??= makeRows(this); }
  get modules() { return [...new Set(this.nodes.map(row => text(row[2])))].filter(m => m).sort(); }
}
const servers = new Map(data.servers.map(s => [s.key, new Server(s)]));

// --- Facts: the rules of qapi/facts/path.go ---

function intersect(a, b) {
  const s = {since: a.since, removed: a.removed};
  const c = b.since.n - a.since.n;
  if (c > 0 || c === 0 && (!b.since.after || a.since.after)) s.since = b.since;
  if (b.removed && (!a.removed || b.removed.n < a.removed.n)) s.removed = b.removed;
  return !s.removed || s.since.n < s.removed.n ? s : null;
}
function intersections(a, b) {
  const spans = [];
  for (const x of a) for (const y of b) {
    const both = intersect(x, y);
    if (both) spans.push(both);
  }
  return spans;
}
function union(spans) {
  const out = [];
  for (const s of [...spans].sort((a, b) => a.since.n - b.since.n)) {
    const last = out[out.length - 1];
    if (!last || last.removed && s.since.n > last.removed.n) out.push({...s});
    else if (last.removed && (!s.removed || s.removed.n > last.removed.n)) last.removed = s.removed;
  }
  return out;
}
const spansOf = places => union(places.flatMap(p => p.spans));
const isLetter = c => /\p{L}/u.test(c);
const plain = c => isLetter(c[0]) || '+^$<|'.includes(c[0]) ? c : c.slice(1);

/** An Entry is a path: where it leads, in each form that it had, and since when. */
class Entry {
  /** entry returns the entry of a path, null if there is none. */
  static of(server, path) {
    const [first, ...rest] = path.split('/');
    let entry = Entry.root(server, first);
    for (const c of rest) entry = entry && entry.child(c);
    return entry;
  }
  static root(server, name) {
    const node = server.node(name);
    if (!node) return null;
    const part = {label: name, target: name, times: node.times, optional: [], cond: node.cond, go: node.go, use: node.use, deprecated: node.deprecated};
    return new Entry(server, null, name, [{target: name, spans: node.times, conds: node.cond ? [node.cond] : [], part}], []);
  }
  constructor(server, parent, component, places, from) {
    Object.assign(this, {server, parent, component, places, from});
    this.path = parent ? parent.path + '/' + component : component;
  }
  child(c) {
    if (!c) return null;
    let label = plain(c), from = this.places;
    const ofPart = c.startsWith('$$') || c[0] === '$' && this.component[0] === '^';
    if (ofPart) [label, from] = [plain(this.component) + '/' + c, this.from];
    let places = [];
    for (const p of from) this.follow(places, p, label, p.target, 0);
    if (ofPart) {
      const all = spansOf(this.places);
      places = places.map(p => ({...p, spans: intersections(p.spans, all)})).filter(p => p.spans.length);
    }
    return places.length ? new Entry(this.server, this, c, places, from) : null;
  }
  follow(places, from, label, owner, depth) {
    const node = this.server.node(from.target);
    if (!node || depth > 20) return;
    for (const part of node.parts.get(label) || []) {
      const to = along(from, part, owner);
      if (to) places.push(to);
    }
    for (const [through, parts] of node.parts) {
      if (through[0] !== '<' && through[0] !== '|') continue;
      for (const part of parts) {
        const to = along(from, part, owner);
        if (to) this.follow(places, to, label, through[0] === '<' ? owner : part.target, depth + 1);
      }
    }
  }
  /** components are those that lead on from here. */
  components() {
    const found = new Set(), features = new Set();
    const collect = (target, depth) => {
      const node = this.server.node(target);
      if (!node || depth > 20) return;
      for (const [label, parts] of node.parts) {
        if (label[0] === '<' || label[0] === '|') for (const p of parts) collect(p.target, depth + 1);
        else if (label[0] === '$') features.add(label);
        else if (!label.includes('/')) found.add(isLetter(label[0]) || '+^'.includes(label[0]) ? label : ' ' + label);
      }
    };
    for (const p of this.places) {
      collect(p.target, 0);
    }
    for (const p of this.from) {
      for (const label of this.labelsAt(p.target, 0)) {
        const [of, feature] = label.split('/');
        if (feature && of === plain(this.component)) features.add(feature);
      }
    }
    const signs = {'arg-type': 0, 'ret-type': 1};
    const rank = c => signs[c] ?? (c[0] === '+' ? 3 : 2);
    return [...[...found].sort((a, b) => rank(a) - rank(b)), ...features].filter(c => !/^\$+(deprecated|unstable)$/.test(c));
  }
  labelsAt(target, depth) {
    const node = this.server.node(target);
    if (!node || depth > 20) return [];
    return [...node.parts].flatMap(([label, parts]) => label[0] === '<' || label[0] === '|' ? parts.flatMap(p => this.labelsAt(p.target, depth + 1)) : [label]);
  }
  /** isLeaf reports whether nothing is below. */
  get isLeaf() { return !(this.all ? this.all.length : this.components().some(c => this.child(c))); }
  get children() { return this.all ??= this.components().map(c => this.child(c)).filter(e => e); }
  takes(sign) {
    const c = this.component;
    if (!this.parent || c[0] === '^') return sign === '/$';
    if ('+$!'.includes(c[0]) || !this.parent.parent && this.root.isEntry) return false;
    return sign === '/$$';
  }
  get root() { return this.parent ? this.parent.root : this.server.node(this.component); }
  get last() { return this.places[this.places.length - 1].part; }
  /** fact is what facts.Table.Fact returns. */
  get fact() { return this.known ??= this.conclude(); }
  conclude() {
    const spans = spansOf(this.places), last = this.last;
    const f = {spans, since: spans[0].since, removed: spans[spans.length - 1].removed, deprecated: null, unstable: null, use: last.use,
      conds: [...new Set(this.places.flatMap(p => p.conds))].sort().join(', ')};
    if (last.deprecated) f.deprecated = {release: last.deprecated, after: '', by: '', source: 'history', instead: '', n: number(last.deprecated)};
    for (const name of ['deprecated', 'unstable']) for (const sign of ['/$', '/$$']) {
      const flag = this.takes(sign) && this.child(sign.slice(1) + name);
      if (!flag) continue;
      const of = spansOf(flag.places);
      f[name] ??= of[0].since;
      f.use ||= flag.last.use;
    }
    if (f.deprecated && f.deprecated.n < f.since.n) f.deprecated = f.since;
    if (this.component[0] === '+') {
      const value = this.value();
      if (value) [f.deprecated, f.unstable, f.use] = [f.deprecated ?? value.deprecated, f.unstable ?? value.unstable, f.use || value.use];
    }
    const name = this.path.replace(/^x-/, '');
    if (!f.use && f.removed && name !== this.path && this.server.node(name)) f.use = name;
    return f;
  }
  /** value is the fact of the value that selects a branch. */
  value() {
    for (const tag of this.from.flatMap(p => this.tagsAt(p.target, 0))) {
      const member = this.parent.child(tag), value = member && member.child('^' + this.component.slice(1));
      if (value) return value.fact;
    }
    return null;
  }
  tagsAt(target, depth) {
    const node = this.server.node(target);
    if (!node || depth > 20) return [];
    const below = [...node.parts].flatMap(([label, parts]) => label[0] === '<' || label[0] === '|' ? parts.flatMap(p => this.tagsAt(p.target, depth + 1)) : []);
    return node.tag ? [node.tag, ...below] : below;
  }
  isIn(version) {
    const n = number(version);
    return this.fact.spans.some(s => s.since.n <= n && (!s.removed || n < s.removed.n));
  }
  /** kind is what a row is, for people. */
  get kind() {
    const c = this.component, node = this.parent ? null : this.root;
    if (node) return node.isEntry ? node.kind : 'type';
    return c[0] === '$' ? 'feature' : c[0] === '^' ? 'value' : c[0] === '+' ? 'branch' : 'member';
  }
  get go() {
    const feature = this.server.features[this.path], part = this.last;
    if (feature || !part.go) return feature || '';
    if (this.kind !== 'member') return part.go;
    const owner = this.server.node(this.places[this.places.length - 1].owner);
    return owner && owner.go ? owner.go + '.' + part.go : '';
  }
  get optional() { return this.kind === 'member' && this.places.some(p => p.part.optional.length > 0); }
  /** types are the names of what it leads to. */
  get types() { return this.parent ? [...new Set(this.places.map(p => p.target))].filter(t => t && t !== 'q_empty') : []; }
}
function along(from, part, owner) {
  const spans = intersections(from.spans, part.times);
  const conds = part.cond && !from.conds.includes(part.cond) ? [...from.conds, part.cond] : from.conds;
  return spans.length ? {target: part.target, spans, conds, part, owner} : null;
}

/**
 * stateIn says how a version is about a fact: there, deprecated, unstable, gone, unknown or absent. Of what is there
 * in the newest version whose schema is known, nothing is known for a newer one.
 */
function stateIn(f, n, newest) {
  let state = 'absent';
  for (const {since: s, removed: r} of f.spans) {
    if (s.after && n > number(s.after) && n < number(s.by)) return 'unknown';
    if (n < s.n) continue;
    if (!s.release && n < number(axis[0])) return 'unknown';
    if (r && r.after && n > number(r.after) && n < r.n) return 'unknown';
    state = r && n >= r.n ? 'gone' : 'there';
    if (state === 'there' && f.deprecated && n >= f.deprecated.n) state = 'deprecated';
    else if (state === 'there' && f.unstable && n >= f.unstable.n) state = 'unstable';
  }
  return n > newest && state !== 'gone' ? 'unknown' : state;
}
const stateWords = {there: 'there', deprecated: 'deprecated', unstable: 'there, unstable', gone: 'gone', unknown: 'not known', absent: 'not yet'};
/** runs are the states along the axis, of which the first place stands for all older versions. */
function runs(e) {
  const out = [], newest = number(e.server.versions[e.server.versions.length - 1]);
  ['', ...axis].forEach((version, i) => {
    const state = stateIn(e.fact, version ? number(version) : number(axis[0]) - 1, newest);
    const last = out[out.length - 1];
    if (last && last.state === state) { last.length++; last.to = version; } else out.push({state, length: 1, from: version, to: version});
  });
  return out;
}
const runWords = r => {
  const before = 'before ' + axis[0];
  const range = r.from === r.to ? r.from || before : !r.from ? 'up to ' + r.to : r.from + ' to ' + r.to;
  return stateWords[r.state] + (r.from && r.from !== r.to ? ' from ' : r.from ? ' in ' : ' ') + range;
};

/** short is a release without a third number that is 0. */
const when = (verb, d) => !d.release ? 'before all that is known' : d.after ? `${verb} between ${d.after} and ${d.by}` : `${verb} ${d.release}`;
function words(e) {
  const f = e.fact, out = [['', f.since.after ? when('came', f.since) : f.since.release ? 'since ' + f.since.release : 'since before ' + axis[0]]];
  if (f.since.after) out[0][0] = 'unknown';
  if (f.unstable) out.push(['unstable', 'unstable']);
  if (f.deprecated) out.push(['deprecated', f.deprecated.after ? when('deprecated', f.deprecated) : 'deprecated since ' + f.deprecated.release]);
  if (f.removed) out.push(['gone', f.removed.after ? when('removed', f.removed) : 'removed in ' + f.removed.release]);
  return out;
}

// --- Search and filters ---

const fold = s => s.toLowerCase().replaceAll('_', '-');
const order = ['command', 'event', 'type', 'member', 'branch', 'value', 'feature'];

function makeRows(server) {
  const entries = [], rows = [];
  const add = entry => rows.push({entry, name: fold(entry.component.replace(/^[+^$ ]+/, '')), go: '', path: fold(entry.path), depth: entry.path.split('/').length, kind: entry.kind});
  for (let i = 0; i < server.paths.length; i += 2) {
    const parent = entries[server.paths[i]], c = text(server.paths[i + 1]);
    const entry = parent ? parent.child(c) : Entry.root(server, c);
    entry.told = true;
    entries.push(entry);
    if (c !== 'arg-type' && c !== 'ret-type' || !parent) add(entry);
  }
  for (const row of server.nodes) {
    const name = text(row[1]);
    if (!['command', 'event'].includes(text(row[0])) && !name.startsWith('q_')) add(Entry.root(server, name));
  }
  for (const row of rows) row.go = row.entry.go.toLowerCase();
  rows.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.depth - b.depth || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return rows;
}
/** starts are the rows without a search: they come before all others are known. */
function starts(server) {
  return server.start ??= server.nodes.filter(row => ['command', 'event'].includes(text(row[0])))
    .map(row => Entry.root(server, text(row[1]))).sort((a, b) => a.path.toLowerCase() < b.path.toLowerCase() ? -1 : 1);
}

function score(row, token) {
  const goName = row.go.slice(row.go.lastIndexOf('.') + 1);
  if (row.name === token || goName === token || row.go === token || row.path === token) return 0;
  if (row.name.startsWith(token) || goName.startsWith(token)) return 2;
  if (row.name.includes('-' + token)) return 3;
  if (row.name.includes(token) || row.go.includes(token)) return 4;
  return row.path.includes(token) ? 7 : -1;
}

/** changes says what qapigen list would: new, gone, deprecated. */
function changes(entry, first, last) {
  const f = entry.fact, a = number(first), b = number(last), out = [];
  if (/(^|\/)\$+(deprecated|unstable)$/.test(entry.path)) return out;
  const within = d => d && d.release && d.n > a && d.n <= b;
  if (within(f.since) && !entry.isIn(first)) out.push('new');
  if (within(f.removed) && !entry.isIn(last)) out.push('gone');
  if (f.deprecated && f.deprecated.n <= b && entry.isIn(last)) out.push('deprecated');
  return out;
}
/** isListed reports whether a change is not told already by what holds the entry. */
function isListed(entry, show, first, last) {
  return changes(entry, first, last).some(kind => {
    if (!show.includes(kind)) return false;
    for (let e = entry.parent; e; e = e.parent) if (changes(e, first, last).includes(kind)) return false;
    return true;
  });
}

function results(s) {
  const server = servers.get(s.server), tokens = fold(s.q).split(/\s+/).filter(t => t);
  const first = s.from || axis[0], last = s.to || axis[axis.length - 1];
  const narrowed = s.from || s.to;
  const kinds = s.kind ? [s.kind] : tokens.length || s.show.length ? null : ['command', 'event'];
  const fits = e => (!s.module || e.root.module === s.module) &&
    (!s.show.length || isListed(e, s.show, first, last)) &&
    (!narrowed || s.show.length || axis.some(v => number(v) >= number(first) && number(v) <= number(last) && e.isIn(v)));
  if (!tokens.length && !s.show.length && !s.kind) return starts(server).filter(fits);
  let found = [];
  for (const row of server.rows) {
    if (kinds && !kinds.includes(row.kind) || !s.kind && s.show.length && row.kind === 'type') continue;
    let sum = 0;
    for (const t of tokens) {
      const n = score(row, t);
      if (n < 0) { sum = -1; break; }
      sum += n;
    }
    if (sum >= 0 && fits(row.entry)) found.push([sum, row]);
  }
  if (tokens.length) found.sort((a, b) => a[0] - b[0]);
  return found.map(([, row]) => row.entry);
}

// --- Drawing ---

const $ = id => document.getElementById(id);
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v); else if (v !== false && v != null) e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.filter(c => c !== null && c !== undefined && c !== ''));
  return e;
}

function bar(e) {
  const all = runs(e);
  const b = el('span', {class: 'bar', role: 'img', 'aria-label': all.map(runWords).join('; ')});
  for (const r of all) {
    const part = el('i', {class: r.state, title: runWords(r)});
    part.style.flexGrow = r.length;
    b.append(part);
  }
  return b;
}

const link = (server, path, label = path) => el('a', {href: address({...empty, server: server.key, path})}, label);
function typeLinks(e) {
  const list = e.places.some(p => p.part.list) ? 'list of ' : '';
  const out = [];
  for (const t of e.types) {
    if (out.length) out.push(' or ');
    out.push(e.server.node(t) && !t.startsWith('q_') ? link(e.server, t) : t.startsWith('q_') ? '' : t);
  }
  return out.some(x => x) ? [list, ...out] : [];
}

const kindLabel = e => e.kind === 'type' ? e.root.kind : e.kind;
/** title is the name of an entry: whole is its whole path. */
function title(e, whole) {
  const name = el('span', {class: 'name' + (e.fact.removed ? ' ended' : '')});
  const shown = c => c.replace(/^[ ^]/, '').replace(/^\$+/, '$');
  if (whole && e.parent) {
    const before = [];
    for (let p = e.parent; p; p = p.parent) if (p.component !== 'arg-type' && p.component !== 'ret-type' || !p.parent) before.unshift(shown(p.component));
    name.append(el('span', {class: 'before'}, before.join(' › ') + ' › '));
  }
  const c = e.component;
  if (c[0] === '+' && !whole) {
    const owner = e.server.node(e.places[e.places.length - 1].owner);
    name.append(el('span', {class: 'before'}, owner.tag + ' = '), el('b', {}, c.slice(1)));
  } else name.append(el('b', {}, shown(c)));
  return name;
}

const items = new WeakMap(); // elements to what they show
/** item draws an entry as a row that unfolds. */
function item(e, depth, whole) {
  const leaf = depth > 0 && e.isLeaf;
  const toggle = el('button', {class: 'toggle', 'aria-expanded': 'false'},
    el('span', {class: 'chevron', 'aria-hidden': 'true'}, leaf ? '·' : '▸'),
    whole || e.kind === 'feature' ? el('span', {class: 'kind ' + e.kind}, kindLabel(e)) : '',
    title(e, whole));
  const more = el('div', {class: 'more'});
  for (const [cls, w] of words(e)) more.append(el('span', {class: 'word ' + cls}, w));
  if (e.optional) more.append(el('span', {}, 'optional'));
  const types = typeLinks(e);
  if (types.length) more.append(el('span', {class: 'name'}, ...types));
  if (e.go) more.append(el('span', {class: 'go', title: 'the name in Go'}, e.go));
  if (e.fact.use) more.append(el('span', {}, 'use ', e.server.node(e.fact.use) ? link(e.server, e.fact.use) : el('code', {}, e.fact.use)));
  if (e.fact.conds && depth === 0) more.append(el('span', {class: 'cond'}, 'if ' + e.fact.conds));
  const head = el('div', {class: 'head'}, el('div', {class: 'what'}, toggle, more), bar(e));
  const li = el('li', {class: 'item' + (leaf ? ' leaf' : ''), 'data-path': e.path}, head);
  li.style.setProperty('--depth', depth);
  items.set(li, {e, depth, toggle, body: null});
  head.addEventListener('click', event => {
    if (event.target.closest('a') || getSelection().toString()) return;
    event.preventDefault();
    setOpen(li, toggle.getAttribute('aria-expanded') !== 'true');
    toggle.focus({preventScroll: true});
    follow(li);
  });
  return li;
}

/** setOpen unfolds or folds a row. What is in it is made when it is first unfolded. */
function setOpen(li, open) {
  const it = items.get(li);
  if (open && !it.body) {
    it.body = el('div', {class: 'body'}, facts(it.e, it.depth), ...tree(it.e, it.depth + 1));
    li.append(it.body);
  }
  if (it.body) it.body.hidden = !open;
  it.toggle.setAttribute('aria-expanded', open);
}

function tree(e, depth) {
  const groups = [], rest = [];
  const isEntry = !e.parent && e.root.isEntry;
  for (const child of e.children) {
    if (isEntry && (child.component === 'arg-type' || child.component === 'ret-type')) {
      if (!child.types.length) continue;
      const heading = child.component === 'ret-type' ? 'Returns' : e.root.kind === 'event' ? 'Data' : 'Arguments';
      const types = typeLinks(child);
      const group = el('div', {class: 'group', 'data-path': child.path},
        el('h3', {}, heading + ' ', el('span', {class: 'name'}, ...types)),
        el('ul', {class: 'items'}, ...child.children.map(c => item(c, depth, false))));
      group.style.setProperty('--depth', depth - 1);
      groups.push(group);
    } else rest.push(child);
  }
  if (rest.length) groups.push(el('ul', {class: 'items'}, ...rest.map(c => item(c, depth, false))));
  return groups;
}

function facts(e, depth) {
  const f = e.fact, dl = el('dl', {class: 'facts'});
  dl.style.setProperty('--depth', depth);
  const add = (name, ...value) => dl.append(el('dt', {}, name), el('dd', {}, ...value));
  const source = d => el('small', {}, ` (${d.source === 'history' ? "QEMU's history" : d.source}${d.instead ? '; ' + d.instead : ''})`);
  f.spans.forEach((s, i) => {
    add(i ? 'Came back' : 'Since', when(s.since.after ? 'came' : 'QEMU', s.since), source(s.since));
    if (s.removed) add('Removed', when(s.removed.after ? 'went' : 'in QEMU', s.removed), source(s.removed));
  });
  if (f.deprecated) add('Deprecated', when(f.deprecated.after ? 'became so' : 'since QEMU', f.deprecated), source(f.deprecated));
  if (f.unstable) add('Unstable', when(f.unstable.after ? 'became so' : 'since QEMU', f.unstable), source(f.unstable));
  if (f.use) add('Use instead', e.server.node(f.use) ? link(e.server, f.use) : el('code', {}, f.use));
  for (const name of e.parent ? e.types : [e.component]) {
    const node = e.server.node(name);
    if (!node || node.kind !== 'alternate') continue;
    const either = [...node.parts.keys()].filter(l => l[0] === '|').flatMap(l => node.parts.get(l).map(p => p.target));
    add('One of', ...either.flatMap((t, i) => [i ? ' or ' : '', e.server.node(t) ? link(e.server, t) : t]));
  }
  if (f.conds) add('Built with', el('code', {}, f.conds));
  if (e.go) add('Go', el('code', {}, (e.server.package ? e.server.package + '.' : '') + e.go));
  if (!e.parent && e.root.module) add('Module', el('a', {href: address({...empty, server: e.server.key, module: e.root.module})}, e.root.module));
  add('Path', link(e.server, e.path));
  const node = e.parent ? e.types.map(t => e.server.node(t)).find(n => n && n.ref) : e.root;
  if (node && node.ref) add('Reference', el('a', {href: e.server.manual + node.ref, rel: 'noreferrer'}, node.name + " in QEMU's reference ↗"));
  return dl;
}

// --- The address: what is shown ---

const empty = {server: '', path: '', q: '', kind: '', module: '', from: '', to: '', show: []};
let state = {...empty}, shown = [], drawn = 0;

function address(s) {
  const query = new URLSearchParams();
  for (const k of ['q', 'kind', 'module', 'from', 'to']) if (s[k]) query.set(k, s[k]);
  if (s.show.length) query.set('show', s.show.join(','));
  const q = query.toString();
  return '#' + s.server + (s.path ? '/' + encodeURI(s.path) : '') + (q ? '?' + q : '');
}
function parse(hash) {
  const [place, query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  let path = place;
  try { path = decodeURI(place); } catch { /* as it stands */ }
  const i = path.indexOf('/'), key = i < 0 ? path : path.slice(0, i), q = new URLSearchParams(query);
  const s = {...empty, server: servers.has(key) ? key : data.servers[0].key};
  if (servers.has(key)) s.path = i < 0 ? '' : path.slice(i + 1);
  for (const k of ['q', 'kind', 'module', 'from', 'to']) s[k] = q.get(k) || '';
  s.show = (q.get('show') || '').split(',').filter(k => ['new', 'gone', 'deprecated'].includes(k));
  for (const k of ['from', 'to']) if (!axis.includes(s[k])) s[k] = '';
  if (s.from && s.to && number(s.from) > number(s.to)) s.to = '';
  return s;
}
function go(s, push) {
  state = s;
  document.title = (s.path ? s.path + ' · ' : '') + 'Which QEMU has this?';
  try { history[push ? 'pushState' : 'replaceState'](null, '', address(s)); } catch { /* where there is no history */ }
}

/** follow puts a row that was unfolded into the address, or what holds one that was folded. */
function follow(li) {
  const open = items.get(li).toggle.getAttribute('aria-expanded') === 'true';
  const holder = li.parentElement.closest('.item');
  go({...state, path: open ? li.dataset.path : holder ? holder.dataset.path : ''}, open);
}

const step = 40;
/** drawList draws the first rows, or does so later if an entry is shown above them. */
function drawList(later) {
  const server = servers.get(state.server);
  shown = results(state);
  drawn = 0;
  $('list').replaceChildren();
  const all = !state.q && !state.show.length && !state.kind;
  $('count').textContent = shown.length === 0 ? 'Nothing is like this. Try fewer words, other filters or another server.' :
    `${shown.length} ${all ? 'commands and events' : shown.length === 1 ? 'entry' : 'entries'} of ${server.title}` + (state.module ? `, module ${state.module}` : '');
  if (!later) return drawMore();
  const of = shown;
  setTimeout(() => { if (of === shown && !drawn) drawMore(); });
}
function drawMore() {
  const next = shown.slice(drawn, drawn + step);
  $('list').append(...next.map(e => item(e, 0, true)));
  drawn += next.length;
  $('more').hidden = drawn >= shown.length;
}

/** drawOpened shows the entry of the address above the list, unfolded. */
function drawOpened() {
  const box = $('opened');
  box.hidden = !state.path;
  box.replaceChildren();
  if (!state.path) return;
  box.append(el('div', {class: 'place'}, el('code', {}, state.path),
    el('button', {class: 'close', onclick: () => { go({...state, path: ''}, true); draw(); $('search').focus(); }}, 'Close ✕')));
  const server = servers.get(state.server), entry = Entry.of(server, state.path);
  const [first, ...rest] = state.path.split('/');
  const root = Entry.root(server, first);
  if (!root) {
    box.append(el('p', {class: 'none'}, `No ${server.title} that is known has `, el('code', {}, state.path)));
    return;
  }
  let li = item(root, 0, true), target = li;
  box.append(el('ul', {class: 'items'}, li));
  setOpen(li, true);
  let path = first;
  for (const c of rest) {
    path += '/' + c;
    const next = [...target.querySelectorAll('[data-path]')].find(x => x.dataset.path === path);
    if (!next) break;
    target = next;
    if (items.has(next)) setOpen(next, true);
  }
  if (!entry) box.append(el('p', {class: 'none'}, `No ${server.title} that is known has `, el('code', {}, state.path)));
  if (rest.length) {
    target.classList.add('target');
    (target.querySelector('.head') || target).scrollIntoView({block: 'center'});
    if (items.has(target)) items.get(target).toggle.focus({preventScroll: true});
  } else scrollTo(0, 0);
}

function options(select, values, value) {
  select.replaceChildren(...values.map(([v, label]) => el('option', {value: v, selected: v === value}, label)));
}
function drawFilters() {
  const s = state, server = servers.get(s.server);
  if (document.activeElement !== $('search') || $('search').value !== s.q) $('search').value = s.q;
  options($('server'), data.servers.map(x => [x.key, x.title]), s.server);
  options($('from'), axis.map((v, i) => [i ? v : '', v]), s.from);
  options($('to'), axis.map((v, i) => [i < axis.length - 1 ? v : '', v]), s.to);
  options($('module'), [['', 'all'], ...server.modules.map(m => [m, m])], s.module);
  options($('kind'), [['', 'all'], ...order.map(k => [k, k])], s.kind);
  const first = s.from || axis[0], last = s.to || axis[axis.length - 1];
  const labels = {new: 'new since ' + first, gone: 'gone by ' + last, deprecated: 'deprecated in ' + last};
  for (const chip of document.querySelectorAll('.chip')) {
    chip.textContent = labels[chip.dataset.show];
    chip.setAttribute('aria-pressed', s.show.includes(chip.dataset.show));
  }
  $('reset').hidden = !(s.q || s.kind || s.module || s.from || s.to || s.show.length);
  const width = 1 / (axis.length + 1), root = document.documentElement.style;
  root.setProperty('--cell', width);
  root.setProperty('--from', s.from ? (axis.indexOf(first) + 1) * width : 0);
  root.setProperty('--to', s.to ? (axis.indexOf(last) + 2) * width : 1);
  $('axis').querySelector('.releases').replaceChildren(...['', ...axis].map((v, i) => {
    const out = v ? number(v) < number(first) || number(v) > number(last) : !!s.from;
    return el('span', {class: (i === 1 || i === axis.length ? 'end ' : i === 2 || i === axis.length - 1 ? 'near ' : '') + (v.endsWith('.0') || i === 1 ? 'major ' : '') + (out ? 'out' : '')}, v || '‹');
  }));
}
function draw() {
  drawFilters();
  drawOpened();
  drawList(state.path !== '');
}

// --- Input ---

function change(part, push = true) {
  go({...state, ...part}, push);
  drawFilters();
  drawList();
}
$('search').addEventListener('input', () => change({q: $('search').value, path: ''}, false) || drawOpened());
$('server').addEventListener('change', e => { go({...state, server: e.target.value, module: '', path: ''}, true); draw(); });
for (const id of ['from', 'to', 'module', 'kind']) $(id).addEventListener('change', e => {
  const s = {[id]: e.target.value};
  if (id === 'from' && state.to && number(s.from || axis[0]) > number(state.to)) s.to = '';
  if (id === 'to' && state.from && s.to && number(s.to) < number(state.from)) s.from = '';
  change(s);
});
for (const chip of document.querySelectorAll('.chip')) chip.addEventListener('click', () => {
  const kind = chip.dataset.show;
  change({show: state.show.includes(kind) ? state.show.filter(k => k !== kind) : [...state.show, kind]});
});
$('reset').addEventListener('click', () => { go({...empty, server: state.server, path: state.path}, true); draw(); });
$('home').addEventListener('click', e => { e.preventDefault(); go({...empty, server: state.server}, true); draw(); });
$('more').addEventListener('click', drawMore);
$('filters').addEventListener('click', () => {
  $('filters').setAttribute('aria-expanded', $('choices').classList.toggle('shown'));
});
$('keys').addEventListener('click', () => $('help').showModal());
if (window.IntersectionObserver) new IntersectionObserver(all => { if (all.some(x => x.isIntersecting)) drawMore(); }, {rootMargin: '600px'}).observe($('more'));

const toggles = () => [...document.querySelectorAll('.toggle')].filter(t => t.offsetParent);
function move(by) {
  const all = toggles(), i = all.indexOf(document.activeElement);
  const next = i < 0 ? (by > 0 ? all[0] : null) : all[i + by];
  if (next) next.focus(); else if (by < 0) $('search').focus();
}
document.addEventListener('keydown', e => {
  const here = document.activeElement, typing = here === $('search');
  if (e.ctrlKey || e.metaKey || e.altKey || $('help').open || here && here.tagName === 'SELECT') return;
  const li = here && here.classList.contains('toggle') ? here.closest('.item') : null;
  const isOpen = li && here.getAttribute('aria-expanded') === 'true';
  switch (e.key) {
  case '/': if (typing) return; $('search').focus(); $('search').select(); break;
  case '?': if (typing) return; $('help').showModal(); break;
  case 't': if (typing) return; nextTheme(); break;
  case 'ArrowDown': move(1); break;
  case 'ArrowUp': if (typing) return; move(-1); break;
  case 'Enter': {
    if (!typing) return;
    const first = $('list').querySelector('.toggle');
    if (first) { first.focus(); first.click(); }
    break;
  }
  case 'ArrowRight': if (!li || isOpen) return; here.click(); break;
  case 'ArrowLeft': {
    if (!li) return;
    const holder = li.parentElement.closest('.item');
    if (isOpen) here.click(); else if (holder) items.get(holder).toggle.focus();
    break;
  }
  case 'Escape':
    if (state.q) { $('search').value = ''; change({q: ''}, false); $('search').focus(); } else if (state.path) { go({...state, path: ''}, true); draw(); $('search').focus(); }
    break;
  default: return;
  }
  e.preventDefault();
});

const themes = ['auto', 'dark', 'light'], dark = matchMedia('(prefers-color-scheme: dark)');
let theme = 'auto';
try { theme = localStorage.getItem('qmp-theme') || theme; } catch { /* a browser that keeps nothing */ }
function applyTheme() {
  if (!themes.includes(theme)) theme = 'auto';
  document.documentElement.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  $('theme').textContent = {auto: '◐', dark: '☾', light: '☀'}[theme];
  $('theme').setAttribute('aria-label', `Colours: ${theme}`);
  $('theme').title = `Colours: ${theme}`;
}
function nextTheme() {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try { localStorage.setItem('qmp-theme', theme); } catch { /* as above */ }
  applyTheme();
}
$('theme').addEventListener('click', nextTheme);
dark.addEventListener('change', applyTheme);

function arrive() {
  state = parse(location.hash);
  draw();
}
addEventListener('popstate', arrive);
applyTheme();
arrive();
performance.mark('ready');
// What a search needs is made while nobody waits.
(window.requestIdleCallback || setTimeout)(() => servers.get(state.server).rows);

// For tests: the facts of all paths, as the page concludes them.
window.page = {
  facts: key => servers.get(key).rows.map(({entry: e}) => ({path: e.path, told: !!e.told, kind: e.kind, go: e.go, ...e.fact})),
  results: () => shown.map(e => e.path),
};
})();
