// Elements, and the texts in them: how the pages say numbers, spans of time, seqs and values.

// An element: attributes that begin with "on" are listeners, those that are false or null are left out.
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

// Have the children of a parent show items, each by its key: what has not changed is left alone, with its focus.
export function keep(parent, items, keyOf, make) {
  const known = parent.known || (parent.known = new Map());
  const left = new Map(known);
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item), told = JSON.stringify(item), old = known.get(key);
    left.delete(key);
    let child = old && old.child;
    if (!old || old.told !== told) {
      child = make(item, !old);
      if (old) {
        if (place === old.child) place = child;
        old.child.replaceWith(child);
      }
      known.set(key, { child, told });
    }
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  for (const [key, { child }] of left) {
    known.delete(key);
    child.remove();
  }
}

export const number = (value) => Number(value).toLocaleString('en');

export function rate(value) {
  return value >= 100 ? number(Math.round(value)) : value >= 10 ? value.toFixed(0) : value > 0 ? value.toFixed(1) : '0';
}

export function span(seconds) {
  if (seconds < 1) return 'now';
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  const power = Math.min(3, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** power).toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB'][power]}`;
}

export const plural = (count, one, several = `${one}s`) => `${number(count)} ${count === 1 ? one : several}`;

// A seq whole, as it stands in logs; what tells one from the next stands out.
export function seq(text) {
  const [, head, place, check] = /^(.{8}0*)(.*?)(.{4})$/.exec(text) || [null, '', text, ''];
  return element('code', { class: 'seq', title: text },
    element('span', {}, head), element('b', {}, place), element('span', {}, check));
}

// A value as JSON says it, but texts without quotes.
export function shown(value) {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString('en-GB');

// A path that may break after each of its parts.
export const path = (text) => text.split(/(?<=\/)/).flatMap((part, index) => (index ? [document.createElement('wbr'), part] : [part]));

// What stands in a URL, as people read it.
export function readable(text) {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}

// Where a page of this inspector is.
export const link = (path, query) => {
  const asked = String(new URLSearchParams(query || {}));
  return `#${path}${asked && `?${asked}`}`;
};
