// Shows a list as it changes: the first documents of ?path=, read by GET, then the stream of the same path from where
// that reading was. ?key= names the attributes of the key (may be repeated). Loads nothing from elsewhere.
(function () {
  'use strict';

  var MOST = 200;
  var query = new URLSearchParams(location.search);
  var path = query.get('path') || '';
  var key = query.getAll('key');
  var base = location.pathname.replace(/\/live\/try\/?$/, '');
  var names = [];
  var rows = new Map();
  var stream;

  function at(id) { return document.getElementById(id); }

  function identity(body) { return JSON.stringify(key.map(function (name) { return body[name]; })); }

  function cell(kind, text) {
    var made = document.createElement(kind);
    made.textContent = text;
    return made;
  }

  function header(body) {
    Object.keys(body).forEach(function (name) {
      if (names.indexOf(name) < 0) {
        names.push(name);
        at('names').append(cell('th', name));
      }
    });
  }

  function put(body, fresh) {
    header(body);
    var known = rows.get(identity(body));
    if (!known && rows.size >= MOST) { return; }
    var row = known || document.createElement('tr');
    row.replaceChildren.apply(row, names.map(function (name) {
      var value = body[name];
      var made = cell('td', value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value));
      made.className = value === null || value === undefined ? 'null' : '';
      made.title = made.textContent;
      return made;
    }));
    row.className = '';
    if (!known) {
      rows.set(identity(body), row);
      at('rows').append(row);
    }
    if (fresh) {
      void row.offsetWidth;  // begins the animation again
      row.className = 'fresh';
    }
  }

  function remove(body) {
    var known = rows.get(identity(body));
    if (known) {
      known.remove();
      rows.delete(identity(body));
    }
  }

  function count() {
    at('count').textContent = rows.size + (rows.size < MOST ? '' : ' shown, which is the most here');
  }

  function say(state) { at('state').textContent = state; }

  function apply(data) {
    if (data.method === 'DELETE') { remove(data.body); } else { put(data.body, true); }
    count();
  }

  function listen(seq) {
    stream = new EventSource(base + path + '?since=' + encodeURIComponent(seq));
    stream.onopen = function () { say('live'); };
    stream.onerror = function () { say(stream.readyState === EventSource.CLOSED ? 'refused' : 'connecting'); };
    stream.onmessage = function (event) { apply(JSON.parse(event.data)); };
    stream.addEventListener('reset', function () {
      stream.close();
      read();
    });
  }

  function read() {
    say('connecting');
    fetch(base + path + '?limit=' + MOST, { headers: { Accept: 'application/json' } }).then(function (answer) {
      return answer.json().then(function (told) {
        if (!answer.ok) { throw new Error(told.detail || answer.status); }
        rows.clear();
        at('rows').replaceChildren();
        told.forEach(function (body) { put(body, false); });
        count();
        listen(answer.headers.get('Live-Seq'));
      });
    }).catch(function (error) {
      say(String(error.message || error));
      setTimeout(read, 2000);
    });
  }

  at('path').textContent = document.title = decodeURI(path);
  if (/^\/[^/]/.test(path)) { read(); } else { say('no list is named'); }
})();
