import type { Company } from './company.ts'
import type { Fault } from './faults.ts'

/** A message as it lies in one chat. */
export type ChatMessage = Readonly<{
  id: string
  /** Epoch ms by the emulator's clock. */
  at: number
  /** `user:<userId>` or `group:<conversation>`. */
  chat: string
  /** Name of the robot. */
  from: string
  title: string
  text: string
  /** What came in, as it came in. */
  raw: string
  msgUuid: string | null
  processQueryKey: string | null
}>

/** Everything that the emulator remembers. */
export type State = {
  readonly company: Company
  readonly tokens: Map<string, { token: string; until: number }>
  readonly outbox: ChatMessage[]
  readonly msgUuids: Set<string>
  /** Times of accepted webhook messages by robot token, and until when a robot is shut. */
  readonly webhooks: Map<string, { sent: number[]; shutUntil: number }>
  /** Times of calls by app and path. */
  readonly calls: Map<string, number[]>
  /** Users who get nothing for now although the call succeeds. */
  readonly flowControlled: Set<string>
  readonly faults: Fault[]
  /** How many requests of each path came in, whatever became of them. */
  readonly requests: Map<string, number>
  /** Counts for ids. */
  next: number
}

export function createState(company: Company): State {
  return {
    company,
    tokens: new Map(),
    outbox: [],
    msgUuids: new Set(),
    webhooks: new Map(),
    calls: new Map(),
    flowControlled: new Set(),
    faults: [],
    requests: new Map(),
    next: 1,
  }
}

/** Forgets everything but the company, and keeps counting ids. */
export function resetState(state: State): void {
  state.outbox.length = 0
  state.faults.length = 0
  for (const kept of [
    state.tokens,
    state.msgUuids,
    state.webhooks,
    state.calls,
    state.flowControlled,
    state.requests,
  ]) {
    kept.clear()
  }
}

/** The oldest messages go when there are too many to show. */
const OUTBOX_MAX = 20_000

export function deliver(state: State, message: Omit<ChatMessage, 'id'>): ChatMessage {
  const delivered = { ...message, id: mint(state, 'msg') }
  state.outbox.push(delivered)
  if (state.outbox.length > OUTBOX_MAX) state.outbox.shift()
  return delivered
}

export function mint(state: State, prefix: string): string {
  const id = `${prefix}${String(state.next).padStart(8, '0')}`
  state.next += 1
  return id
}
