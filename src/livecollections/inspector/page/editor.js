// Editors: an input for a field by its kind, what it holds, and where a server's problem belongs.
import { element, shown } from './element.js';

const NULL = '\u0000null';
const LONG = 60;

// An input for a value of a field. `read()` gives what it holds, undefined for nothing, or throws what is wrong with it.
export function input(field, value, attributes = {}) {
  const { kind, nullable } = field;
  if (kind === 'boolean' || kind === 'choice') return select(field, value, attributes);
  const text = value === undefined || value === null ? '' : shown(value);
  const isLong = kind === 'json' || text.length > LONG || /\n/.test(text);
  const numeric = { integer: 'numeric', number: 'decimal', decimal: 'decimal' }[kind];
  const node = element(isLong ? 'textarea' : 'input', {
    ...attributes, inputmode: numeric, autocomplete: 'off', spellcheck: 'false', rows: isLong && 4,
    type: isLong ? null : kind === 'date' ? 'date' : 'text', placeholder: value === null ? 'null' : null
  });
  node.value = kind === 'json' && value != null ? JSON.stringify(value, null, 2) : text;
  const read = () => {
    const told = node.value;
    if (told === '' && value === undefined) return undefined;
    // An empty text is a text; but what was null and was left empty stays null.
    if (told === '' && nullable && (kind !== 'text' || value === null)) return null;
    return parsed(kind, told);
  };
  return { node, read };
}

function select({ kind, nullable, choices, required }, value, attributes) {
  const given = kind === 'boolean' ? [true, false] : choices;
  const options = given.map((each, index) => element('option', { value: index, selected: each === value }, shown(each)));
  if (value === undefined && !required) options.unshift(element('option', { value: '', selected: true }, 'as by default'));
  if (nullable) options.push(element('option', { value: NULL, selected: value === null }, 'null'));
  const node = element('select', attributes, options);
  return { node, read: () => (node.value === '' ? undefined : node.value === NULL ? null : given[node.value]) };
}

function parsed(kind, text) {
  if (kind === 'integer' && /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  if (kind === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  if (kind !== 'json') return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
}

// A server's problem: what it says of fields, by their names, and what it says of none that is known.
export function problem(xhr, names) {
  const told = xhr.responseJSON || {}, fields = {}, rest = [];
  for (const { pointer, detail } of told.errors || []) {
    const name = pointer.split('/')[1];
    const plain = name === undefined ? '' : name.replace(/~1/g, '/').replace(/~0/g, '~');
    if (names.includes(plain)) fields[plain] = fields[plain] ? `${fields[plain]}; ${detail}` : detail;
    else rest.push(detail);
  }
  if (!told.errors) rest.push(told.detail || (xhr.status ? `${xhr.status} ${xhr.statusText}` : 'The server does not answer.'));
  return { fields, rest: rest.join('; ') };
}

// Say at an input what is wrong with it; nothing takes it away.
export function fault(node, text) {
  const id = `${node.id}-fault`, known = document.getElementById(id);
  if (known) known.remove();
  node.toggleAttribute('aria-invalid', !!text);
  if (text) node.setAttribute('aria-invalid', 'true');
  if (!text) return node.removeAttribute('aria-describedby');
  node.setAttribute('aria-describedby', id);
  node.after(element('p', { class: 'fault', id, role: 'alert' }, text));
}
