import { LogError } from '../log/errors.ts'
import type { Assignment } from '../log/port.ts'
import { isAbort } from '../runtime.ts'
import { TOPICS } from '../topics.ts'
import { followInput } from './input.ts'
import { createLedger } from './ledger.ts'
import type { Notice } from './notice.ts'
import { createParcels } from './parcels.ts'
import { recover } from './recovery.ts'
import { REMEMBERED_MS, resume } from './resume.ts'
import {
  applyEnded,
  choose,
  MOVE_EVENTS,
  OPEN_MAX,
  plan,
  type Session,
  type Starting,
  start,
} from './session.ts'
import { createWaker } from './waker.ts'
import type { Results, Work } from './work.ts'

const TRANSACT_MS = 20_000
/** Events that concern no route move the position together. */
const MOVE_MS = 2_000
/** How often the ends of the notices topic are looked up. */
const REFRESH_MS = 600_000
/** Records that a start would read in vain before the open group is moved for their sake alone. */
const SLACK_MAX = 1_000

/**
 * Publishes one input partition for as long as it is assigned. A transaction that may or may not have happened ends
 * the session: the writer is dropped, a new one opened (which fences whoever else still writes), the log read again.
 */
export async function publishPartition(work: Work, assignment: Assignment, results: Results): Promise<void> {
  const { runtime, logger } = work.ports
  let lost = 0
  try {
    for (let isFirst = true; !assignment.signal.aborted; isFirst = false) {
      const end = await runSession(work, assignment, results, isFirst).catch(lostOrThrow)
      if (end.kind === 'stopped') return
      lost = end.hasCommitted ? 1 : lost + 1
      const place = { topic: assignment.topic, partition: assignment.partition, reason: end.reason }
      logger.warn('The publisher lost its hold on the log and reads it again.', place)
      await runtime.sleep(Math.min(30_000, 250 * 2 ** Math.min(lost, 7)), assignment.signal)
    }
  } catch (error) {
    if (!isAbort(error, assignment.signal)) throw error
  }
}

/** While the log is away a session ends and another is tried; anything else is for whoever started the publisher. */
function lostOrThrow(error: unknown): SessionEnd {
  if (!(error instanceof LogError) || error.remedy !== 'retry') throw error
  return { kind: 'lost', reason: error.message, hasCommitted: false }
}

type SessionEnd = Readonly<{ kind: 'stopped' } | { kind: 'lost'; reason: string; hasCommitted: boolean }>

async function runSession(
  work: Work,
  assignment: Assignment,
  results: Results,
  isFirst: boolean,
): Promise<SessionEnd> {
  const { log } = work.ports
  const { topic, partition, signal } = assignment
  const identity = `${work.gateway}.publisher.${topic}.${partition}`
  const inputGroup = `${work.gateway}.publisher`
  const group = `${identity}.open`
  const writer = await log.writer(identity, signal, [inputGroup, group])
  try {
    const position = await assignment.position()
    const { noticePartitions } = work
    // Only the first session of a process has calls to learn of that it did not make itself.
    const since = isFirst ? work.ports.runtime.wall() - REMEMBERED_MS : Number.POSITIVE_INFINITY
    const input = { topic, partition }
    const recovered = await recover(log, { input, group, noticePartitions, since, signal })
    const parcels = createParcels()
    const ledger = createLedger({
      writer,
      input,
      group: inputGroup,
      openGroup: group,
      position,
      recovered,
      parcels,
    })
    const waker = createWaker(work.ports.runtime)
    const following = followInput(assignment, position ?? 0, waker.wake)
    const state: Session['state'] = {
      crash: null,
      movedAt: work.ports.runtime.mono(),
      refreshedAt: work.ports.runtime.mono(),
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
      input: following,
      waker,
      underWay: new Set<Promise<void>>(),
      ended: [...ended],
      state,
    }
    try {
      return await loop(session)
    } finally {
      following.close()
      // What is under way ends by itself within its deadline. The next session has to know how.
      await Promise.all(session.underWay)
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
    await refresh(session)
    const chosenAt = work.ports.runtime.mono()
    const { starting, again } = choose(session)
    const lost = await writeFor(session, starting)
    if (lost !== null) return { kind: 'lost', reason: lost, hasCommitted: state.hasCommitted }
    start(session, starting, chosenAt)
    parcels.sweep()
    work.progress({ topic, partition, position: input.position(), open: parcels.count() })
    if (parcels.count() < OPEN_MAX) input.want()
    const hasWork = input.hasMore() && parcels.count() < OPEN_MAX
    if (!hasWork) await waker.wait(nextMoment(session, again, chosenAt), assignment.signal)
    if (state.crash !== null) throw state.crash.error
  }
  await Promise.all(underWay)
  if (state.crash !== null) throw state.crash.error
  applyEnded(session)
  if (session.ledger.isDirty()) await write(session)
  return { kind: 'stopped' }
}

/** Like `write`; calls that it does not allow give back their grants, which outlive the session. */
async function writeFor(session: Session, starting: readonly Starting[]): Promise<string | null> {
  let isWritten = false
  try {
    const lost = await write(session)
    isWritten = lost === null
    return lost
  } finally {
    if (!isWritten) for (const { grant } of starting) grant.cancel()
  }
}

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

/**
 * Moves the places from which a start would read behind the notices of others. The next transaction stands after the
 * ends that are read here, so nothing open can lie before them but what is known.
 */
async function refresh({ work, ledger, state, assignment }: Session): Promise<void> {
  const { log, runtime } = work.ports
  if (runtime.mono() - state.refreshedAt < BigInt(REFRESH_MS) * 1_000_000n) return
  for (let partition = 0; partition < work.noticePartitions; partition += 1) {
    ledger.reach(partition, await log.end({ topic: TOPICS.notices, partition }, assignment.signal))
  }
  state.refreshedAt = runtime.mono()
}

function nextMoment(session: Session, again: bigint | null, chosenAt: bigint): bigint | null {
  const { parcels, ledger, input, state } = session
  const move = ledger.hasMoved(input.position()) ? state.movedAt + BigInt(MOVE_MS) * 1_000_000n : null
  const refreshing = state.refreshedAt + BigInt(REFRESH_MS) * 1_000_000n
  // Seen from the choice: what has come due since then, while the transaction took its time, must not be missed.
  const moments = [again, move, refreshing, parcels.nextDue(chosenAt)].filter((at) => at !== null)
  return moments.reduce<bigint | null>((least, at) => (least === null || at < least ? at : least), null)
}
