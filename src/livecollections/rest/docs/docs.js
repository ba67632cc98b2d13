// Shows openapi.json, which stands beside this page, and lets one try each GET. Loads nothing from elsewhere.
(function () {
  'use strict';

  var VERBS = ['get', 'post', 'put', 'patch', 'delete'];
  var base = location.pathname.replace(/\/docs\/?$/, '');
  var api;

  function element(name, attributes, children) {
    var made = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    [].concat(children === undefined ? [] : children).forEach(function (child) { made.append(child); });
    return made;
  }

  // A schema without its references, so that it can be read at one place; what contains itself is only named.
  function resolved(schema, within) {
    if (Array.isArray(schema)) { return schema.map(function (each) { return resolved(each, within); }); }
    if (!schema || typeof schema !== 'object') { return schema; }
    if (schema.$ref) {
      var name = schema.$ref.split('/').pop();
      var named = api.components.schemas[name];
      return within.indexOf(name) < 0 && named ? resolved(named, within.concat(name)) : name;
    }
    var whole = {};
    Object.keys(schema).forEach(function (key) { whole[key] = resolved(schema[key], within); });
    return whole;
  }

  function schemaOf(content) {
    return Object.keys(content || {}).map(function (type) {
      var text = JSON.stringify(resolved(content[type].schema, []), null, 2);
      return element('details', {}, [element('summary', {}, type), element('div', {}, element('pre', {}, text))]);
    });
  }

  function parameters(given) {
    if (!given.length) { return []; }
    return [element('h3', {}, 'Parameters'), element('table', {}, given.map(function (each) {
      return element('tr', {}, [
        element('td', {}, each.name),
        element('td', {}, each.in),
        element('td', {}, each.description || '')
      ]);
    }))];
  }

  function responses(given) {
    return [element('h3', {}, 'Answers')].concat(Object.keys(given).map(function (status) {
      return element('div', {}, [element('code', {}, status), ' ' + given[status].description]
        .concat(schemaOf(given[status].content)));
    }));
  }

  // A form that sends one GET and shows what came.
  function trial(path, given) {
    var inputs = given.filter(function (each) { return each.in !== 'header'; }).map(function (each) {
      return { parameter: each, input: element('input', each.required ? { required: '' } : {}) };
    });
    var output = element('pre', { hidden: '' });
    var form = element('form', {}, inputs.map(function (each) {
      return element('label', {}, [element('span', {}, each.parameter.name), each.input]);
    }).concat([element('button', {}, 'GET'), output]));
    form.addEventListener('submit', function (event) {
      event.preventDefault();
      var url = path;
      var query = new URLSearchParams();
      inputs.forEach(function (each) {
        var value = each.input.value;
        if (each.parameter.in === 'path') {
          url = url.replace('{' + each.parameter.name + '}', encodeURIComponent(value));
        } else if (value !== '') {
          query.append(each.parameter.name, value);
        }
      });
      url = base + url + (query.size === 0 || String(query) === '' ? '' : '?' + query);
      output.hidden = false;
      output.textContent = 'GET ' + url + ' …';
      fetch(url, { headers: { Accept: 'application/json' } }).then(function (answer) {
        return answer.text().then(function (text) {
          try { text = JSON.stringify(JSON.parse(text), null, 2); } catch (error) { /* shown as it is */ }
          var headers = '';
          answer.headers.forEach(function (value, name) { headers += name + ': ' + value + '\n'; });
          output.textContent = 'GET ' + url + '\n' + answer.status + '\n' + headers + '\n' + text;
        });
      }, function (error) { output.textContent = 'GET ' + url + '\n' + error; });
    });
    return [element('h3', {}, 'Try it'), form];
  }

  function operation(path, verb, described, shared) {
    var given = shared.concat(described.parameters || []);
    var body = described.requestBody;
    var parts = [].concat(
      described.description ? element('p', {}, described.description) : [],
      parameters(given),
      body ? [element('h3', {}, 'Body')].concat(schemaOf(body.content)) : [],
      responses(described.responses || {}),
      verb === 'get' ? trial(path, given) : []
    );
    return element('details', {}, [
      element('summary', {}, [element('b', {}, verb.toUpperCase()), ' ' + (described.summary || '')]),
      element('div', {}, parts)
    ]);
  }

  function show() {
    document.title = api.info.title;
    var parts = [
      element('h1', {}, api.info.title + ' ' + api.info.version),
      element('p', {}, [api.info.description || '', ' ', element('a', { href: 'openapi.json' }, 'openapi.json')])
    ];
    Object.keys(api.paths).forEach(function (path) {
      parts.push(element('h2', {}, path));
      VERBS.forEach(function (verb) {
        var described = api.paths[path][verb];
        if (described) { parts.push(operation(path, verb, described, api.paths[path].parameters || [])); }
      });
    });
    document.getElementById('main').replaceChildren.apply(document.getElementById('main'), parts);
  }

  fetch('openapi.json').then(function (answer) { return answer.json(); }).then(function (described) {
    api = described;
    show();
  }).catch(function (error) {
    document.getElementById('main').replaceChildren('openapi.json could not be read: ' + error);
  });
})();
