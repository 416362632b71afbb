import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { FaultShape } from './faults.ts'
import { resetState, type State } from './state.ts'

/**
 * The control plane, which no DingTalk has: `GET /__emu/outbox`, `POST /__emu/faults`, `/__emu/clock`,
 * `/__emu/flow-control` and `/__emu/reset`.
 */
export function addControl(
  app: FastifyInstance,
  state: State,
  time: Readonly<{ now(): number; advance(ms: number): void }>,
): void {
  app.get('/__emu/outbox', () => ({ now: time.now(), messages: state.outbox }))
  app.post('/__emu/faults', (request) => {
    const faults = z.array(FaultShape).max(1_000).parse(bodyOf(request.body))
    state.faults.push(...faults)
    return { faults: state.faults }
  })
  app.post('/__emu/clock', (request) => {
    const { advanceMs } = z.strictObject({ advanceMs: z.int() }).parse(bodyOf(request.body))
    time.advance(advanceMs)
    return { now: time.now() }
  })
  app.post('/__emu/flow-control', (request) => {
    const { users } = z.strictObject({ users: z.array(z.string()) }).parse(bodyOf(request.body))
    state.flowControlled.clear()
    for (const user of users) state.flowControlled.add(user)
    return { users }
  })
  app.post('/__emu/reset', () => {
    resetState(state)
    return { messages: 0 }
  })
}

function bodyOf(body: unknown): unknown {
  return typeof body === 'string' ? JSON.parse(body) : body
}
