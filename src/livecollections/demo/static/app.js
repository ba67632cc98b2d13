// TodoMVC over a LiveCollection.
//
// A click, a key or the address bar changes a model or asks the server to; the page changes only because a model said
// that it has changed. So a change made here, in another window or in the database takes one and the same way to the
// screen, and it touches no more of the page than what it is about.

(function ($, Backbone, Faye, LiveCollection) {
  'use strict';

  // Models
  // ------

  var Todo = Backbone.Model.extend({

    defaults: { title: '', completed: false, order: null },

    // Saves these attributes and no others, so that what someone else does to the rest stays.
    update: function (attributes) {
      this.whenCreated(function () { this.save(attributes, { patch: true }); });
    },

    discard: function () {
      this.whenCreated(function () { this.destroy(); });
    },

    // A todo whose POST has not been answered has no address yet: what is done to it meanwhile waits for one.
    whenCreated: function (then) {
      if (this.isNew()) this.once('change:' + this.idAttribute, then, this);
      else then.call(this);
    }

  });

  var Todos = LiveCollection.extend({

    model: Todo,

    url: '/api/todos',

    // By `order`, then by id; a todo that has none yet stands last.
    comparator: function (one, other) {
      return place(one.get('order')) - place(other.get('order')) || age(one.id, other.id);
    },

    completed: function () { return this.where({ completed: true }); },

    active: function () { return this.where({ completed: false }); },

    nextOrder: function () {
      return 1 + Math.max.apply(null, [0].concat(this.pluck('order')));
    }

  });

  function place(number) {
    return number === null || number === undefined ? Number.MAX_SAFE_INTEGER : Number(number);
  }

  // Ids are numbers, or texts that rise as numbers do: MongoDB's begin with the time.
  function age(id, other) {
    if (id === undefined || other === undefined) return (id === undefined) - (other === undefined);
    return id < other ? -1 : id > other ? 1 : 0;
  }

  // Which todos are shown: '', 'active' or 'completed'. The address bar sets it.
  var page = new Backbone.Model({ filter: '' });

  var Router = Backbone.Router.extend({

    routes: { '*filter': 'show' },

    show: function (path) {
      var filter = (path || '').replace(/^\//, '');
      page.set('filter', filter === 'active' || filter === 'completed' ? filter : '');
    }

  });

  // Views
  // -----

  // Writes to the page only what differs: what stays the same is not touched, and nobody watching sees it move.
  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function setClass(element, name, on) {
    if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
  }

  // One `li`. It lives as long as its todo is in the collection.
  var TodoView = Backbone.View.extend({

    events: {
      'change .toggle': 'toggle',
      'click .destroy': 'destroy',
      'dblclick label': 'edit',
      'keydown .edit': 'key',
      'blur .edit': 'save'
    },

    el: function () {
      return document.getElementById('todo').content.firstElementChild.cloneNode(true);
    },

    initialize: function () {
      this.checkbox = this.$('.toggle')[0];
      this.label = this.$('label')[0];
      this.input = this.$('.edit')[0];
      this.listenTo(this.model, 'change', this.render);
      this.listenTo(this.model, 'sync error', this.render);
      this.listenTo(page, 'change:filter', this.render);
      this.render();
    },

    render: function () {
      var completed = !!this.model.get('completed'), filter = page.get('filter');
      var shown = this.editing || !filter || completed === (filter === 'completed');
      setText(this.label, this.model.get('title'));
      setClass(this.el, 'completed', completed);
      setClass(this.el, 'unsaved', !!this.model.unsaved);
      setClass(this.el, 'editing', !!this.editing);
      setClass(this.el, 'hidden', !shown);
      if (this.checkbox.checked !== completed) this.checkbox.checked = completed;
      return this;
    },

    toggle: function () {
      this.model.update({ completed: this.checkbox.checked });
    },

    destroy: function () {
      this.model.discard();
    },

    edit: function () {
      this.editing = true;
      this.input.value = this.before = this.model.get('title');
      this.render();
      this.input.focus();
      this.input.setSelectionRange(this.input.value.length, this.input.value.length);
    },

    key: function (event) {
      if (event.originalEvent.isComposing) return;
      if (event.key === 'Enter') this.save();
      if (event.key === 'Escape') this.leave();
    },

    // A text that the user left as it was is not saved: it would undo what someone else wrote meanwhile.
    save: function () {
      if (!this.editing) return;
      var title = this.input.value.trim();
      if (!title) this.model.discard();
      else if (title !== this.before) this.model.update({ title: title });
      this.leave();
    },

    leave: function () {
      this.editing = false;
      this.render();
    }

  });

  var ListView = Backbone.View.extend({

    el: '.todoapp',

    events: {
      'keydown .new-todo': 'create',
      'change .toggle-all': 'toggleAll',
      'click .clear-completed': 'clearCompleted'
    },

    initialize: function () {
      this.views = {};
      this.list = this.$('.todo-list')[0];
      this.listenTo(this.collection, 'update sort reset', this.arrange);
      this.listenTo(this.collection, 'update reset change:completed', this.count);
      this.listenTo(this.collection, 'change:id', function () { this.collection.sort(); });
      this.listenTo(page, 'change:filter', this.select);
      this.count();
      this.select();
    },

    // Brings the rows in line with the collection, and moves none that stands right.
    arrange: function () {
      var kept = {}, next = null;
      this.collection.each(function (todo) {
        kept[todo.cid] = this.views[todo.cid] || new TodoView({ model: todo });
      }, this);
      Object.keys(this.views).forEach(function (cid) {
        if (!kept[cid]) this.views[cid].remove();
      }, this);
      this.views = kept;
      for (var i = this.collection.length - 1; i >= 0; i--) {
        var row = kept[this.collection.at(i).cid].el;
        if (!this.stands(row, next)) this.put(row, next);
        next = row;
      }
    },

    // Also where one row is between them: that one is out of place, and its turn comes.
    stands: function (row, next) {
      if (row.parentNode !== this.list) return false;
      if (row.nextSibling === next) return true;
      var between = next ? next.previousSibling : this.list.lastChild;
      return between !== null && between.previousSibling === row;
    },

    // `moveBefore` leaves the focus where it is, so that a row can be moved while it is being edited.
    put: function (row, next) {
      if (this.list.moveBefore && row.parentNode === this.list) this.list.moveBefore(row, next);
      else this.list.insertBefore(row, next);
    },

    count: function () {
      var active = this.collection.active().length, completed = this.collection.completed().length;
      var left = this.$('.todo-count')[0];
      if (!left.firstChild) left.append(document.createElement('strong'), '');
      setText(left.firstChild, String(active));
      if (left.lastChild.data !== countText(active)) left.lastChild.data = countText(active);
      setClass(this.$('.main')[0], 'hidden', !this.collection.length);
      setClass(this.$('.footer')[0], 'hidden', !this.collection.length);
      setClass(this.$('.clear-completed')[0], 'hidden', !completed);
      this.$('.toggle-all').prop('checked', !active && completed > 0);
    },

    select: function () {
      this.$('.filters a').each(function () {
        var selected = this.getAttribute('href') === '#/' + page.get('filter');
        setClass(this, 'selected', selected);
        if (selected) this.setAttribute('aria-current', 'page');
        else this.removeAttribute('aria-current');
      });
    },

    create: function (event) {
      if (event.key !== 'Enter' || event.originalEvent.isComposing) return;
      var title = event.target.value.trim();
      if (!title) return;
      this.collection.create({ title: title, order: this.collection.nextOrder() });
      event.target.value = '';
    },

    toggleAll: function (event) {
      var completed = event.target.checked;
      this.collection.where({ completed: !completed }).forEach(function (todo) { todo.update({ completed: completed }); });
    },

    clearCompleted: function () {
      this.collection.completed().forEach(function (todo) { todo.discard(); });
    }

  });

  function countText(active) {
    return active === 1 ? ' item left' : ' items left';
  }

  // The light in the corner: the collection's state, but `reconnecting` whenever the line is down.
  var StatusView = Backbone.View.extend({

    el: '.status',

    texts: { off: 'connecting', stale: 'reload this page', refused: 'not allowed' },

    initialize: function (options) {
      this.listenTo(this.collection, 'live', this.render);
      options.client.bind('transport:down', function () { this.down = true; this.render(); }, this);
      options.client.bind('transport:up', function () { this.down = false; this.render(); }, this);
      this.render();
    },

    render: function () {
      var state = this.collection.live;
      this.been = this.been || state === 'live';
      if (this.down || this.been && state === 'connecting') state = 'reconnecting';
      this.el.className = 'status ' + state;
      setText(this.el, this.texts[state] || state);
    }

  });

  // The application
  // ---------------

  // Faye waits 5 s before it tries again; half a second brings a window back soon after the server is.
  var client = new Faye.Client('/faye', { retry: 0.5 });
  LiveCollection.connect(client);

  var todos = new Todos();
  new ListView({ collection: todos });
  new StatusView({ collection: todos, client: client });
  new Router();
  Backbone.history.start();

  // What could not be saved while the line was down is saved now.
  todos.on('live', function (collection, state) {
    if (state !== 'live') return;
    collection.filter(function (todo) { return todo.unsaved; }).forEach(function (todo) { todo.save(); });
  });

})(window.jQuery, window.Backbone, window.Faye, window.LiveCollection);
