// Backbone.ajax over fetch, for Node: of requests to `base`, each given up after `timeout` milliseconds, if that is given.
'use strict';

module.exports = (base, timeout) => (params) => {
  const headers = { ...params.headers }, controller = new AbortController();
  const xhr = {
    status: 0, setRequestHeader: (name, value) => { headers[name] = value; },
    getResponseHeader: (name) => (xhr.answer ? xhr.answer.headers.get(name) : null), abort: () => controller.abort()
  };
  if (params.beforeSend) params.beforeSend(xhr, params);
  if (params.contentType && params.data !== undefined) headers['Content-Type'] = params.contentType;
  const isRead = params.type === 'GET', body = isRead ? undefined : params.data;
  const query = isRead && params.data ? (params.url.includes('?') ? '&' : '?') + new URLSearchParams(params.data) : '';
  const late = timeout ? setTimeout(() => controller.abort(), timeout) : undefined;
  fetch(base + params.url + query, { method: params.type, headers, body, signal: controller.signal }).then(async (answer) => {
    const text = await answer.text();
    xhr.answer = answer;
    xhr.status = answer.status;
    return text ? JSON.parse(text) : undefined;
  }).finally(() => clearTimeout(late)).then((parsed) => {
    if (xhr.answer.ok) params.success(parsed, 'success', xhr);
    else params.error(xhr, 'error', xhr.answer.statusText);
  }, () => params.error(xhr, 'error', 'no answer'));
  return xhr;
};
