import type { AddressInfo } from 'node:net'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { type Company, DEMO_COMPANY } from './company.ts'
import { addControl } from './control.ts'
import type { Fault } from './faults.ts'
import { addPage } from './page.ts'
import { exchange } from './service.ts'
import { type ChatMessage, createState, resetState, type State } from './state.ts'
import type { WireRequest } from './wire.ts'

export type DingTalkOptions = Readonly<{
  /** 0, the default, takes a free one. */
  port?: number
  company?: Company
  /** Epoch ms; the machine's clock by default. */
  clock?: () => number
  /** Whether `/__emu/*` answers. Off unless asked for: it can make the service lie. */
  control?: boolean
}>

/** A DingTalk that runs: both of its hosts on one loopback port, and a page that shows its chats. */
export type DingTalk = Readonly<{
  /** `http://127.0.0.1:<port>`, for `dingtalk.api` and `dingtalk.oapi`. */
  origin: string
  state: State
  /** Messages in the order of their arrival. */
  outbox(): readonly ChatMessage[]
  fault(fault: Partial<Fault> & Pick<Fault, 'path' | 'kind'>): void
  /** Moves the emulator's clock. */
  advance(ms: number): void
  reset(): void
  close(): Promise<void>
}>

export async function startDingTalk(options: DingTalkOptions = {}): Promise<DingTalk> {
  const state = createState(options.company ?? DEMO_COMPANY)
  const clock = options.clock ?? Date.now
  let aheadMs = 0
  const now = () => clock() + aheadMs
  const app = fastify({ bodyLimit: 1_048_576, forceCloseConnections: true })
  const over = new AbortController()
  // DingTalk judges content types itself, so every body comes in as text.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  const advance = (ms: number) => {
    aheadMs += ms
  }
  const page = addPage(app, state, now)
  if (options.control === true) addControl(app, state, { now, advance })
  app.all('/*', async (request, reply) => {
    await answer(state, request, reply, now(), over.signal)
    page.changed()
  })
  await app.listen({ host: '127.0.0.1', port: options.port ?? 0 })
  const { port } = app.server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    state,
    outbox: () => state.outbox,
    fault: (fault) => void state.faults.push({ times: 1, after: 0, delayMs: 0, ...fault }),
    advance,
    reset: () => resetState(state),
    async close() {
      over.abort()
      page.close()
      await app.close()
    },
  }
}

async function answer(
  state: State,
  request: FastifyRequest,
  reply: FastifyReply,
  now: number,
  over: AbortSignal,
): Promise<void> {
  const outcome = exchange(state, wireOf(request), now)
  if (outcome.kind === 'reset') {
    reply.hijack()
    request.raw.socket.destroy()
    return
  }
  if (outcome.delayMs > 0) await pause(outcome.delayMs, over)
  const { status, contentType, body } = outcome.answer
  await reply
    .code(status)
    .header('content-type', contentType)
    .header('server', 'DingTalk/1.0.0')
    .header('x-acs-request-id', request.id)
    .send(body)
}

function wireOf(request: FastifyRequest): WireRequest {
  const url = new URL(request.url, 'http://127.0.0.1')
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  )
  const body = typeof request.body === 'string' ? request.body : ''
  return { method: request.method, path: url.pathname, query: url.searchParams, headers, body }
}

function pause(ms: number, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    over.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
