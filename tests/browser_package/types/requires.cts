// What `require` gives: the class itself, with the names on it.

import Backbone = require('backbone');
import LiveCollection = require('livecollections');

class Notes extends LiveCollection<Backbone.Model<{ text: string }>> {
  url = '/api/notes';
}

const { VERSION, LiveCollection: Named } = LiveCollection;
const notes = new Notes([], { live: false });
const options: LiveCollection.Options = { fetch: false };
const client: LiveCollection.Client = LiveCollection.connect({ subscribe: () => undefined });

export = { version: VERSION.length, same: Named === LiveCollection, state: notes.live, options, client };
