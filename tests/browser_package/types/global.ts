// What a script tag leaves.

const Rows = LiveCollection.extend({ url: '/api/rows' });
const rows: LiveCollection = new Rows();
const state: LiveCollection.State = rows.live;
LiveCollection.connect('/faye');
