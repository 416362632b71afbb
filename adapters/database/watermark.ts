import type { Batch, Context, Cursor, Known } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import { batchesOf } from './batches.ts'
import type { Moment } from './clock.ts'
import { between, readClock } from './clock.ts'
import type { Held } from './commit-bound.ts'
import { readCommitBound, warnOfHeld } from './commit-bound.ts'
import { readFloorNow, readNewest, readTop } from './heights.ts'
import type { Horizon } from './horizon.ts'
import { readHorizon } from './horizon.ts'
import type { Outlook } from './lateness.ts'
import { outlookOf, readOpen, tiersAfter, widestLook } from './lateness.ts'
import type { Plan } from './plan.ts'
import { inSnapshot, planFeed } from './plan.ts'
import type { Feed, Overlap, RisingCursor } from './settings.ts'
import type { Paging, Range, StagePage } from './stage-pages.ts'
import { EVERYTHING, readStage } from './stage-pages.ts'
import type { Stage } from './stages.ts'
import { overlapOf, present, stagesOf } from './stages.ts'
import type { Row, Snapshot, Transport } from './transport.ts'
import type { Place, State, Until } from './watermark-state.ts'
import { codec, freshState, storedState } from './watermark-state.ts'

/** A feed that is read by a watermark, and what reading it takes. */
export type Reading = Readonly<{
  transport: Transport
  name: string
  feed: Feed
  cursor: RisingCursor
  context: Context
  held: Held
}>

/**
 * Reads, in rounds, what lies above the cursor. A round takes the highest value of each stage first and reads up to
 * there, so it ends however fast rows are written; rows that change meanwhile rise above its end and are read by the
 * next one. Each page is a snapshot of its own, so none lives longer than a page takes.
 *
 * A round begins below where the last one ended, as far as rows may have been committed late with values below what was
 * then the highest (`lateness.ts`). What is only read again goes by its fingerprint where somebody knows it.
 */
export async function* pollWatermark(
  reading: Reading,
  cursor: Cursor | null,
  signal: AbortSignal,
  known?: Known,
): AsyncGenerator<Batch> {
  let state = cursor === null ? freshState(reading) : storedState(reading, cursor)
  if (state.at !== null) {
    // A round that was broken off ends where it was to end, and only then comes a new one: if it ended further up,
    // what was committed late while it was broken off would lie below the next overlap.
    state = yield* readRound(reading, state, known, signal)
  }
  yield* readRound(reading, state, known, signal)
}

/** The cursor that leaves out what is there now, or what lies below a value of the first cursor column. */
export async function startWatermark(
  reading: Reading,
  from: 'now' | Readonly<{ since: string }>,
  signal: AbortSignal,
): Promise<Cursor> {
  const { transport, name, feed, context, cursor } = reading
  if (from !== 'now' && cursor.strategy === 'commit-ordered')
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Feed ${name} goes by the order of commits, which nobody writes down: use \`start: all\` or \`start: now\`.`,
    )
  const bound = await boundOf(reading, signal)
  return inSnapshot(transport, signal, async (snapshot) => {
    const seen = await readHorizon(transport.dialect, snapshot, { feed: name, stored: null }, signal)
    const plan = await planFeed(transport.dialect, snapshot, name, feed, signal)
    if (bound !== null) {
      const rising = stagesOf(plan, feed, cursor).filter(({ kind }) => kind === 'rising')
      const high = Object.fromEntries(rising.map((stage) => [stage.name, bound]))
      return codec.encode({ ...freshState(reading), horizon: seen, high })
    }
    const overlap = overlapOf(plan, cursor)
    const now = await readClock(transport.dialect, snapshot, signal)
    const floor: Record<string, State['floor'][string]> = {}
    for (const stage of stagesOf(plan, feed, cursor)) {
      if (stage.kind === 'nulls') await refuseNulls(reading, plan, stage, snapshot, signal)
      if (stage.kind !== 'rising') continue
      const found =
        from === 'now'
          ? await readFloorNow(plan, stage, snapshot, { now, zone: context.zone, overlap }, signal)
          : await sinceFloor(reading, plan, stage, snapshot, from.since, signal)
      if (found !== null) floor[stage.name] = found
    }
    return codec.encode({ ...freshState(reading), horizon: seen, floor })
  })
}

type Spot = Pick<Place, 'stage' | 'part'> & Readonly<{ after: Row | null }>

/** A round as it was opened. */
type Round = Readonly<{
  plan: Plan
  stages: readonly Stage[]
  overlap: Overlap
  until: Until
  seen: Horizon
  tier: number
  clock: string | null
  open: State['open']
}>

/** Reads one round and gives the state after it. */
async function* readRound(
  reading: Reading,
  from: State,
  known: Known | undefined,
  signal: AbortSignal,
): AsyncGenerator<Batch, State> {
  const { context } = reading
  const round = await openRound(reading, from, signal)
  const { plan, until, tier, clock, open } = round
  const state: State = { ...from, horizon: round.seen }
  const finished = afterRound(state, round)
  const cursorAt = ({ stage, part, after }: Spot) =>
    codec.encode({
      ...state,
      at: { stage, part, after: after === null ? null : present(after), until, tier, clock, open },
    })
  const batches = (page: StagePage, spot: Spot, next: Cursor) =>
    batchesOf(page, { from: cursorAt(spot), next, recordsMax: context.batchRecordsMax, fields: plan.fields })
  // The last page of a stage waits until it is known whether anything follows: if nothing does, its cursor is the
  // end of the round.
  let held: Readonly<{ page: StagePage; spot: Spot }> | null = null
  for (const { stage, part, after: begun } of partsOf(round, state)) {
    let after = begun
    for (let more = true; more; ) {
      signal.throwIfAborted()
      const range = rangeOf(state, round, { stage: stage.name, part, after })
      const paging = { overlap: round.overlap, limit: context.batchRecordsMax, known }
      const page = await readMoving(
        reading,
        (snapshot) => readStage(plan, stage, snapshot, range, paging, signal),
        signal,
      )
      if (isEmpty(page)) break
      const here: Spot = { stage: stage.name, part, after }
      if (held !== null) yield* batches(held.page, held.spot, cursorAt(here))
      held = null
      if (page.more) yield* batches(page, here, cursorAt({ ...here, after: page.last }))
      else held = { page, spot: here }
      after = page.last
      more = page.more
    }
  }
  if (held !== null) yield* batches(held.page, held.spot, codec.encode(finished))
  return finished
}

function rangeOf(state: State, { until }: Round, { stage, part, after }: Spot): Range {
  return {
    part,
    after,
    bound: until[stage]?.bound ?? null,
    low: until[stage]?.low ?? null,
    seen: state.high[stage] ?? null,
    floor: state.floor[stage] ?? null,
  }
}

/** The stages of a round, or what is left of them, each in its parts. */
function* partsOf(
  { stages, until }: Round,
  state: State,
): Generator<Readonly<{ stage: Stage; part: Range['part']; after: Row | null }>> {
  const begun = stages.findIndex((stage) => stage.name === state.at?.stage)
  for (const stage of stages.slice(Math.max(begun, 0))) {
    const isHere = stage.name === state.at?.stage
    if (stage.kind === 'rising' && until[stage.name] === undefined) continue
    const isSeen = stage.kind === 'rising' && state.high[stage.name] !== undefined
    const parts = isSeen ? (['again', 'new'] as const) : (['new'] as const)
    for (const part of parts) {
      if (isHere && part === 'again' && state.at?.part === 'new') continue
      yield { stage, part, after: isHere && part === state.at?.part ? state.at.after : null }
    }
  }
}

/** The state of a feed when a round is through. */
function afterRound(state: State, { until, tier, clock, open, overlap }: Round): State {
  const high = {
    ...state.high,
    ...Object.fromEntries(Object.entries(until).map(([stage, { high: top }]) => [stage, top])),
  }
  return {
    ...state,
    high,
    clock,
    open,
    tiers: clock === null ? state.tiers : tiersAfter(state, overlap, tier, { clock, high }),
    floor: Object.fromEntries(
      Object.entries(state.floor).filter(([stage]) => until[stage]?.isFloorPassed !== true),
    ),
    at: null,
  }
}

/**
 * Describes the feed anew and, unless a round is under way, finds where each of its stages begins and ends. A stage that
 * has nothing to read has no end.
 */
async function openRound(reading: Reading, state: State, signal: AbortSignal): Promise<Round> {
  const { transport, name, feed, cursor } = reading
  // Before the snapshot, so that what is committed in between lies above it.
  const bound = state.at === null ? await boundOf(reading, signal) : null
  return inSnapshot(transport, signal, async (snapshot) => {
    const stored = { feed: name, stored: state.horizon }
    const seen = await readHorizon(transport.dialect, snapshot, stored, signal)
    const plan = await planFeed(transport.dialect, snapshot, name, feed, signal)
    const stages = stagesOf(plan, feed, cursor)
    const round = { plan, stages, overlap: overlapOf(plan, cursor), seen }
    if (state.at !== null) return { ...round, ...state.at }
    return bound === null
      ? { ...round, ...(await findEnds(reading, state, round, snapshot, signal)) }
      : { ...round, ...(await boundedEnds(reading, state, round, { bound, snapshot }, signal)) }
  })
}

/** Where rounds end that go by the order of commits; null for those that do not. */
async function boundOf(
  { transport, name, feed, cursor }: Reading,
  signal: AbortSignal,
): Promise<string | null> {
  if (cursor.strategy !== 'commit-ordered') return null
  return readCommitBound(transport, { name, feed, column: cursor.columns[0] ?? '' }, signal)
}

/** Every stage ends at the bound, and goes on there: what stands at it may be read twice, and nothing is left out. */
async function boundedEnds(
  reading: Reading,
  state: State,
  { plan, stages }: Pick<Round, 'plan' | 'stages'>,
  { bound, snapshot }: Readonly<{ bound: string; snapshot: Snapshot }>,
  signal: AbortSignal,
): Promise<Pick<Round, 'until' | 'tier' | 'clock' | 'open'>> {
  const { transport, context, name, held } = reading
  const now = await readClock(transport.dialect, snapshot, signal)
  const until: Record<string, Until[string]> = {}
  for (const stage of stages) {
    if (stage.kind !== 'rising') continue
    const low = state.high[stage.name] ?? null
    until[stage.name] = { bound: [bound], high: bound, low, isFloorPassed: false }
  }
  const isAt = Object.values(state.high).includes(bound)
  const [rising] = stages
  const waiting = isAt && rising !== undefined && (await hasAbove(plan, rising, bound, snapshot, signal))
  warnOfHeld(held, { name, bound, now, context, waiting })
  return { until, tier: 0, clock: now, open: null }
}

async function hasAbove(
  plan: Plan,
  stage: Stage,
  bound: string,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<boolean> {
  const [newest] = await readNewest(plan, stage, snapshot, 1, signal)
  const value = newest?.[stage.cursor[0] ?? 0]
  // Of one length and in hexadecimal, so that texts compare as numbers.
  return typeof value === 'string' && value >= bound
}

async function findEnds(
  reading: Reading,
  state: State,
  { plan, stages, overlap, seen }: Pick<Round, 'plan' | 'stages' | 'overlap' | 'seen'>,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<Pick<Round, 'until' | 'tier' | 'clock' | 'open'>> {
  const { transport, context } = reading
  const now = await readClock(transport.dialect, snapshot, signal)
  // The snapshot stands: what is open is asked after it, and before any page is read.
  const outlook = outlookOf(state, overlap, now, await readOpen(transport.dialect, snapshot, signal))
  warnOfOld(reading, outlook, now)
  const horizons = { now, zone: context.zone, outlook, widest: widestLook(state, overlap) }
  const until: Record<string, Until[string]> = {}
  for (const stage of stages) {
    if (stage.kind !== 'rising') continue
    const top = await readTop(plan, stage, snapshot, horizons, state.floor[stage.name] ?? null, signal)
    if (top === null) continue
    // A server that has not gone back deleted its newest rows: time goes on above them, so the place stays. A
    // sequence that began anew counts up below the place, and nobody would see what it counts.
    if (top.isBelowAll && (seen === null || top.isNumber))
      throw cursorFromFuture(reading, stage, state.high[stage.name] ?? null, top.bound[0] ?? '')
    if (top.isNothingAbove) continue
    const { bound, high, low, isFloorPassed } = top
    until[stage.name] = { bound, high, low, isFloorPassed }
  }
  return { until, tier: outlook.tier, clock: now, open: outlook.open }
}

/** A transaction that is open for so long makes a poll look back as far when it ends. */
const OLD_MS = 600_000

function warnOfOld({ name, context }: Reading, { open }: Outlook, now: Moment): void {
  const since = open?.map((group) => group.since).toSorted()[0]
  if (since === undefined || between(since, now) < OLD_MS) return
  context.logger.warn(
    'A transaction of the database is open for long; what it writes is seen when it ends.',
    {
      feed: name,
      since,
    },
  )
}

/** Reads a page; what was there a moment ago and is gone now was altered under our hands. */
async function readMoving<Result>(
  reading: Reading,
  read: (snapshot: Snapshot) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  try {
    return await inSnapshot(reading.transport, signal, read)
  } catch (error) {
    throw asMoved(reading.name, error)
  }
}

/** ADAPTER_SCHEMA_MOVED for a table or column that vanished between two pages; any other error as it is. */
export function asMoved(feed: string, error: unknown): unknown {
  if (!(error instanceof AdapterError) || error.code !== 'ADAPTER_ENTITY_UNKNOWN') return error
  return new AdapterError(
    'ADAPTER_SCHEMA_MOVED',
    `The table of feed ${feed} was altered while it was read; it is described anew.`,
    { cause: error, details: error.details },
  )
}

function cursorFromFuture(
  reading: Reading,
  stage: Stage,
  high: string | null,
  highest: string,
): AdapterError {
  const column = stage.relation.columns[stage.cursor[0] ?? 0] ?? ''
  return new AdapterError(
    'ADAPTER_CURSOR_STALE',
    `${stage.relation.name}.${column} was read up to ${high}, but its highest value is now ${highest}, further below than the overlap: was a sequence reset, a backup restored, or the newest row deleted? Choose by \`erpgw resync\` where feed ${reading.name} starts again.`,
    { details: { feed: reading.name, column, readUpTo: high, highestNow: highest } },
  )
}

function isEmpty(page: StagePage): boolean {
  return page.last === null && page.unreadable.length === 0
}

/** A look at one row. */
function probing({ cursor }: Reading, plan: Plan): Paging {
  return { overlap: overlapOf(plan, cursor), limit: 1, known: undefined }
}

async function refuseNulls(
  reading: Reading,
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  const page = await readStage(plan, stage, snapshot, EVERYTHING, probing(reading, plan), signal)
  if (isEmpty(page)) return
  const columns = stage.cursor.map((place) => stage.relation.columns[place]).join(', ')
  throw new AdapterError(
    'ADAPTER_CONFIG_INVALID',
    `Feed ${reading.name} cannot start in the middle: ${stage.relation.name} has rows without ${columns}, of which nobody can say how old they are. Give them a value by a select with coalesce, or use \`start: all\`.`,
  )
}

async function sinceFloor(
  reading: Reading,
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  since: string,
  signal: AbortSignal,
): Promise<State['floor'][string]> {
  const floor = { below: since }
  try {
    await readStage(plan, stage, snapshot, { ...EVERYTHING, floor }, probing(reading, plan), signal)
  } catch (error) {
    if (!(error instanceof AdapterError) || error.details['badValue'] !== true) throw error
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `\`start: since\` of feed ${reading.name} is not a value of the cursor column; write it as the database does.`,
      { cause: error },
    )
  }
  return floor
}
