import type { Assignment } from '../log/port.ts'
import { isAbort } from '../runtime.ts'
import { type EndedCall, lostOf, makeCall, tellGovernor, type Way, wayOf } from './calls.ts'
import type { Sent } from './client.ts'
import type { Grant } from './governor.ts'
import { followInput, type Input } from './input.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { isFinal, type Notice } from './notice.ts'
import { createParcels, type OpenNotice, type Parcel, type Parcels } from './parcels.ts'
import { recover } from './recovery.ts'
import { resume } from './resume.ts'
import { settle } from './settle.ts'
import { createWaker, type Waker } from './waker.ts'
import { CALL_MS, CALL_OVER_MS, type Results, type Work } from './work.ts'

/** Open notices at which reading pauses. */
const OPEN_MAX = 500
/** Notices in one transaction. */
const PLANNED_MAX = 100
/** Calls under way at the same time for one input partition. */
const CALLS_MAX = 8
const TRANSACT_MS = 20_000
/** Events that concern no route move the position together. */
const MOVE_MS = 2_000
const MOVE_EVENTS = 5_000
/** Records that a start would read in vain before the open group is moved for their sake alone. */
const SLACK_MAX = 1_000

/**
 * Publishes one input partition for as long as it is assigned. A transaction that may or may not have happened ends
 * the session: the writer is dropped, a new one opened (which fences whoever else still writes), the log read again.
 */
export async function publishPartition(work: Work, assignment: Assignment): Promise<void> {
  const { runtime, logger } = work.ports
  const results: Results = { sender: runtime.uuid(), byNotice: new Map() }
  let lost = 0
  try {
    for (let isFirst = true; !assignment.signal.aborted; isFirst = false) {
      const end = await runSession(work, assignment, results, isFirst)
      if (end.kind === 'stopped') return
      lost = end.hasCommitted ? 1 : lost + 1
      const place = { topic: assignment.topic, partition: assignment.partition, reason: end.reason }
      logger.warn(
        'A transaction of the publisher is not known to have happened; it reads the log again.',
        place,
      )
      await runtime.sleep(Math.min(30_000, 250 * 2 ** Math.min(lost, 7)), assignment.signal)
    }
  } catch (error) {
    if (!isAbort(error, assignment.signal)) throw error
  }
}

type SessionEnd = Readonly<{ kind: 'stopped' } | { kind: 'lost'; reason: string; hasCommitted: boolean }>

type Session = Readonly<{
  work: Work
  assignment: Assignment
  results: Results
  parcels: Parcels
  ledger: Ledger
  input: Input
  waker: Waker
  underWay: Set<Promise<void>>
  ended: EndedCall[]
  state: { crash: Readonly<{ error: unknown }> | null; movedAt: bigint; seen: number; hasCommitted: boolean }
}>

type Starting = Readonly<{ parcel: Parcel; way: Way; grant: Grant }>

async function runSession(
  work: Work,
  assignment: Assignment,
  results: Results,
  isFirst: boolean,
): Promise<SessionEnd> {
  const { log } = work.ports
  const { topic, partition, signal } = assignment
  const identity = `${work.gateway}.publisher.${topic}.${partition}`
  const writer = await log.writer(identity, signal)
  try {
    const position = await assignment.position()
    const group = `${identity}.open`
    const { noticePartitions } = work
    const recovered = await recover(log, { input: { topic, partition }, group, noticePartitions, signal })
    const parcels = createParcels()
    const ledger = createLedger({
      writer,
      input: { topic, partition },
      group: `${work.gateway}.publisher`,
      openGroup: group,
      position,
      recovered,
      parcels,
    })
    const waker = createWaker(work.ports.runtime)
    const input = followInput(assignment, position ?? 0, waker.wake)
    const state: Session['state'] = {
      crash: null,
      movedAt: work.ports.runtime.mono(),
      seen: 0,
      hasCommitted: false,
    }
    const ended = resume(work, recovered, parcels, results, isFirst)
    const session = {
      work,
      assignment,
      results,
      parcels,
      ledger,
      input,
      waker,
      underWay: new Set<Promise<void>>(),
      ended: [...ended],
      state,
    }
    try {
      return await loop(session)
    } finally {
      input.close()
    }
  } finally {
    await writer.close()
  }
}

async function loop(session: Session): Promise<SessionEnd> {
  const { assignment, waker, state, underWay, parcels, input, work } = session
  const { topic, partition } = assignment
  for (;;) {
    applyEnded(session)
    if (assignment.signal.aborted) break
    plan(session)
    const chosenAt = work.ports.runtime.mono()
    const { starting, again } = choose(session)
    const lost = await write(session)
    if (lost !== null) {
      for (const { grant } of starting) grant.cancel()
      // What is under way ends by itself within its deadline; its result must not be lost with the transaction.
      await Promise.all(underWay)
      return { kind: 'lost', reason: lost, hasCommitted: state.hasCommitted }
    }
    start(session, starting, chosenAt)
    parcels.sweep()
    work.progress({ topic, partition, position: input.position(), open: parcels.count() })
    if (parcels.count() < OPEN_MAX) input.want()
    const hasWork = input.hasMore() && parcels.count() < OPEN_MAX
    if (!hasWork) await waker.wait(nextMoment(session, again), assignment.signal)
    if (state.crash !== null) throw state.crash.error
  }
  await Promise.all(underWay)
  if (state.crash !== null) throw state.crash.error
  applyEnded(session)
  if (session.ledger.isDirty()) await write(session)
  return { kind: 'stopped' }
}

/** Turns ended calls into the next states of their notices. */
function applyEnded(session: Session): void {
  const { runtime, logger } = session.work.ports
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
        if (settled.state !== 'sent') logger.error('A notice did not arrive for sure.', aboutOf(open.notice))
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
function plan(session: Session): void {
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
      else if (notice.state === 'failed') work.ports.logger.error('A notice failed.', aboutOf(notice))
      ledger.put(notice, tracked)
    }
    parcels.add(open, 'waits', now)
  }
}

/** Chooses the parcels that go out now and puts down that they do. */
function choose(session: Session): { starting: readonly Starting[]; again: bigint | null } {
  const { work, parcels } = session
  const { runtime } = work.ports
  const now = runtime.mono()
  const starting: Starting[] = []
  let again: bigint | null = null
  for (const parcel of parcels.ready(now)) {
    if (session.underWay.size + starting.length >= CALLS_MAX) break
    if (parcel.mode === 'waits-out') {
      const reason = 'The gateway stopped while the message was on its way'
      for (const open of parcel.open.values()) {
        end(session, parcel, open, { state: 'unknown', reason, reference: null })
        work.ports.logger.error('A notice did not arrive for sure.', aboutOf(open.notice))
      }
      continue
    }
    const lost = lostOf(parcel, work.directory)
    for (const [id, reason] of lost) {
      const open = parcel.open.get(id)
      const state = open?.notice.isUnsure === true ? 'unknown' : 'failed'
      if (open !== undefined) end(session, parcel, open, { state, reason, reference: null })
    }
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

/** A channel may be busy with calls of another partition, whose ends wake nobody here. */
const BUSY_NS = 100_000_000n

/** Commits what was put, or what has moved for long enough. Returns why nothing is known, or null. */
async function write(session: Session): Promise<string | null> {
  const { work, ledger, input, state, results } = session
  const { runtime, failpoints } = work.ports
  const position = input.position()
  const isDue = runtime.mono() - state.movedAt >= BigInt(MOVE_MS) * 1_000_000n || state.seen >= MOVE_EVENTS
  const shouldMove = (ledger.hasMoved(position) && isDue) || ledger.slack() > SLACK_MAX
  if (!ledger.isDirty() && !shouldMove) return null
  const commit = await ledger.commit(position, runtime.deadline(TRANSACT_MS))
  switch (commit.kind) {
    case 'committed':
      break
    case 'refused':
      if (!commit.retryable)
        throw new Error(`The log will never take a notice of the publisher: ${commit.reason}`)
      return commit.reason
    case 'unknown':
      return commit.reason
    case 'fenced':
      return 'another publisher of this partition has taken over'
  }
  state.hasCommitted = true
  state.movedAt = runtime.mono()
  state.seen = 0
  const isOutcome = (notice: Notice) => notice.attempt > 0 && notice.state !== 'sending'
  for (const notice of commit.written) if (isOutcome(notice)) results.byNotice.delete(notice.id)
  if (commit.written.some((notice) => !isOutcome(notice))) failpoints.hit('publisher.after-plan')
  if (commit.written.some(isOutcome)) failpoints.hit('publisher.after-record')
  return null
}

function start(session: Session, starting: readonly Starting[], chosenAt: bigint): void {
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
}

function nextMoment(session: Session, again: bigint | null): bigint | null {
  const { work, parcels, ledger, input, state } = session
  const now = work.ports.runtime.mono()
  const move = ledger.hasMoved(input.position()) ? state.movedAt + BigInt(MOVE_MS) * 1_000_000n : null
  const moments = [again, move, parcels.nextDue(now)].filter((at) => at !== null)
  return moments.reduce<bigint | null>((least, at) => (least === null || at < least ? at : least), null)
}

function aboutOf(notice: Notice): object {
  const { id, state, route, destination, reason, event } = notice
  return { notice: id, state, route, destination, reason, key: event.key }
}
