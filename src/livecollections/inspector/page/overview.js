// The overview: figures, resources, channels, sessions, and the last changes, as the stream tells them.
import { bytes, clock, element, keep, link, number, plural, rate, seq, span } from './element.js';

const POINTS = 60;
const MOST = 50;
const SVG = 'http://www.w3.org/2000/svg';

// A figure with its name, and a line that says more.
class Figure {
  constructor(name) {
    this.value = element('dd', { class: 'figure' }, '–');
    this.more = element('dd', { class: 'more' });
    this.node = element('div', {}, element('dt', {}, name), this.value, this.more);
  }
  set(value, ...more) {
    if (this.value.textContent !== value) this.value.textContent = value;
    if (this.more.textContent !== more.join('')) this.more.replaceChildren(...more);
  }
}

// A figure that is a rate, with its last minute as a line.
class Rate extends Figure {
  constructor(name) {
    super(name);
    this.points = [];
    this.line = document.createElementNS(SVG, 'polyline');
    const chart = document.createElementNS(SVG, 'svg');
    for (const [key, value] of Object.entries({ viewBox: `0 0 ${POINTS - 1} 20`, preserveAspectRatio: 'none', 'aria-hidden': true })) {
      chart.setAttribute(key, value);
    }
    chart.append(this.line);
    this.node.append(chart);
  }
  add(value) {
    this.points = [...this.points, value].slice(-POINTS);
    const top = Math.max(1, ...this.points), start = POINTS - this.points.length;
    this.line.setAttribute('points', this.points.map((each, index) => `${start + index},${(19 - 18 * each / top).toFixed(1)}`).join(' '));
    this.set(rate(value), 'per second');
  }
}

// A table with a heading, and what stands in its place while it has no rows.
function section(title, columns, empty, note) {
  const body = element('tbody');
  const scroll = element('div', { class: 'scroll' }, element('table', {},
    element('thead', {}, element('tr', {}, columns.map(([name, kind]) => element('th', { scope: 'col', class: kind }, name)))), body));
  const nothing = element('div', { class: 'empty' }, empty);
  const more = element('p', { class: 'note' }, note);
  const node = element('section', {}, element('h2', {}, title), scroll, nothing, more);
  const fill = (items, keyOf, make, told = note) => {
    scroll.hidden = !items.length;
    nothing.hidden = !!items.length;
    more.textContent = told || '';
    more.hidden = !told;
    keep(body, items, keyOf, make);
  };
  return { node, nothing, fill };
}

const row = (...cells) => element('tr', {}, cells.map(([content, kind]) => element('td', { class: kind }, content)));

export class Overview {
  constructor() {
    this.figures = {
      sessions: new Figure('Sessions'), subscriptions: new Figure('Subscriptions'), changes: new Rate('Changes'),
      deliveries: new Rate('Deliveries'), lag: new Figure('Log')
    };
    this.problems = element('ul', { class: 'problems', role: 'alert', hidden: true });
    this.list = element('ol', { class: 'changes' });
    this.noChange = element('div', { class: 'empty' });
    this.resources = section('Resources', [['Path'], ['You may', 'roomy'], ['Subscribers', 'figures'], ['Changes', 'figures']], '');
    this.channels = section('Channels', [['Channel or pattern'], ['Subscribers', 'figures']], 'Nobody has subscribed to anything.');
    this.sessions = section('Sessions', [['Session'], ['Transport'], ['Age', 'figures'], ['Channels', 'figures roomy'],
      ['Behind', 'figures'], ['Waiting', 'figures roomy']], '');
    this.node = element('div', { class: 'overview' }, element('h1', { class: 'unseen' }, 'Overview'), this.problems,
      element('dl', { class: 'board' }, Object.values(this.figures).map((each) => each.node)),
      element('section', { class: 'wide' }, element('h2', {}, 'Last changes'), this.list, this.noChange),
      this.resources.node, this.channels.node, this.sessions.node);
    this.resources.node.classList.add('wide');
    this.told = [];
    this.last = null;
  }

  close() {}

  begin(about) {
    Object.assign(this, { about, last: null, told: [] });
    const root = location.origin + about.root;
    const { resources, others, hasUsers } = about;
    const first = resources.find((one) => one.may.create && !one.values.length) || resources[0];
    const why = hasUsers ? 'None is yours to list. Sign in to your application in this browser, and reload.'
      : 'None is declared.';
    this.resources.nothing.replaceChildren(others ? why : 'None is declared. ', element('pre', {},
      '@live.resource("/api/todos")\nclass Todo(SQLModel, table=True): …'));
    this.sessions.nothing.replaceChildren('Nobody is connected. A page that is:', element('pre', {},
      `LiveCollection.connect('${root}${about.faye}');\nnew (LiveCollection.extend({ url: '${first ? about.root + first.url : '/api/todos'}' }))();`));
    this.noChange.replaceChildren('None since this server was started. Whatever writes to the database is seen here:',
      element('pre', {}, first && first.may.create
        ? `curl ${root}${first.url} --json '${JSON.stringify(sample(first))}'`
        : 'a script, another program, or SQL typed into a database shell'));
    this.changes([]);
  }

  moment(moment, own) {
    const { figures } = this, { transports, lag, log } = moment;
    const sessions = Object.values(transports).reduce((sum, each) => sum + each, 0);
    figures.sessions.set(number(sessions), Object.entries(transports).map(([name, count]) => `${number(count)} ${name}`).join(', '));
    figures.subscriptions.set(number(moment.subscriptions), plural(Object.keys(moment.channels).length + moment.others, 'channel'));
    if (this.last) {
      const seconds = Math.max(0.1, moment.at - this.last.at);
      figures.changes.add(Math.max(0, moment.changed - this.last.changed) / seconds);
      figures.deliveries.add(Math.max(0, moment.delivered - this.last.delivered) / seconds);
    }
    this.last = moment;
    figures.lag.set(lag.changes ? `${number(lag.changes)} behind` : 'up to date', [
      log && log.entries != null && plural(log.entries, 'entry', 'entries'), log && log.bytes != null && bytes(log.bytes),
      log && log.age != null && `back ${span(log.age)}`].filter(Boolean).join(', ') || `up for ${span(moment.uptime)}`);
    this.problems.hidden = !moment.problems.length;
    keep(this.problems, moment.problems, (each) => each, (each) => element('li', {}, each));
    this.showResources(moment);
    this.showChannels(moment);
    this.showSessions(moment, own);
  }

  showResources({ channels, changes }) {
    const items = this.about.resources.map((one) => ({
      path: one.path,
      url: one.url,
      may: Object.keys(one.may).join(', ') || 'read',
      subscribers: Object.entries(channels).reduce((sum, [name, count]) => sum + (covers(one, name) ? count : 0), 0),
      changes: changes[one.path]
    }));
    const { others } = this.about;
    this.resources.fill(items, (item) => item.path, (item) => row(
      [element('a', { class: 'path', href: link(item.url) }, item.path)], [item.may, 'soft roomy'],
      [number(item.subscribers), 'figures'],
      [item.changes == null ? element('span', { title: 'You see a part of it: those of a part are not counted.' }, '–') : number(item.changes), 'figures']
    ), items.length && others ? `${plural(others, 'other')} that you may not list.` : '');
  }

  showChannels({ channels, others }) {
    const items = Object.entries(channels).map(([name, count]) => ({ name, count }));
    this.channels.nothing.textContent = others ? `${plural(others, 'channel')} that you may not hear.` : 'Nobody has subscribed to anything.';
    this.channels.fill(items, (item) => item.name, (item) => row([element('code', {}, item.name)], [number(item.count), 'figures']),
      items.length && others ? `${plural(others, 'other')} that you may not hear.` : '');
  }

  showSessions({ sessions, transports }, own) {
    const all = Object.values(transports).reduce((sum, each) => sum + each, 0);
    const items = sessions.map((one) => ({ ...one, age: span(one.age), isOwn: one.name === own }));
    this.sessions.fill(items, (item) => item.name, (item) => row(
      [[element('code', {}, `…${item.name}`), item.isOwn && element('span', { class: 'tag' }, 'this page')]],
      [item.transport], [item.age, 'figures'], [number(item.subscriptions), 'figures roomy'],
      [item.behind ? `${item.is_more ? 'over ' : ''}${number(item.behind)}` : '0', item.behind ? 'figures late' : 'figures soft'],
      [item.queued_bytes ? bytes(item.queued_bytes) : '0', item.queued_bytes ? 'figures roomy' : 'figures soft roomy']
    ), items.length < all ? `${number(all)} in all; these are the youngest.` : '');
  }

  changes(fresh) {
    const isFirst = !this.told.length;
    this.told = [...fresh.reverse(), ...this.told].slice(0, MOST);
    this.noChange.hidden = !!this.told.length;
    keep(this.list, this.told, (one) => one.seq, (one) => change(one, !isFirst));
  }
}

const covers = (resource, name) => name === resource.channel
  || (name.startsWith(`${resource.channel}/~view/`) || resource.values.length > 0)
  && new RegExp(`^${resource.channel.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\}/g, '[^/]+')}(/~view/[0-9a-f]+)?$`).test(name);

// What a document of a resource could be made of.
function sample(resource) {
  const values = { boolean: false, integer: 1, number: 1.5, json: {}, date: '2026-01-31', datetime: '2026-01-31T12:00:00' };
  const needed = resource.fields.filter((field) => field.required);
  const chosen = needed.length ? needed : resource.fields.filter((field) => field.create).slice(0, 1);
  return Object.fromEntries(chosen.map((field) => [field.name, field.choices ? field.choices[0] : field.kind in values ? values[field.kind] : 'milk']));
}

function change(one, isFresh) {
  const document = one.key == null ? one.path : `${one.path}/${one.key}`;
  return element('li', { class: isFresh ? 'fresh' : '' },
    element('time', { datetime: new Date(one.at * 1000).toISOString() }, clock(one.at)),
    element('span', { class: `method ${one.method}` }, one.method),
    element('a', { class: 'path', href: link(one.url) }, document),
    element('span', { class: 'what' }, one.method === 'RESET' ? `read again: ${one.cause || 'asked for'}` : [
      Object.entries(one.fields).map(([name, values]) => element('span', { class: 'field' }, element('i', {}, name), ' ',
        values.length > 1 && [element('del', {}, values[0]), ' ', element('span', { class: 'unseen' }, 'is now '), element('ins', {}, values[1])],
        values.length === 1 && element('span', {}, values[0]))),
      one.more ? element('span', { class: 'soft' }, `and ${plural(one.more, 'other')}`) : null]),
    seq(one.seq));
}
