// Each line below a directive is a mistake that the types must catch.

import Backbone from 'backbone';
import { LiveCollection, VERSION } from 'livecollections';
// @ts-expect-error there is no default export
import Default from 'livecollections';
// @ts-expect-error there is no such name
import { Collection } from 'livecollections';

class Todos extends LiveCollection<Backbone.Model<{ title: string }>> {}

const todos = new Todos();

// @ts-expect-error the option is a boolean
new Todos([], { live: 'yes' });
// @ts-expect-error a seq is a string
new Todos([], { seq: 12 });
// @ts-expect-error the option is a boolean
new Todos([], { fetch: 'no' });
// @ts-expect-error a channel is a string
new Todos([], { channel: 5 });
// @ts-expect-error a client can subscribe
new Todos([], { client: { publish() {} } });
// @ts-expect-error neither a URL nor a client
LiveCollection.connect(8000);
// @ts-expect-error a URL or a client is needed
LiveCollection.connect();
// @ts-expect-error a token is a string
LiveCollection.connect('/faye', { token: 7 });
// @ts-expect-error no such option
LiveCollection.connect('/faye', { credentials: true });
// @ts-expect-error the state is not set from outside
todos.live = 'live';
// @ts-expect-error no such state
if (todos.live === 'online') todos.listen();
// @ts-expect-error the state is no string of any kind
todos.on('live', (collection, state) => { const wrong: 'live' = state; return wrong; });
// @ts-expect-error `listen` takes nothing
todos.listen(true);
// @ts-expect-error it is resolved with the collection
todos.whenLive().then((collection) => collection.remaining());
// @ts-expect-error the attribute has no such type
const title: number | undefined = todos.at(0).get('title');
// @ts-expect-error it says yes or no
todos.at(0).unsaved = 'yes';
// @ts-expect-error the version is a string
const version: number = VERSION;
// @ts-expect-error a collection of models
class Wrong extends LiveCollection<string> {}

export { Default, Collection, title, version, Wrong };
