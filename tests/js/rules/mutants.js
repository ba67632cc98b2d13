// The rules of the collection, each broken in one place. The number is the rule's in design section 6; the
// first mutant of each rule is tried by `make test`, all of them by `make test-all`.
'use strict';

const MUTANTS = [
  {
    rule: 1, name: 'an older state is applied like a newer one',
    find: 'var newer = !older(seq, version) && (listed || seq == null || seq !== version);',
    replace: 'var newer = true;'
  },
  {
    rule: 1, name: 'a removed document leaves no tombstone',
    find: 'return !!tomb && !older(tomb.seq, seq);',
    replace: 'return false;'
  },
  {
    rule: 1, name: 'a list below the floor counts',
    find: 'request.useless = request.era !== this.era || older(request.label, this.floor)',
    replace: 'request.useless = request.era !== this.era'
  },
  {
    rule: 1, name: 'a whole list removes models that were never saved',
    find: '_.has(listed, model.id) || model.isNew() ||',
    replace: '_.has(listed, model.id) ||'
  },
  {
    rule: 1, name: 'what has vanished from the document stays',
    find: 'if (!_.has(attrs, name)) attrs[name] = void 0;',
    replace: ''
  },
  {
    rule: 1, name: 'a list does not wait for the stream to reach its Live-Until',
    find: 'if (listener.signal || !older(listener.position, request.until)) return finish();',
    replace: 'return finish();'
  },
  {
    rule: 2, name: 'the origin of a push says nothing',
    find: 'create = data.origin && this.stream.create(data.origin);',
    replace: 'create = null;'
  },
  {
    rule: 2, name: 'rows of a list do not wait for unanswered creates',
    find: 'return this.waited.size > 0;',
    replace: 'return false;'
  },
  {
    rule: 2, name: 'a lost answer forgets the origin',
    find: 'if (create && definite) this.creates.delete(create.origin);',
    replace: 'if (create) this.creates.delete(create.origin);'
  },
  {
    rule: 3, name: 'what is being saved is shown as the server has it',
    find: 'return _.reduce(state.saves, function(names, save) { return _.extend(names, save.sent); }, _.clone(state.kept));',
    replace: 'return {};'
  },
  {
    rule: 3, name: 'a destroyed document is not hidden while it is unanswered',
    find: 'home.hidden.set(request.id,',
    replace: 'if (false) home.hidden.set(request.id,'
  },
  {
    rule: 3, name: 'a refused destroy is not put back',
    find: 'if (hidden && (!gone || again) && home.on) home.putBack(hidden);',
    replace: ''
  },
  {
    rule: 4, name: 'a gap is not seen',
    find: 'if (older(position, data.prev)) return this.resume();',
    replace: ''
  },
  {
    rule: 4, name: 'a list older than the beginning of the stream is joined as it is',
    find: 'if (other || older(label, this.from)) {',
    replace: 'if (other) {'
  },
  {
    rule: 4, name: 'answers to requests of before a reset count',
    find: 'return request.era === this.era && (',
    replace: 'return ('
  },
  {
    rule: 6, name: 'connects do not say the positions',
    find: 'if (!_.isEmpty(at)) say({at: at});',
    replace: ''
  },
  {
    rule: 6, name: 'subscriptions do not say since when',
    find: 'say(since ? {since: since} : {});',
    replace: 'say({});'
  },
  {
    rule: 6, name: 'a stream begins at the latest position of its collections',
    find: 'return first == null || older(position, first) ? position : first;',
    replace: 'return first == null || older(first, position) ? position : first;'
  },
  {
    rule: 7, name: 'a push on a signal channel is applied as if it were of the list',
    find: 'if (this.signal) {',
    replace: 'if (false) {'
  },
  {
    rule: 7, name: 'a part that is read counts as the whole',
    find: 'request.whole = !!options.reread || options.data == null && options.url == null;',
    replace: 'request.whole = true;'
  }
];

module.exports = { MUTANTS };
