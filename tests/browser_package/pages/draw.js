// Shows a collection: how it stands, and the titles in their order, marked where a push brought them.
window.draw = function(todos, Backbone) {
  const state = document.querySelector('#state'), list = document.querySelector('#titles');
  todos.on('live', (collection, now) => { state.textContent = now; });
  todos.on('add', (todo, collection, options) => {
    const item = document.createElement('li');
    item.textContent = todo.get('title') + (options.live ? ' (pushed)' : '');
    list.append(item);
  });
  document.querySelector('#create').addEventListener('click', () => {
    todos.create({ title: 'tea' }, { wait: true });
  });
  document.querySelector('#globals').textContent =
    ['Backbone', '_', 'LiveCollection'].filter((name) => name in window).join(' ');
  document.querySelector('#plain').textContent = String(todos instanceof Backbone.Collection);
};
