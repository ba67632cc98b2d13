LiveCollection.connect('/faye');

var Items = LiveCollection.extend({ url: '/api/items' });
var items = new Items();

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

items.on('add', function (item) {
  $('ul').append(new Row({ model: item }).render().el);
});

$('#add').on('submit', function (event) {
  event.preventDefault();
  items.create({ name: $('#add input').val() });
  this.reset();
});
