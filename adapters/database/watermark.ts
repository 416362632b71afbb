import { z } from 'zod'
import type { Batch, Context, Cursor } from '../contract.ts'
import { defineCursor } from '../cursor.ts'
import { AdapterError } from '../errors.ts'
import { batchesOf } from './batches.ts'
import { readFloorNow, readTop } from './heights.ts'
import type { Horizon } from './horizon.ts'
import { horizon, readHorizon } from './horizon.ts'
import type { Plan } from './plan.ts'
import { inSnapshot, planFeed } from './plan.ts'
import type { Feed, WatermarkCursor } from './settings.ts'
import type { StagePage } from './stage-pages.ts'
import { readStage } from './stage-pages.ts'
import type { Stage } from './stages.ts'
import { present, stagesOf } from './stages.ts'
import type { Row, Snapshot, Transport } from './transport.ts'

const values = z.array(z.string()).readonly()

/**
 * Where a feed stands. Values are the database's own texts, so nothing is rounded.
 *
 * `high`: how far the last round saw, by stage; the next one begins an overlap below. `floor`: what `startAt` left
 * out for good. `at`: the round under way: its stage, the last row read in it, and where each stage is to end.
 * `horizon`: how far the server had come when the last round was opened, or gone on with.
 */
const shape = z
  .strictObject({
    columns: values,
    horizon,
    high: z.record(z.string(), z.string()).readonly(),
    floor: z
      .record(
        z.string(),
        z.union([
          z.strictObject({ from: z.string(), except: z.array(values).readonly() }).readonly(),
          z.strictObject({ upTo: values }).readonly(),
          z.strictObject({ below: z.string() }).readonly(),
        ]),
      )
      .readonly(),
    at: z.nullable(
      z
        .strictObject({
          stage: z.string(),
          after: z.nullable(values),
          until: z
            .record(
              z.string(),
              z.strictObject({ bound: values, high: z.string(), isFloorPassed: z.boolean() }).readonly(),
            )
            .readonly(),
        })
        .readonly(),
    ),
  })
  .readonly()

type State = z.output<typeof shape>

const codec = defineCursor({ kind: 'database-watermark', version: 1, shape })

/** A feed that is read by a watermark, and what reading it takes. */
export type Reading = Readonly<{
  transport: Transport
  name: string
  feed: Feed
  cursor: WatermarkCursor
  context: Context
}>

/**
 * Reads, in rounds, what lies above the cursor. A round takes the highest value of each stage first and reads up to
 * there, so it ends however fast rows are written; rows that change meanwhile rise above its end and are read by the
 * next one. Each page is a snapshot of its own, so none lives longer than a page takes.
 *
 * A round begins an overlap below where the last one ended: rows that were committed late, with values below what was
 * then the highest, are found, and the rest is read again, which the lane recognises.
 */
export async function* pollWatermark(
  reading: Reading,
  cursor: Cursor | null,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let state = cursor === null ? freshState(reading) : storedState(reading, cursor)
  if (state.at !== null) {
    // A round that was broken off ends where it was to end, and only then comes a new one: if it ended further up,
    // what was committed late while it was broken off would lie below the next overlap.
    state = yield* readRound(reading, state, signal)
  }
  yield* readRound(reading, state, signal)
}

/** The cursor that leaves out what is there now, or what lies below a value of the first cursor column. */
export async function startWatermark(
  reading: Reading,
  from: 'now' | Readonly<{ since: string }>,
  signal: AbortSignal,
): Promise<Cursor> {
  const { transport, name, feed, context, cursor } = reading
  return inSnapshot(transport, signal, async (snapshot) => {
    const seen = await readHorizon(transport.dialect, snapshot, { feed: name, stored: null }, signal)
    const plan = await planFeed(transport.dialect, snapshot, name, feed, signal)
    const floor: Record<string, State['floor'][string]> = {}
    for (const stage of stagesOf(plan, feed, cursor)) {
      if (stage.kind === 'nulls') await refuseNulls(reading, plan, stage, snapshot, signal)
      if (stage.kind !== 'rising') continue
      const found =
        from === 'now'
          ? await readFloorNow(plan, stage, snapshot, { zone: context.zone, overlap: cursor.overlap }, signal)
          : await sinceFloor(reading, plan, stage, snapshot, from.since, signal)
      if (found !== null) floor[stage.name] = found
    }
    return codec.encode({ ...freshState(reading), horizon: seen, floor })
  })
}

type Until = NonNullable<State['at']>['until']
type Place = Readonly<{ stage: string; after: Row | null }>

/** Reads one round and gives the state after it. */
async function* readRound(reading: Reading, from: State, signal: AbortSignal): AsyncGenerator<Batch, State> {
  const { context, cursor } = reading
  const { plan, stages, until, seen } = await openRound(reading, from, signal)
  const state: State = { ...from, horizon: seen }
  const finished: State = {
    ...state,
    high: { ...state.high, ...highs(until) },
    floor: Object.fromEntries(
      Object.entries(state.floor).filter(([stage]) => until[stage]?.isFloorPassed !== true),
    ),
    at: null,
  }
  const cursorAt = ({ stage, after }: Place) =>
    codec.encode({ ...state, at: { stage, after: after === null ? null : present(after), until } })
  const batches = (page: StagePage, from: Place, next: Cursor) =>
    batchesOf(page, { from: cursorAt(from), next, recordsMax: context.batchRecordsMax, fields: plan.fields })
  // The last page of a stage waits until it is known whether anything follows: if nothing does, its cursor is the
  // end of the round.
  let held: Readonly<{ page: StagePage; from: Place }> | null = null
  const begun = stages.findIndex((stage) => stage.name === state.at?.stage)
  for (const stage of stages.slice(Math.max(begun, 0))) {
    let after: Row | null = stage.name === state.at?.stage ? state.at.after : null
    for (let more = stage.kind !== 'rising' || until[stage.name] !== undefined; more; ) {
      signal.throwIfAborted()
      const range = {
        after,
        bound: until[stage.name]?.bound ?? null,
        high: state.high[stage.name] ?? null,
        floor: state.floor[stage.name] ?? null,
      }
      const page = await readMoving(
        reading,
        (snapshot) => readStage(plan, stage, snapshot, range, cursor.overlap, context, signal),
        signal,
      )
      if (isEmpty(page)) break
      const here: Place = { stage: stage.name, after }
      if (held !== null) yield* batches(held.page, held.from, cursorAt(here))
      held = null
      if (page.more) yield* batches(page, here, cursorAt({ stage: stage.name, after: page.last }))
      else held = { page, from: here }
      after = page.last
      more = page.more
    }
  }
  if (held !== null) yield* batches(held.page, held.from, codec.encode(finished))
  return finished
}

/**
 * Describes the feed anew and, unless a round is under way, finds where each of its stages ends. A stage that has
 * nothing to read has no end.
 */
async function openRound(
  reading: Reading,
  state: State,
  signal: AbortSignal,
): Promise<Readonly<{ plan: Plan; stages: readonly Stage[]; until: Until; seen: Horizon }>> {
  const { transport, name, feed, cursor, context } = reading
  return inSnapshot(transport, signal, async (snapshot) => {
    const stored = { feed: name, stored: state.horizon }
    const seen = await readHorizon(transport.dialect, snapshot, stored, signal)
    const plan = await planFeed(transport.dialect, snapshot, name, feed, signal)
    const stages = stagesOf(plan, feed, cursor)
    if (state.at !== null) return { plan, stages, until: state.at.until, seen }
    const until: Record<string, Until[string]> = {}
    for (const stage of stages) {
      if (stage.kind !== 'rising') continue
      const high = state.high[stage.name] ?? null
      const top = await readTop(
        plan,
        stage,
        snapshot,
        { zone: context.zone, overlap: cursor.overlap, high, floor: state.floor[stage.name] ?? null },
        signal,
      )
      if (top === null) continue
      if (top.isBelowCursor) {
        // A server that has not gone back deleted its newest rows: time goes on above them, so the place stays. A
        // sequence that began anew counts up below the place, and nobody would see what it counts.
        if (seen !== null && !top.isNumber) continue
        throw cursorFromFuture(reading, stage, high, top.bound[0] ?? '')
      }
      until[stage.name] = { bound: top.bound, high: top.high, isFloorPassed: top.isFloorPassed }
    }
    return { plan, stages, until, seen }
  })
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

function freshState(reading: Reading): State {
  return { columns: signature(reading), horizon: null, high: {}, floor: {}, at: null }
}

function storedState(reading: Reading, cursor: Cursor): State {
  const state = codec.decode(cursor)
  const columns = signature(reading)
  if (JSON.stringify(state.columns) !== JSON.stringify(columns))
    throw new AdapterError(
      'ADAPTER_CURSOR_STALE',
      `The stored cursor of feed ${reading.name} goes by ${state.columns.join(', ')}, its settings by ${columns.join(', ')}; choose by \`erpgw resync\` where it starts again.`,
    )
  return state
}

function signature(reading: Reading): readonly string[] {
  return [...reading.cursor.columns, ...reading.feed.key]
}

function highs(until: Until): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(until).map(([stage, { high }]) => [stage, high]))
}

function isEmpty(page: StagePage): boolean {
  return page.last === null && page.unreadable.length === 0
}

async function refuseNulls(
  reading: Reading,
  plan: Plan,
  stage: Stage,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  const range = { after: null, bound: null, high: null, floor: null }
  const page = await readStage(
    plan,
    stage,
    snapshot,
    range,
    reading.cursor.overlap,
    { ...reading.context, batchRecordsMax: 1 },
    signal,
  )
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
  const range = { after: null, bound: null, high: null, floor }
  try {
    const probe = { ...reading.context, batchRecordsMax: 1 }
    await readStage(plan, stage, snapshot, range, reading.cursor.overlap, probe, signal)
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
