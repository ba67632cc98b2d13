// Everything that the package's types promise, by `import`.

import Backbone from 'backbone';
import { LiveCollection, VERSION } from 'livecollections';

interface Row {
  id: number;
  title: string;
  completed: boolean;
}

class Todo extends Backbone.Model<Row> {
  toggle(): void {
    this.save({ completed: !this.get('completed') });
  }
}

class Todos extends LiveCollection<Todo> {
  model = Todo;
  url = '/api/todos';
  comparator = 'title';
  channel = '/api/todos';

  remaining(): Todo[] {
    return this.filter((todo) => !todo.get('completed'));
  }
}

const version: string = VERSION;
const same: typeof LiveCollection = LiveCollection.LiveCollection;

const faye: LiveCollection.FayeClient = LiveCollection.connect('/faye', { token: 'secret', withCredentials: true });
LiveCollection.connect('/faye', { token: () => null });
LiveCollection.connect('/faye', { token: async () => 'secret' });
LiveCollection.connect('/faye', { token: Promise.resolve(undefined) });
LiveCollection.connect('/faye', { timeout: 10 });
faye.bind('transport:down', () => undefined);
faye.unbind('transport:down');
faye.addExtension({ outgoing: () => undefined });
faye.removeExtension({});
faye.setHeader('Authorization', 'secret');
faye.publish('/demo/room', { text: 'hello' }).then(() => faye.disconnect());
faye.subscribe('/demo/room', (message) => message.text).cancel();

class Cometd {
  name = 'cometd';
  subscribe(channel: string, callback: (message: { data: unknown }) => void): { channel: string } {
    callback({ data: null });
    return { channel };
  }
}
const name: string = Todos.connect(new Cometd()).name;

const todos = new Todos(
  [{ id: 1, title: 'milk' }],
  { live: true, client: faye, channel: '/api/todos', seq: '0000000a00000001', fetch: false, ownOption: 7 },
);
new Todos();
new Todos([], { live: false, comparator: (todo: Todo) => todo.id });
new LiveCollection<Todo>([], { model: Todo, url: () => '/api/todos', comparator: false, seq: null });

const options: LiveCollection.ConnectOptions = { token: null satisfies LiveCollection.Token };
const made: LiveCollection.Options<Todo> = { url: '/api/todos', channel: '/api/todos', live: false };
const client: LiveCollection.Client | undefined = todos.client;
LiveCollection.connect(faye, options);
new Todos([], made);

const sorted: Todos = todos.listen().unlisten().sort();
const state: 'off' | 'connecting' | 'live' | 'stale' | 'refused' = todos.live;
const alias: LiveCollection.State = state;
todos.whenLive().then((collection) => collection.remaining().length, (error: string) => error);

todos.on('live', (collection, now) => {
  const left: Todo[] = collection.remaining();
  if (now === 'refused') left.forEach((todo) => todo.toggle());
}, todos);
todos.once('live', (collection) => collection.remaining());
todos.on('change:title', (todo: Todo, title: string, options: LiveCollection.EventOptions) => {
  const seq: string | null | undefined = options.seq;
  return options.live === true && options.silent !== true && title + seq;
});
todos.on({ add: (todo: Todo) => todo.id, live: (collection: Todos) => collection.length });

const todo: Todo = todos.create({ title: 'milk' }, { wait: true });
const unsaved: boolean | undefined = todo.unsaved;
const first: string | undefined = todos.at(0).get('title');

const Older = LiveCollection.extend({ url: '/api/todos' });
new Older([], { live: false }).fetch();

export { client, version, same, name, sorted, alias, unsaved, first };
