// What an observer of the page sees: every `li` of the list that comes or goes, and every text that a label or the
// counter takes on, in order; and every reset that a server tells, on whatever transport.
(function () {
  var names = new WeakMap(), count = 0;
  var seen = window.seen = { rows: [], texts: {}, most: 0, lights: [], resets: [] };

  function name(node) {
    if (!names.has(node)) names.set(node, 'row ' + ++count);
    return names.get(node);
  }

  function rowOf(node) {
    var element = node.nodeType === 1 ? node : node.parentElement;
    return element && element.closest('.todo-list > li');
  }

  function text(node, value) {
    var element = node.nodeType === 1 ? node : node.parentElement;
    var row = rowOf(node), key = null;
    if (row && element.matches('label')) key = name(row);
    if (element && element.closest('.status')) seen.lights.push(value);
    if (key) (seen.texts[key] = seen.texts[key] || []).push(value);
  }

  // Faye's client reads all that it is told so.
  var parse = JSON.parse;
  JSON.parse = function () {
    var read = parse.apply(this, arguments);
    [].concat(read).forEach(function (message) {
      var live = message && message.ext && message.ext.live, data = message && message.data;
      if (live && live.reset || data && data.method === 'RESET') seen.resets.push(message);
    });
    return read;
  };

  new MutationObserver(function (records) {
    records.forEach(function (record) {
      if (record.type === 'characterData') return text(record.target, record.target.data);
      if (record.target.matches && record.target.matches('.todo-list')) {
        record.addedNodes.forEach(function (li) { seen.rows.push([name(li), 'added']); });
        record.removedNodes.forEach(function (li) { seen.rows.push([name(li), 'removed']); });
      } else {
        record.addedNodes.forEach(function (node) { if (node.nodeType === 3) text(record.target, node.data); });
      }
    });
    seen.most = Math.max(seen.most, document.querySelectorAll('.todo-list > li').length);
  }).observe(document, { subtree: true, childList: true, characterData: true });
})();
