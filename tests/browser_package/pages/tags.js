// What a page with script tags does.
const Todos = LiveCollection.extend({ url: '/api/todos' });
LiveCollection.connect('/faye');
window.draw(new Todos(), Backbone);
