// Keeps today's list and its visits readable without a connection. What is tapped is kept and sent by visits.js.
const FILES = {{ files|safe }};
const SHELL = "visits-shell";
const PAGES = "visits-pages";
const OFFLINE = "/visits/offline/";
const PAGE = /^\/visits\/(?:offline\/|[A-Z]-[0-9-]+\/)?$/;
const PATIENCE = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const shell = await caches.open(SHELL);
    await Promise.allSettled(FILES.map((file) => shell.add(file)));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const shell = await caches.open(SHELL);
    for (const request of await shell.keys()) {
      if (!FILES.includes(new URL(request.url).pathname)) await shell.delete(request);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (FILES.includes(url.pathname)) event.respondWith(file(event.request));
  else if (PAGE.test(url.pathname)) event.respondWith(page(event.request));
});

async function file(request) {
  const shell = await caches.open(SHELL);
  try {
    const answer = await fetch(request);
    if (answer.ok) await shell.put(request.url, answer.clone());
    return answer;
  } catch (problem) {
    const kept = await shell.match(request.url, { ignoreVary: true });
    if (kept) return kept;
    throw problem;
  }
}

// The network first; what is kept where it does not answer, or not in time.
async function page(request) {
  const pages = await caches.open(PAGES);
  const kept = await pages.match(request.url, { ignoreVary: true });
  const network = fetch(request).then(async (answer) => {
    await keep(pages, request.url, answer.clone());
    return kept && answer.status >= 500 ? kept : answer;
  });
  if (!kept) return network.catch(async () => (await pages.match(OFFLINE, { ignoreVary: true })) || Response.error());
  return Promise.race([network.catch(() => kept), new Promise((done) => { setTimeout(done, PATIENCE, kept); })]);
}

async function keep(pages, url, answer) {
  if (answer.status === 403 || answer.status === 404) {
    await pages.delete(url, { ignoreVary: true });
    return;
  }
  if (answer.status !== 200 || answer.redirected || new URL(url).search) return;
  // A kept page does not know what time it is: its program goes on with the time it learned last.
  const text = (await answer.text()).replace(/(<meta name="server-now" content=")\d+/, "$1");
  const headers = new Headers(answer.headers);
  for (const name of ["Content-Encoding", "Content-Length", "Vary"]) headers.delete(name);
  await pages.put(url, new Response(text, { status: 200, headers }));
}
