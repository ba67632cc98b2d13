// A small app for a bundler: its own copies of everything, and nothing global but what the test looks at.
import { LiveCollection } from 'livecollections';
import Backbone from 'backbone';

class Todos extends LiveCollection {
  get url() { return '/api/todos'; }
}

LiveCollection.connect('/faye');
window.draw(new Todos(), Backbone);
