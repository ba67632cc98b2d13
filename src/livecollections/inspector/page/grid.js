// A grid of models: a row for each, a cell for each field. Arrow keys move among the cells, Enter edits one.
import { element, plural, shown } from './element.js';

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Grid {
  // fields: of the columns.  edit: called with a model, a field and its cell.  removal: how a model is removed, or null:
  // `seen` gives what is known of it when it is asked for, `remove` is called with that when it is meant.
  constructor(path, fields, heads, edit, removal) {
    Object.assign(this, { fields, edit, removal, rows: new Map(), isFirst: true });
    const head = element('tr', { role: 'row' }, heads, removal && element('th', { role: 'columnheader' }, element('span', { class: 'unseen' }, 'Delete')));
    this.body = element('tbody', { role: 'rowgroup', onkeydown: (event) => this.key(event), onclick: (event) => this.click(event) });
    this.node = element('table', { role: 'grid', 'aria-label': path, class: 'grid' }, element('thead', { role: 'rowgroup' }, head), this.body);
  }

  // Show models in their order; what is another than it was is marked for a moment.
  show(models) {
    const left = new Set(this.rows.keys());
    let place = this.body.firstChild;
    for (const model of models) {
      left.delete(model.cid);
      const row = this.rows.get(model.cid) || this.make(model);
      this.fill(model, row);
      if (row === place) place = place.nextSibling;
      else this.body.insertBefore(row, place);
    }
    for (const cid of left) this.drop(cid);
    this.isFirst = false;
    if (!this.body.querySelector('[tabindex="0"]') && this.body.firstChild) this.target(this.body.firstChild.firstChild).tabIndex = 0;
  }

  make(model) {
    const cells = this.fields.map((field) => {
      const cell = element('td', { role: 'gridcell', tabindex: -1, 'data-label': field.name, class: field.update ? 'settable' : '' });
      return Object.assign(cell, { model, field });
    });
    const erase = this.removal && element('td', { class: 'erase', role: 'gridcell' }, this.eraser(model));
    const row = element('tr', { role: 'row', class: this.isFirst ? '' : 'fresh' }, cells, erase);
    this.rows.set(model.cid, row);
    return row;
  }

  // A button that asks once more before it does something, and again when the row is not any more what it asked about.
  eraser(model) {
    let seen = null;
    const calm = () => {
      seen = null;
      button.disabled = false;
      button.textContent = 'Delete';
      button.classList.remove('sure');
    };
    const press = () => {
      if (seen) {
        button.disabled = true;
        return this.removal.remove(model, seen, calm);
      }
      seen = this.removal.seen(model);
      seen.catch(() => {});
      button.textContent = 'Delete it?';
      button.classList.add('sure');
    };
    model.on('change', () => button.disabled || calm());
    const button = element('button', { type: 'button', class: 'quiet', tabindex: -1, onclick: press, onblur: () => button.disabled || calm(),
      onkeydown: (event) => event.key === 'Escape' && calm() }, 'Delete');
    return button;
  }

  fill(model, row) {
    this.fields.forEach((field, index) => {
      const cell = row.children[index], value = model.get(field.name), told = JSON.stringify(value);
      if (cell.isEdited || cell.told === told) return;
      const isNews = cell.told !== undefined;
      cell.told = told;
      cell.className = [field.update && 'settable', `of-${typeof value}`, value == null && 'null', isNews && 'fresh'].filter(Boolean).join(' ');
      const text = value === null ? 'null' : shown(value);
      cell.replaceChildren(element('span', { title: text.length > 24 ? text : null }, text));
    });
  }

  drop(cid) {
    const row = this.rows.get(cid), next = row.nextSibling || row.previousSibling;
    const hadFocus = row.contains(document.activeElement);
    this.rows.delete(cid);
    row.remove();
    if (hadFocus && next) this.focus(next.lastChild);
  }

  // Put an editor into a cell; gives what takes it out again.
  open(cell, editor) {
    cell.isEdited = true;
    cell.classList.add('edited');
    cell.replaceChildren(editor);
    return (keepsFocus) => {
      Object.assign(cell, { isEdited: false, told: undefined });
      cell.classList.remove('edited');
      this.fill(cell.model, cell.parentNode);
      if (keepsFocus) this.focus(cell);
    };
  }

  target(cell) { return cell.querySelector('button') || cell; }

  focus(cell) {
    for (const each of this.body.querySelectorAll('[tabindex="0"]')) each.tabIndex = -1;
    const target = this.target(cell);
    target.tabIndex = 0;
    target.focus();
  }

  click(event) {
    const cell = event.target.closest('td');
    if (!cell || cell.isEdited || !cell.field || String(getSelection())) return;
    this.focus(cell);
    if (cell.field.update) this.edit(cell.model, cell.field, cell);
  }

  key(event) {
    const cell = event.target.closest('td');
    if (!cell || cell.isEdited || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = STEPS[event.key], row = cell.parentNode, column = [...row.children].indexOf(cell);
    let other = null;
    if (step) {
      const next = step[0] ? row[step[0] > 0 ? 'nextSibling' : 'previousSibling'] : row;
      other = next && next.children[column + step[1]];
    } else if (event.key === 'Home' || event.key === 'End') {
      other = row[event.key === 'Home' ? 'firstChild' : 'lastChild'];
    } else if ((event.key === 'Enter' || event.key === 'F2') && cell.field && cell.field.update) {
      event.preventDefault();
      return void this.edit(cell.model, cell.field, cell);
    }
    if (!step && !other) return;
    event.preventDefault();
    if (other) this.focus(other);
  }
}

export const count = (models, more, skip) => (skip || more
  ? `${skip + 1} to ${skip + models}${more ? ', and more' : ''}` : plural(models, 'document'));
