// Backbone.ajax over fetch, for Node: of requests to `base`, each given up after `timeout` milliseconds, if that is given.
'use strict';

module.exports = (base, timeout) => (params) => {
  const headers = { ...params.headers };
  const xhr = {
    status: 0, setRequestHeader: (name, value) => { headers[name] = value; },
    getResponseHeader: (name) => (xhr.answer ? xhr.answer.headers.get(name) : null), abort() {}
  };
  if (params.beforeSend) params.beforeSend(xhr, params);
  if (params.contentType && params.data !== undefined) headers['Content-Type'] = params.contentType;
  const body = params.type === 'GET' ? undefined : params.data;
  const signal = timeout ? AbortSignal.timeout(timeout) : undefined;
  fetch(base + params.url, { method: params.type, headers, body, signal }).then(async (answer) => {
    const text = await answer.text();
    xhr.answer = answer;
    xhr.status = answer.status;
    return text ? JSON.parse(text) : undefined;
  }).then((parsed) => {
    if (xhr.answer.ok) params.success(parsed, 'success', xhr);
    else params.error(xhr, 'error', xhr.answer.statusText);
  }, () => params.error(xhr, 'error', 'no answer'));
  return xhr;
};
