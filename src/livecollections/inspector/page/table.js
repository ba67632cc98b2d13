// A resource as a table: a LiveCollection of one page of its list, as anybody's page has it, and edited through it.
import { element, link, readable } from './element.js';
import { fault, input, problem } from './editor.js';
import { Grid, count } from './grid.js';

const { Backbone, LiveCollection, _ } = window;
const PAGE = 50;
const ID = '~';
let client = null;

// The last characters of our own session's clientId, by which the server names it.
export function session() {
  const dispatcher = client && client._dispatcher;
  return dispatcher && dispatcher.clientId ? dispatcher.clientId.slice(-6) : null;
}

// The collection of a list. A key may have several parts; a URL may name documents by something else.
function collectionOf({ key, address }, list, query) {
  const identify = (body) => (key.length === 1 ? body[key[0]]
    : key.some((name) => body[name] == null) ? undefined : key.map((name) => encodeURIComponent(body[name])).join());
  const Row = Backbone.Model.extend({
    idAttribute: key.length === 1 ? key[0] : ID,
    parse: (body) => (body && key.length > 1 ? { ...body, [ID]: identify(body) } : body),
    toJSON() { return _.omit(this.attributes, key.length > 1 ? ID : []); },
    url() { return this.isNew() ? list : `${list}/${address.map((name) => encodeURIComponent(this.get(name))).join()}`; }
  });
  return new (LiveCollection.extend({ model: Row, url: list + query, modelId: identify }))();
}

export class Table {
  // path: of the list, as it stands in URLs.  query: what is shown of it: `sort`, `skip`, and `conditions` on one field.
  constructor(about, resource, path, query) {
    client = client || LiveCollection.connect(about.root + about.faye);
    Object.assign(this, { resource, path, query, list: about.root + path });
    this.fields = resource.fields.filter((field) => !field.hidden);
    this.skip = Number(query.get('skip')) || 0;
    this.page = Math.min(PAGE, resource.limit || PAGE);
    const sortable = new Set(this.fields.filter((field) => field.sort).map((field) => field.name));
    this.sort = query.get('sort') || resource.key.filter((name) => sortable.has(name)).map((name) => `-${name}`).join();
    this.collection = collectionOf(resource, this.list, this.asked());
    const { may } = resource;
    this.grid = new Grid(resource.path, this.fields, this.fields.map((field) => this.head(field)),
      (model, field, cell) => this.edit(model, field, cell), may.delete ? {
        seen: (model) => this.saving(model), remove: (model, precondition, again) => this.remove(model, precondition, again)
      } : null);
    this.build();
    this.collection.on('update reset sort change sync', _.debounce(() => this.show(), 0));
    this.collection.on('live', () => this.tell());
    this.collection.on('error', (model, response) => model === this.collection && this.fail(response));
    this.tell();
  }

  close() {
    this.isClosed = true;
    this.collection.off();
    this.collection.unlisten();
  }

  // What is asked of the list: one more than is shown tells whether there is another page.
  asked() {
    const limit = this.resource.limit ? Math.min(this.page + 1, this.resource.limit) : this.page + 1;
    const asked = new URLSearchParams({ limit });
    if (this.skip) asked.set('skip', this.skip);
    if (this.sort) asked.set('sort', this.sort);
    for (const [name, value] of this.query) if (name !== 'skip' && name !== 'sort') asked.set(name, value);
    return `?${asked}`;
  }

  linked(changes) {
    const asked = Object.fromEntries(this.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) delete asked[name];
      else asked[name] = value;
    }
    return link(this.path, asked);
  }

  build() {
    const { may, path } = this.resource;
    this.state = element('span', { class: 'state', role: 'status' });
    this.count = element('span', { class: 'soft' });
    this.message = element('p', { class: 'fault', role: 'alert', hidden: true });
    this.nothing = element('div', { class: 'empty', hidden: true });
    this.pager = element('p', { class: 'pager' });
    this.scroll = element('div', { class: 'scroll' }, this.grid.node);
    this.entry = element('div');
    this.button = may.create && element('button', { type: 'button', class: 'main', id: 'new', 'aria-expanded': 'false', onclick: () => this.create() }, 'New');
    const verbs = [may.create && 'create', may.update && 'edit', may.delete && 'delete'].filter(Boolean).join(', ');
    this.node = element('section', { class: 'table' },
      element('div', { class: 'title' }, element('h1', { class: 'path' }, readable(this.path)), this.button),
      element('p', { class: 'note' }, this.state, ' · ', this.count, ' · ', verbs ? `you may ${verbs}` : 'to be read',
        ' · ', element('a', { href: this.list }, 'JSON')),
      this.filter(), this.message, this.entry, this.nothing, this.scroll, this.pager,
      verbs && may.update && element('p', { class: 'note keys' }, 'Arrow keys move, Enter edits, Escape leaves it as it was.'));
    this.node.dataset.path = path;
  }

  // The column's name, which sorts by it.
  head(field) {
    const order = this.sort === field.name ? 'ascending' : this.sort === `-${field.name}` ? 'descending' : null;
    const name = [field.name, this.resource.key.includes(field.name) && element('span', { class: 'tag' }, 'key')];
    const next = order === 'ascending' ? `-${field.name}` : field.name;
    const kind = field.kind === 'integer' || field.kind === 'number' ? 'figures' : null;
    return element('th', { role: 'columnheader', scope: 'col', class: kind, 'aria-sort': order }, field.sort
      ? element('a', { href: this.linked({ sort: next, skip: null }), id: `sort-${field.name}` }, name) : name);
  }

  // A form that shows the rows with one value in one field.
  filter() {
    const fields = this.fields.filter((field) => field.sort && field.kind !== 'json');
    if (!fields.length) return null;
    const condition = (field) => `conditions[${field.name}]`;
    const { name } = fields.find((field) => this.query.has(condition(field))) || fields[0], value = this.query.get(condition({ name })) || '';
    const which = element('select', { id: 'filter-field', 'aria-label': 'Field' }, fields.map((field) => element('option', { selected: field.name === name }, field.name)));
    const what = element('input', { id: 'filter-value', 'aria-label': 'Value', value, autocomplete: 'off', placeholder: 'any value' });
    const submit = (event) => {
      event.preventDefault();
      const none = Object.fromEntries(fields.map((field) => [condition(field), null]));
      location.hash = this.linked({ ...none, skip: null, ...(what.value !== '' && { [condition({ name: which.value })]: what.value }) });
    };
    return element('form', { class: 'filter', onsubmit: submit, role: 'search' }, which, element('span', { 'aria-hidden': 'true' }, '='), what,
      element('button', {}, 'Show'), value !== '' && element('a', { href: this.linked({ [condition({ name })]: null, skip: null }) }, 'all'));
  }

  // What the collection holds, and how it stands with the server.

  show() {
    if (this.isClosed) return;
    const models = this.collection.filter((model) => !model.isNew()), shownOnes = models.slice(0, this.page);
    const more = models.length > this.page || (this.resource.limit === this.page && models.length === this.page);
    this.grid.show(shownOnes);
    this.count.textContent = count(shownOnes.length, more, this.skip);
    this.scroll.hidden = !shownOnes.length;
    this.nothing.hidden = !!shownOnes.length || this.collection.live !== 'live';
    const isPart = this.skip || [...this.query.keys()].some((name) => name.startsWith('conditions'));
    this.nothing.textContent = isPart ? 'Nothing here matches.' : this.resource.may.create
      ? 'There are no documents yet. The first one, whoever makes it, appears here.' : 'There are no documents yet. One that is written appears here.';
    const step = (skip, text, id) => element('a', { href: this.linked({ skip: skip || null }), id }, text);
    this.pager.replaceChildren(...[this.skip && step(Math.max(0, this.skip - this.page), '← Previous', 'previous'), more && step(this.skip + this.page, 'Next →', 'next')].filter(Boolean));
  }

  tell() {
    const { live } = this.collection;
    this.state.textContent = { off: 'connecting', refused: 'you may not hear this' }[live] || live;
    this.state.dataset.state = live;
    if (live === 'live') this.message.hidden = true;
    this.show();
  }

  fail(response) {
    this.message.hidden = false;
    this.message.textContent = problem(response || {}, []).rest;
  }

  // Writing

  // What a save or a removal of a model says besides, where the resource wants to know of which state it is: the tag of
  // the one that is shown now. That of any other would let pass what nobody has decided on.
  async saving(model) {
    if (!this.resource.requireIfMatch) return {};
    const seen = model.toJSON();
    const answer = await fetch(model.url(), { headers: { Accept: 'application/json' }, cache: 'no-store' });
    if (!answer.ok || !_.isEqual(await answer.json(), seen)) throw new Error('It was changed or deleted since you saw it: look again.');
    return { headers: { 'If-Match': answer.headers.get('ETag') } };
  }

  edit(model, field, cell) {
    const value = model.get(field.name), { locking, may } = this.resource;
    // What was changed since it was opened is not overwritten.
    const version = model.get(locking), precondition = this.saving(model);
    precondition.catch(() => {});
    const entered = input(field, value === undefined ? null : value, { id: 'edited', 'aria-label': field.name });
    const done = () => close(true);
    const cancel = element('button', { type: 'button', onclick: done }, 'Cancel');
    const save = async (event) => {
      event.preventDefault();
      fault(entered.node, '');
      let told;
      try { told = entered.read(); } catch (error) { return fault(entered.node, error.message); }
      if (_.isEqual(told, value)) return done();
      form.inert = true;
      const attributes = { [field.name]: told, ...(locking && { [locking]: version }) };
      const refused = (text) => {
        form.inert = false;
        fault(entered.node, text);
        entered.node.focus();
      };
      const failed = (one, xhr) => {
        const { fields, rest } = problem(xhr, [field.name]);
        refused(fields[field.name] || rest);
      };
      let condition;
      try { condition = await precondition; } catch (error) { return refused(error.message); }
      model.save(attributes, { patch: may.update === 'PATCH', wait: true, success: done, error: failed, ...condition });
    };
    const key = (event) => {
      if (event.key === 'Escape') done();
      else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      else return;
      event.preventDefault();
    };
    const form = element('form', { class: 'editor', onsubmit: save, onkeydown: key }, entered.node,
      element('div', { class: 'buttons' }, element('button', { class: 'main' }, 'Save'), cancel));
    const close = this.grid.open(cell, form);
    entered.node.focus();
    if (entered.node.select) entered.node.select();
  }

  // Delete what was seen when it was asked for. precondition: of then.  again: lets it be asked for anew.
  async remove(model, precondition, again) {
    const failed = (text) => {
      again();
      this.message.hidden = false;
      this.message.textContent = text;
    };
    let condition;
    try { condition = await precondition; } catch (error) { return failed(error.message); }
    model.destroy({ wait: true, error: (one, xhr) => failed(problem(xhr, []).rest), success: () => { this.message.hidden = true; }, ...condition });
  }

  create() {
    const close = () => {
      this.entry.replaceChildren();
      this.button.setAttribute('aria-expanded', 'false');
      this.button.focus();
    };
    if (this.entry.firstChild) return close();
    const fields = this.resource.fields.filter((field) => field.create);
    const inputs = fields.map((field) => ({ field, ...input(field, undefined, { id: `new-${field.name}` }) }));
    const whole = element('p', { class: 'fault', role: 'alert' });
    const add = (event) => {
      event.preventDefault();
      whole.textContent = '';
      const body = {};
      let isWhole = true;
      for (const { field, node, read } of inputs) {
        fault(node, '');
        try {
          const value = read();
          if (value !== undefined) body[field.name] = value;
        } catch (error) {
          fault(node, error.message);
          isWhole = false;
        }
      }
      if (!isWhole) return;
      form.inert = true;
      const failed = (model, xhr) => {
        form.inert = false;
        const { fields: told, rest } = problem(xhr, fields.map((field) => field.name));
        inputs.forEach(({ field, node }) => fault(node, told[field.name] || ''));
        whole.textContent = rest;
        const wrong = inputs.find(({ field }) => told[field.name]);
        if (wrong) wrong.node.focus();
      };
      this.collection.create(body, { wait: true, success: close, error: failed });
    };
    const form = element('form', { class: 'entry', onsubmit: add, novalidate: true, onkeydown: (event) => event.key === 'Escape' && close() },
      inputs.map(({ field, node }) => element('div', { class: 'input' }, element('label', { for: node.id }, field.name,
        element('span', { class: 'soft' }, ` ${field.kind}${field.required ? ', needed' : ''}`)), node)),
      whole, element('div', { class: 'buttons' }, element('button', { class: 'main' }, 'Create'), element('button', { type: 'button', onclick: close }, 'Cancel')));
    this.entry.replaceChildren(form);
    this.button.setAttribute('aria-expanded', 'true');
    if (inputs.length) inputs[0].node.focus();
  }
}

// Of a resource in whose path values stand: which.
export class Values {
  constructor({ path, url, values }) {
    const inputs = values.map((name) => element('input', { id: `value-${name}`, required: true, autocomplete: 'off' }));
    const open = (event) => {
      event.preventDefault();
      const given = Object.fromEntries(values.map((name, index) => [name, encodeURIComponent(inputs[index].value)]));
      location.hash = link(url.replace(/\{([^}]+)\}/g, (whole, name) => given[name]));
    };
    this.node = element('section', { class: 'table' }, element('div', { class: 'title' }, element('h1', { class: 'path' }, path)),
      element('p', { class: 'note' }, 'This is a list for each value. Which one?'),
      element('form', { class: 'entry', onsubmit: open }, values.map((name, index) => element('div', { class: 'input' },
        element('label', { for: `value-${name}` }, name), inputs[index])),
      element('div', { class: 'buttons' }, element('button', { class: 'main' }, 'Open'))));
  }
  close() {}
}
