// Halley, Gitter's fork of Faye's client, unmodified: in Node.
import Halley from 'halley';
import promised from './promised.mjs';

// It leaves a promise rejected for each socket that breaks.
export const isUsual = ({ name }) => name === 'TransportError';

export default (tell) => promised(tell, ({ url, transport }) => new Halley.Client(url, {
  retry: 200, timeout: 5000, maxNetworkDelay: 1000, disabled: transport === 'websocket' ? [] : ['websocket']
}), String);
