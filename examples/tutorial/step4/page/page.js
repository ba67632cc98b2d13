var token = sessionStorage.getItem('token');
var items;

LiveCollection.connect('/faye', { token: function () { return token; } });
$.ajaxSetup({
  beforeSend: function (request) { if (token) request.setRequestHeader('Authorization', 'Bearer ' + token); }
});

var Items = LiveCollection.extend({ url: '/api/items' });

function start() {
  $('form').toggleClass('hidden');
  items = new Items();
  items.on('add', function (item) {
    $('ul').append(new Row({ model: item }).render().el);
  });
}

$('#login').on('submit', function (event) {
  event.preventDefault();
  var given = { name: this.elements.name.value, password: this.elements.password.value };
  $.ajax('/login', { method: 'POST', contentType: 'application/json', data: JSON.stringify(given) }).then(
    function (answer) {
      token = answer.token;
      sessionStorage.setItem('token', token);
      start();
    },
    function () { alert('No such name with this password.'); }
  );
});

var Row = Backbone.View.extend({
  tagName: 'li',
  events: { click: 'toggle' },

  initialize: function () {
    this.listenTo(this.model, 'change', this.render);
    this.listenTo(this.model, 'remove', this.remove);
  },

  render: function () {
    this.$el.text(this.model.get('name')).toggleClass('bought', !!this.model.get('bought'));
    return this;
  },

  toggle: function () {
    this.model.save({ bought: !this.model.get('bought') }, { patch: true });
  }
});

$('#add').on('submit', function (event) {
  event.preventDefault();
  items.create({ name: $('#add input').val() });
  this.reset();
});

if (token) start();
