// The inspector: hears what there is by an event stream, and shows an overview or one resource as a table. Where it
// stands is in the URL's fragment. Loads nothing from elsewhere.
import { element, keep, link, path as breakable, readable } from './element.js';
import { Overview } from './overview.js';
import { Table, Values, session } from './table.js';

const main = document.getElementById('main');
const base = location.pathname.replace(/\/live\/?$/, '');
const overview = new Overview();
let about = null;
let known = '';
let view = null;

const state = (word, text = word) => {
  const light = document.getElementById('state');
  if (light.dataset.state === word) return;
  light.dataset.state = word;
  light.textContent = text;
};

// The path and the query that the fragment names; both as they stand in URLs.
function place() {
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  return { path: path.startsWith('/') ? path : '', query: new URLSearchParams(query || '') };
}

// The resource that has a path; values may stand in that.
function resourceAt(path) {
  const shape = (one) => one.url.split(/\{[^}]+\}/).map((part) => part.replace(/[.*+?^$()|[\]\\]/g, '\\$&')).join('[^/{}]+');
  return about.resources.find((one) => one.url === path)
    || about.resources.find((one) => new RegExp(`^${shape(one)}$`).test(path));
}

function show(isMoved) {
  if (!about) return;
  const { path, query } = place();
  const focused = document.activeElement && document.activeElement.id;
  if (view) view.close();
  const resource = path && resourceAt(path);
  if (!path) view = overview;
  else if (!resource) view = new Missing(path);
  else if (resource.values.length && resource.url === path) view = new Values(resource);
  else view = new Table(about, resource, path, query);
  main.replaceChildren(view.node);
  document.title = `${readable(path) || 'Inspector'} · livecollections`;
  navigate(path, resource);
  if (!isMoved) return;
  const again = focused && document.getElementById(focused);
  if (again) again.focus();
  else main.focus({ preventScroll: true });
}

function navigate(path, resource) {
  const here = resource ? resource.url : path;
  const items = [{ url: '', name: 'Overview' }, ...about.resources.map((one) => ({ url: one.url, name: one.path }))]
    .map((item) => ({ ...item, isHere: item.url === here }));
  keep(document.getElementById('nav'), items, (item) => item.url, (item) => element('a', {
    href: link(item.url), class: item.url ? 'path' : '', 'aria-current': item.isHere && 'page'
  }, breakable(item.name)));
  const current = document.querySelector('nav [aria-current]');
  if (current) current.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

class Missing {
  constructor(path) {
    this.node = element('section', {}, element('h1', { class: 'path' }, readable(path)), element('p', { class: 'empty' },
      'There is no such resource, or you may not list it. ', element('a', { href: '#' }, 'Back to the overview')));
  }
  close() {}
}

function listen() {
  const stream = new EventSource(`${base}/live/inspector/events`);
  stream.addEventListener('begin', (event) => begin(event.data));
  stream.addEventListener('moment', (event) => {
    const moment = JSON.parse(event.data), isWell = !moment.problems.length;
    state(isWell ? 'live' : 'ailing', isWell ? 'live' : 'not well');
    overview.moment(moment, session());
  });
  stream.addEventListener('changes', (event) => overview.changes(JSON.parse(event.data)));
  stream.onerror = () => {
    state('connecting');
    if (stream.readyState === EventSource.CLOSED) refused();
  };
}

// A browser does not come back to what was refused: it may be for a moment, or for good.
async function refused() {
  const answer = await fetch(`${base}/live`, { method: 'HEAD' }).catch(() => null);
  if (answer && [401, 403, 404].includes(answer.status)) state('closed', 'closed: you may not look any more');
  else setTimeout(listen, 1000);
}

// What there is: told at first, and again by a server that came back, perhaps as another one.
function begin(text) {
  const told = JSON.parse(text), isNew = text !== known;
  known = text;
  about = { ...told, root: base.slice(0, base.length - told.prefix.length) };
  document.getElementById('version').textContent = about.version;
  overview.begin(about);
  if (isNew) show(false);
}

listen();
addEventListener('hashchange', () => {
  if (location.hash !== '#main') show(true);
});
