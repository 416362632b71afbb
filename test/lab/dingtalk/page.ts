import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { FastifyInstance } from 'fastify'
import type { State } from './state.ts'

/**
 * The page that shows the chats of the company as on a phone: `/`, its modules and its data under `/page/`. Everything
 * comes from this process; the content policy allows nothing else.
 */
export function addPage(
  app: FastifyInstance,
  state: State,
  now: () => number,
): Readonly<{ changed(): void; close(): void }> {
  const followers = new Set<ServerResponse>()
  const html = readText('./page/index.html')
  app.get('/', (_request, reply) => {
    reply.header('content-security-policy', policyFor(html)).header('x-content-type-options', 'nosniff')
    return reply.type('text/html; charset=utf-8').send(html)
  })
  for (const [path, { type, read }] of Object.entries(ASSETS)) {
    app.get(path, (_request, reply) =>
      reply.header('x-content-type-options', 'nosniff').type(`${type}; charset=utf-8`).send(read()),
    )
  }
  app.get('/page/state', () => ({
    now: now(),
    company: shown(state),
    messages: state.outbox.slice(-MESSAGES_MAX),
  }))
  app.get('/page/events', (request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    reply.raw.write('retry: 1000\n\ndata: open\n\n')
    followers.add(reply.raw)
    request.raw.once('close', () => followers.delete(reply.raw))
  })
  let known = 0
  return {
    changed() {
      if (state.next === known) return
      known = state.next
      for (const follower of followers) follower.write('data: changed\n\n')
    },
    close() {
      for (const follower of followers) follower.destroy()
    },
  }
}

/** The page shows the newest ones only. */
const MESSAGES_MAX = 1_000

const require = createRequire(import.meta.url)

function readText(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
}

const MODULE = 'text/javascript'

function vendor(module: string) {
  return { type: MODULE, read: () => readFileSync(require.resolve(module), 'utf8') }
}

const ASSETS: Readonly<Record<string, Readonly<{ type: string; read(): string }>>> = {
  '/page/app.mjs': { type: MODULE, read: () => readText('./page/app.mjs') },
  '/page/markdown.mjs': { type: MODULE, read: () => readText('./page/markdown.mjs') },
  '/page/style.css': { type: 'text/css', read: () => readText('./page/style.css') },
  '/page/vendor/preact.mjs': vendor('preact'),
  '/page/vendor/hooks.mjs': vendor('preact/hooks'),
  // `require` finds the CommonJS build; the browser takes the module beside it.
  '/page/vendor/htm.mjs': {
    type: MODULE,
    read: () => readFileSync(require.resolve('htm').replace(/\.js$/, '.mjs'), 'utf8'),
  },
}

/** The one inline script is the import map, allowed by its hash. */
function policyFor(html: string): string {
  const map = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? ''
  const hash = createHash('sha256').update(map).digest('base64')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** The company without its secrets. */
function shown(state: State): object {
  const { name, users, groups } = state.company
  return {
    name,
    users: users.map((user) => ({ chat: `user:${user.userId}`, name: user.name, title: user.title })),
    groups: groups.map(({ conversation, name, members }) => ({
      chat: `group:${conversation}`,
      name,
      title: members.length === 1 ? '1 member' : `${members.length} members`,
    })),
  }
}
