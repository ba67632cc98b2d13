LiveCollection.connect('/faye');

var Items = LiveCollection.extend({ url: '/api/items' });
var items = new Items();

items.on('add', function (item) {
  $('ul').append(new Row({ model: item }).render().el);
});

$('#add').on('submit', function (event) {
  event.preventDefault();
  items.create({ name: $('#add input').val() });
  this.reset();
});
