var token = sessionStorage.getItem('token');
var owner = decodeURIComponent(location.hash.slice(1));
var items;

LiveCollection.connect('/faye', { token: function () { return token; } });
$.ajaxSetup({
  beforeSend: function (request) { if (token) request.setRequestHeader('Authorization', 'Bearer ' + token); }
});

var Items = LiveCollection.extend({
  url: function () { return '/api/lists/' + encodeURIComponent(owner) + '/items'; }
});

function start() {
  $('form').toggleClass('hidden');
  items = new Items();
  items.on('add', function (item) {
    $('ul').append(new Row({ model: item }).render().el);
  });
  items.on('live', function () {
    $('h1').text(items.live === 'refused' ? 'Not shared with you' : 'Groceries of ' + owner);
  });
}

function post(url, given) {
  return $.ajax(url, { method: 'POST', contentType: 'application/json', data: JSON.stringify(given) });
}

$('#login').on('submit', function (event) {
  event.preventDefault();
  var given = { name: this.elements.name.value, password: this.elements.password.value };
  var joined = event.originalEvent.submitter.name === 'join' ? post('/people', given) : $.when();
  joined.then(function () { return post('/login', given); }).then(
    function (answer) {
      token = answer.token;
      sessionStorage.setItem('token', token);
      owner = owner || given.name;
      location.hash = encodeURIComponent(owner);
      start();
    },
    function (refused) { alert(refused.responseJSON.detail); }
  );
});

$(document).on('ajaxError', function (event, request) {
  if (request.status !== 401 || !token) return;
  sessionStorage.removeItem('token');
  location.reload();
});

$('#add').on('submit', function (event) {
  event.preventDefault();
  items.create({ name: $('#add input').val() });
  this.reset();
});

$('#share').on('submit', function (event) {
  event.preventDefault();
  var method = event.originalEvent.submitter.name === 'stop' ? 'DELETE' : 'PUT';
  $.ajax('/guests/' + encodeURIComponent($('#share input').val()), { method: method });
  this.reset();
});

if (token && owner) start();
