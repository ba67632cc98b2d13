// The rules of the collection, each broken in one place. The number is the rule's in design section 6; the
// first mutant of each rule is tried by `make test`, all of them by `make test-all`.
//
// `find` names a place that must stand exactly once in the library: whoever rewrites it moves the mutant too.
'use strict';

const MUTANTS = [
  {
    rule: 1, name: 'an older state is applied like a newer one',
    find: /newer = !older\(seq, version\) && \([^;]*\);/, replace: 'newer = true;'
  },
  {
    rule: 1, name: 'a removed document leaves no tombstone',
    find: /listener\.bury\(key, seq\);/, replace: ''
  },
  {
    rule: 1, name: 'a document that is known to have gone comes back with an old list',
    find: /!listener\.buried\(key, seq\) && !older\(seq, listed && listener\.floor\)/, replace: 'true'
  },
  {
    rule: 1, name: 'a whole list removes models that were never saved',
    find: /if \(model\.isNew\(\) \|\| /, replace: 'if ('
  },
  {
    rule: 1, name: 'a whole list removes what is newer than it',
    find: / && !older\(label, versionOf\(model\)\);\n/, replace: ';\n'
  },
  {
    rule: 1, name: 'what has vanished from the document stays',
    find: /if \(!_\.has\(attrs, name\)\) attrs\[name\] = void 0;/, replace: ';'
  },
  {
    rule: 1, name: 'a list does not wait for the stream to reach its Live-Until',
    find: /if \(this\.signal \|\| !older\(this\.position, until\)\) run\(\);/, replace: 'if (true) run();'
  },
  {
    rule: 1, name: 'the answer to an own save moves the position',
    find: /const news = !fate && this\.counts\(request, label\)/,
    replace: 'if (older(this.position, seq)) this.position = seq;\n        $&'
  },
  {
    rule: 2, name: 'the origin of a push says nothing',
    find: /create = data\.origin && [^;]*;/, replace: 'create = null;'
  },
  {
    rule: 2, name: 'rows of a list do not wait for unanswered creates',
    find: /some\(\(create\) => create\.pending\)/, replace: 'some(() => false)'
  },
  {
    rule: 2, name: 'a lost answer forgets the origin',
    find: /if \(create && !create\.lost\) this\.creates\.delete/, replace: 'if (create) this.creates.delete'
  },
  {
    rule: 2, name: 'a create that is tried again bears another origin',
    find: /const lost = \[\.\.\.this\.creates\.values\(\)\]\.find\([^;]*;/, replace: 'const lost = null;'
  },
  {
    rule: 3, name: 'what is being saved is shown as the server has it',
    find: /const mine = [^;]*;/, replace: 'const mine = (model) => Object.assign({}, stateOf(model).kept);'
  },
  {
    rule: 3, name: 'after a failure the server’s values are shown',
    find: /keep\(model, _\.extend\(kept, [^;]*;/, replace: 'keep(model, {}, create && model.id == null);'
  },
  {
    rule: 3, name: 'an old answer is shown as it came',
    find: /_\.extend\(_\.pick\(attrs, model\.idAttribute\), view\(model\)\)/, replace: 'attrs'
  },
  {
    rule: 3, name: 'a destroyed document is not hidden while it is unanswered',
    find: /request\.homes\.forEach\(hide\)/, replace: '_.noop(hide)'
  },
  {
    rule: 3, name: 'a refused destroy is not put back',
    find: /if \(hidden && again && !stateOf\(model\)\.gone\) home\.putBack\(hidden\);/, replace: ';'
  },
  {
    rule: 4, name: 'a gap is not seen',
    find: /gap = [^;]*;/, replace: 'gap = false;'
  },
  {
    rule: 4, name: 'a list older than the beginning of the stream is joined as it is',
    find: /const early = older\(label, this\.from\)/, replace: 'const early = false'
  },
  {
    rule: 4, name: 'a reset reads nothing again',
    find: /return this\.reset\(start\);/, replace: ';'
  },
  {
    rule: 4, name: 'RESET is no reset',
    find: /this\.reset\(seq, true\);/, replace: ';'
  },
  {
    // A history seldom ends before later writes have hidden this.
    rule: 4, name: 'a reset forgets nothing', by: 'findings.test.js',
    find: /const forgets = [^;]*;/, replace: 'const forgets = _.constant(false);'
  },
  {
    rule: 6, name: 'subscriptions do not say since when',
    find: /say\(since \? [^;]*;/, replace: 'say({});'
  },
  {
    rule: 6, name: 'connects do not say the positions',
    find: /if \(!_\.isEmpty\(positions\)\) say\([^;]*;/, replace: ''
  },
  {
    rule: 6, name: 'a stream begins at the latest position of its collections',
    find: /a == null \|\| older\(b, a\) \? b : a\), null/, replace: 'a == null || older(a, b) ? b : a), null'
  },
  {
    rule: 7, name: 'a push on a signal channel is applied as if it were of the list',
    find: /if \(this\.signal\) this\.unread\(true\);\n\s*else if/, replace: 'if'
  },
  {
    rule: 7, name: 'a push on a signal channel says nothing',
    find: /if \(this\.signal\) this\.unread\(true\);/, replace: 'if (this.signal) ;'
  },
  {
    rule: 7, name: 'a part that is read counts as the whole',
    find: /request\.whole = [^;]*;/, replace: 'request.whole = true;'
  }
];

// The library with one rule broken.
function mutate(source, { name, find, replace }) {
  const places = source.match(new RegExp(find.source, 'g')) || [];
  if (places.length !== 1) throw new Error(`the place of “${name}” stands ${places.length} times in the library`);
  return source.replace(find, replace);
}

module.exports = { MUTANTS, mutate };
