// Runs one client's commands in a page: `window.command(json)` is called by the test, `window.told(json)` calls it.
const tell = (event) => window.told(JSON.stringify(event));
const fault = (error) => tell({ event: 'fault', text: String((error && error.stack) || error) });
window.addEventListener('unhandledrejection', (event) => fault(event.reason));
window.addEventListener('error', (event) => { if (event.error) fault(event.error); });

const { default: make } = await import(`./${new URLSearchParams(location.search).get('client')}.mjs`);
const commands = make(tell);
window.command = (json) => { const command = JSON.parse(json); commands[command.do](command); };
tell({ event: 'ready' });
