import type { Assignment } from '../log/port.ts'
import { type EndedCall, lostOf, makeCall, tellGovernor, type Way, wayOf } from './calls.ts'
import type { Sent } from './client.ts'
import type { Grant } from './governor.ts'
import type { Input } from './input.ts'
import type { Ledger } from './ledger.ts'
import { isFinal, type Notice } from './notice.ts'
import type { OpenNotice, Parcel, Parcels } from './parcels.ts'
import { settle } from './settle.ts'
import type { Waker } from './waker.ts'
import { CALL_MS, CALL_OVER_MS, type Results, type Work } from './work.ts'

/** One run over an input partition between opening its writer and losing or closing it. */
export type Session = Readonly<{
  work: Work
  assignment: Assignment
  results: Results
  parcels: Parcels
  ledger: Ledger
  input: Input
  waker: Waker
  underWay: Set<Promise<void>>
  ended: EndedCall[]
  state: {
    crash: Readonly<{ error: unknown }> | null
    movedAt: bigint
    refreshedAt: bigint
    seen: number
    hasCommitted: boolean
  }
}>

/** A parcel whose `sending` is put down, and which goes out when that is committed. */
export type Starting = Readonly<{ parcel: Parcel; way: Way; grant: Grant }>

/** Open notices at which reading pauses. */
export const OPEN_MAX = 500
/** Notices in one transaction. */
const PLANNED_MAX = 100
/** Calls under way at the same time for one input partition. */
const CALLS_MAX = 8
/** Events that one transaction moves the position past. */
export const MOVE_EVENTS = 5_000

/** Turns ended calls into the next states of their notices. */
export function applyEnded(session: Session): void {
  const { runtime } = session.work.ports
  for (const call of session.ended.splice(0)) {
    const { parcel, way, sent } = call
    const now = runtime.mono()
    const pauseMs = tellGovernor(session.work.governor, call)
    const isUnclear = sent.kind === 'unclear' || sent.kind === 'transient'
    parcel.unclearCalls = isUnclear ? parcel.unclearCalls + 1 : 0
    const forMs = Number((now - (parcel.firstCalled ?? now)) / 1_000_000n)
    const tried = { forMs, unclearCalls: parcel.unclearCalls, isRepeatable: way.isRepeatable }
    parcel.mode = 'waits'
    for (const open of parcel.open.values()) {
      const { notice } = open
      const settled = settle(notice, way.userOf(notice.destination), sent, tried)
      if (settled.kind === 'ends') {
        end(session, parcel, open, settled)
        continue
      }
      const waitMs = Math.max(pauseMs, settled.againMs)
      const { reason, isUnsure } = settled
      next(session, open, {
        state: 'planned',
        until: runtime.wall() + waitMs,
        reason,
        isUnsure,
        sender: null,
      })
      const at = now + BigInt(Math.ceil(waitMs)) * 1_000_000n
      if (at > parcel.notBefore) parcel.notBefore = at
    }
  }
}

/** Evaluates records until there is none, enough is open, or the transaction is full. */
export function plan(session: Session): void {
  const { parcels, input, ledger, state, work } = session
  const wall = work.ports.runtime.wall()
  const now = work.ports.runtime.mono()
  for (let planned = 0; planned < PLANNED_MAX && parcels.count() < OPEN_MAX && state.seen < MOVE_EVENTS; ) {
    const record = input.take()
    if (record === null) return
    state.seen += 1
    const notices = work.routes.notices(record, wall)
    planned += notices.length
    const open: OpenNotice[] = []
    for (const notice of notices) {
      const tracked = isFinal(notice.state) ? null : { notice, placed: null }
      if (tracked !== null) open.push(tracked)
      else say(work, notice)
      ledger.put(notice, tracked)
    }
    parcels.add(open, 'waits', now)
  }
}

/** Chooses the parcels that go out now and puts down that they do. */
export function choose(session: Session): { starting: readonly Starting[]; again: bigint | null } {
  const { work, parcels } = session
  const { runtime } = work.ports
  const now = runtime.mono()
  const starting: Starting[] = []
  let again: bigint | null = null
  // What ends here makes way for what stood behind it, now and not at the next waking.
  while (giveUp(session, now)) parcels.sweep()
  for (const parcel of parcels.ready(now)) {
    if (session.underWay.size + starting.length >= CALLS_MAX) break
    const way = wayOf(parcel, work.directory, work.client)
    if (way === null) continue
    const taken = work.governor.take(way.channel, way.window)
    if ('again' in taken) {
      const at = taken.again ?? now + BUSY_NS
      if (again === null || at < again) again = at
      continue
    }
    parcel.mode = 'under-way'
    parcel.firstCalled ??= now
    const { sender } = session.results
    for (const open of parcel.open.values()) {
      const attempt = open.notice.attempt + 1
      next(session, open, {
        state: 'sending',
        attempt,
        until: runtime.wall() + CALL_OVER_MS,
        reason: null,
        sender,
      })
      noteResult(session.results, open.notice.id, attempt, 'not-called')
    }
    starting.push({ parcel, way, grant: taken.grant })
  }
  return { starting, again }
}

/** Ends what can go out no more: calls of a former owner that were waited out, and ways that the config lost. */
function giveUp(session: Session, now: bigint): boolean {
  let hasEnded = false
  for (const parcel of session.parcels.ready(now)) {
    const lost = lostOf(parcel, session.work.directory)
    for (const open of [...parcel.open.values()]) {
      const { notice } = open
      const reason =
        parcel.mode === 'waits-out'
          ? 'The gateway stopped while the message was on its way'
          : lost.get(notice.id)
      if (reason === undefined) continue
      const state = parcel.mode === 'waits-out' || notice.isUnsure ? 'unknown' : 'failed'
      end(session, parcel, open, { state, reason, reference: null })
      hasEnded = true
    }
  }
  return hasEnded
}

/** A channel may be busy with calls of another partition, whose ends wake nobody here. */
const BUSY_NS = 100_000_000n

/** Makes the calls whose `sending` was committed just now. */
export function start(session: Session, starting: readonly Starting[], chosenAt: bigint): void {
  const { work, underWay, ended, results, waker, state } = session
  const { runtime, failpoints } = work.ports
  // A process that slept since the commit finds no time left, and sends nothing.
  const ends = [state.movedAt + BigInt(CALL_MS) * 1_000_000n, chosenAt + BigInt(CALL_OVER_MS) * 1_000_000n]
  const deadline = ends.reduce((least, at) => (at < least ? at : least))
  for (const { parcel, way, grant } of starting) {
    const attempts = new Map([...parcel.open.values()].map(({ notice }) => [notice.id, notice.attempt]))
    for (const [id, attempt] of attempts) results.byNotice.get(id)?.delete(attempt)
    const call = makeCall({
      parcel,
      way,
      grant,
      deadline,
      // Not the assignment's: whoever stops waits for the answer, or nobody would ever know it.
      signal: runtime.deadline(CALL_MS),
      failpoints,
      runtime,
      ended(call) {
        for (const [id, attempt] of attempts) noteResult(results, id, attempt, call.sent)
        ended.push(call)
      },
      crashed(error) {
        state.crash = { error }
      },
    }).finally(() => {
      underWay.delete(call)
      waker.wake()
    })
    underWay.add(call)
  }
}

function noteResult(results: Results, id: string, attempt: number, ended: Sent | 'not-called'): void {
  const known = results.byNotice.get(id) ?? new Map<number, Sent | 'not-called'>()
  results.byNotice.set(id, known.set(attempt, ended))
}

function next(session: Session, open: OpenNotice, step: Partial<Notice>): void {
  open.notice = { ...open.notice, at: session.work.ports.runtime.wall(), ...step }
  session.ledger.put(open.notice, open)
}

function end(
  session: Session,
  parcel: Parcel,
  open: OpenNotice,
  step: Readonly<{ state: Notice['state']; reason: string | null; reference: string | null }>,
): void {
  next(session, open, {
    state: step.state,
    reason: step.reason,
    reference: step.reference,
    until: null,
    sender: null,
  })
  parcel.open.delete(open.notice.id)
  say(session.work, open.notice)
}

/** Tells the operator of an end that somebody may have to look after. */
function say({ ports }: Work, notice: Notice): void {
  const { id, state, route, destination, reason, event } = notice
  const about = { notice: id, route, destination, reason, key: event.key }
  if (state === 'failed') ports.logger.error('A notice failed.', about)
  if (state === 'unknown') ports.logger.error('Nobody can say whether a notice arrived.', about)
  if (state === 'suppressed') ports.logger.warn('A notice was suppressed.', about)
}
