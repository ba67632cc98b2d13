// CometD's own client with its TimeSyncExtension and a clock that is wrong: what it believes of the server's.
// node cometd_clock.mjs URL TRANSPORT BEHIND: prints the offset, in milliseconds, after three connects.
const [url, transport, behind] = process.argv.slice(2);
(await import('cometd-nodejs-client')).adapt();
const { CometD, TimeSyncExtension } = await import('cometd');

const Right = Date;
globalThis.Date = class extends Right {
  constructor(...given) {
    if (given.length) super(...given);
    else super(Date.now());
  }

  static now() {
    return Right.now() - Number(behind);
  }
};

const clock = new TimeSyncExtension({ maxSamples: 1 });
const client = new CometD();
client.registerExtension('timesync', clock);
if (transport !== 'websocket') client.unregisterTransport('websocket');
client.configure({ url });
let connects = 0;
client.addListener('/meta/connect', () => {
  connects += 1;
  if (connects < 3) return;
  console.log(clock.getTimeOffset());
  process.exit();
});
client.handshake();
