// A web site for the tests: pages that import the packages as they are (an import map, no bundler), a proxy to a server behind the
// site's own address, and a stream of server-sent events.
import { createReadStream, existsSync } from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
const NESTED = 'node_modules/@openfeature/ofrep-web-provider/node_modules/@openfeature/ofrep-core/index.esm.js';

const IMPORTS = {
  '@cohortd/client-core': '/packages/core/dist/index.js',
  '@cohortd/openfeature-web': '/packages/openfeature-web/dist/index.js',
  '@openfeature/web-sdk': '/node_modules/@openfeature/web-sdk/dist/esm/index.js',
  '@openfeature/core': '/node_modules/@openfeature/core/dist/esm/index.js',
  '@openfeature/ofrep-web-provider': '/node_modules/@openfeature/ofrep-web-provider/index.esm.js',
  '@openfeature/ofrep-core': existsSync(new URL(NESTED, ROOT)) ? `/${NESTED}` : '/node_modules/@openfeature/ofrep-core/index.esm.js',
};

const LIBRARY = `
  import * as ours from '@cohortd/openfeature-web';
  import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
  import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
  window.lib = { ...ours, OFREPWebProvider, OpenFeature, ProviderEvents };`;

/** A page with this in its body and this program. */
export const page = (program, body = '<body>') => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>${body}<script type="module">${program}</script>`;

/** Serves `pages` (path → text), `/` with all libraries in `window.lib`; what it does not know goes to `behind`, an address. */
export async function site({ behind, pages = {} } = {}) {
  const streams = new Set();
  const server = http.createServer((request, response) => {
    const path = request.url.split('?')[0];
    const html = { '/': page(LIBRARY), ...pages }[path];
    if (html !== undefined) return response.writeHead(200, { 'Content-Type': 'text/html' }).end(html);
    if (/^\/(packages|node_modules)\//.test(path)) return file(path, response);
    if (path === '/events') return stream(response, streams);
    return pass(request, response, behind);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** How many listen to `/events`. */
    listeners: () => streams.size,
    push: (data) => streams.forEach((s) => s.write(`event: message\ndata: ${JSON.stringify(data)}\n\n`)),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function file(path, response) {
  const name = fileURLToPath(new URL(`.${path}`, ROOT));
  if (!existsSync(name)) return response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': 'text/javascript' });
  return createReadStream(name).pipe(response);
}

function stream(response, streams) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write('retry: 1000\n\n');
  streams.add(response);
  response.on('close', () => streams.delete(response));
}

/** A server that is away or hangs up is one for the page, too. */
function pass(request, response, behind) {
  if (!behind) return response.writeHead(404).end();
  const onward = http.request(behind + request.url, { method: request.method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  return request.pipe(onward);
}
