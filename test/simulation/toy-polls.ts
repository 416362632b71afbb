import { z } from 'zod'
import type { Batch, Context, Cursor, Mark, SourceRecord, Unreadable } from '../../adapters/contract.ts'
import { defineCursor } from '../../adapters/cursor.ts'
import { type Erp, FIELDS, type ToyFeed, trouble } from './toy-calls.ts'
import { type Change, dataOf, NO_STATUS, type World } from './world.ts'

/** One poll of one feed. */
export type Poll = Readonly<{
  erp: Erp
  name: string
  spec: ToyFeed
  context: Context
  signal: AbortSignal
  number: number
}>

export function pollOf(poll: Poll, cursor: Cursor | null): AsyncIterable<Batch> {
  switch (poll.spec.strategy) {
    case 'watermark':
      return pollWatermark(poll, cursor)
    case 'pass':
      return pollPass(poll, cursor)
    case 'queue':
      return pollQueue(poll, cursor)
  }
}

/** What stands before the cursor is forgotten by the ERP. */
export function settleQueue(erp: Erp, table: string, cursor: Cursor): void {
  queueOf(erp, table).settle(queueCursor.decode(cursor).upTo)
}

// ─── records ────────────────────────────────────────────────────────────────────────────────────

/** A version as the adapter hands it over; null where it cannot decode it. */
export function recordOf(change: Change, spec: ToyFeed, snapshot: number): SourceRecord | null {
  if (change.fields?.status === NO_STATUS) return null
  return {
    type: spec.table.toUpperCase(),
    key: change.key,
    op: change.fields === null ? 'delete' : 'upsert',
    order: spec.tells === 'order' || spec.tells === 'both' ? padded(snapshot) : null,
    rowVersion: spec.tells === 'version' || spec.tells === 'both' ? padded(change.rowVersion) : null,
    fingerprint: null,
    changedAt: new Date(change.watermark).toISOString(),
    data: change.fields === null ? {} : dataOf(change.key, change.fields, change),
  }
}

function padded(count: number): string {
  return String(count).padStart(12, '0')
}

function unreadableOf(change: Change, spec: ToyFeed): Unreadable {
  const raw = change.fields === null ? '' : JSON.stringify(dataOf(change.key, change.fields, change))
  return {
    where: `${spec.table} ${change.key}`,
    key: change.key,
    raw: new TextEncoder().encode(raw),
    reason: 'The status is no character of the code page.',
  }
}

type Contents = Readonly<{ records: SourceRecord[]; unreadable: Unreadable[] }>

/**
 * A page as it is handed over: where the source tells versions apart, sometimes an older one comes second. Not of a row
 * that cannot be read now: what is unreadable does not say which version it is.
 */
function contentsOf(poll: Poll, changes: readonly Change[]): Contents {
  const { erp, spec } = poll
  const records: SourceRecord[] = []
  const unreadable: Unreadable[] = []
  for (const change of changes) {
    const record = recordOf(change, spec, spec.strategy === 'queue' ? change.sequence : erp.world.sequence())
    if (record === null) unreadable.push(unreadableOf(change, spec))
    else records.push(record)
  }
  const readable = changes.filter(({ fields }) => fields?.status !== NO_STATUS)
  if (spec.tells !== 'nothing' && readable.length > 0 && erp.random.chance(erp.moods.staleChance)) {
    const { table, key, sequence } = erp.random.pick(readable)
    const older = erp.world.history(table, key).filter((change) => change.sequence < sequence)
    const stale = older.length === 0 ? null : erp.random.pick(older)
    const record = stale === null ? null : recordOf(stale, spec, stale.sequence)
    if (record !== null) records.push(record)
  }
  return { records, unreadable }
}

// ─── polls ──────────────────────────────────────────────────────────────────────────────────────

/** The number of the next page, where the cursors of the feed carry one. */
function pageOf({ erp, spec }: Poll): { page?: number } {
  erp.pages += 1
  return spec.countsPages ? { page: erp.pages } : {}
}

function handOver(poll: Poll, changes: readonly Change[], batch: Batch): Batch {
  poll.erp.note(poll.name, poll.number, batch, changes)
  return { ...batch, fields: FIELDS }
}

const place = z.strictObject({ watermark: z.int(), key: z.string(), page: z.int().exactOptional() })
const watermarkCursor = defineCursor({ kind: 'toy-watermark', version: 1, shape: place })

type Place = Readonly<z.output<typeof place>>

/**
 * Pages in the order of (stamp, key), from the overlap before the cursor up to the moment at which the poll began. Not
 * beyond it: a poll may take longer than the overlap, and what commits behind its place must stay within the next one's.
 */
async function* pollWatermark(poll: Poll, cursor: Cursor | null): AsyncGenerator<Batch> {
  const { erp, spec, context, signal } = poll
  const until = erp.now()
  let high: Place = cursor === null ? { watermark: 0, key: '' } : watermarkCursor.decode(cursor)
  const overlap = erp.overlap(spec)
  let from: Place = overlap === 0 ? high : { watermark: high.watermark - overlap, key: '' }
  for (;;) {
    await trouble(erp, context, signal)
    const page = [...erp.world.rows(spec.table).values()]
      .filter((change) => isAfter(change, from) && change.watermark <= until)
      .sort((left, right) => (isAfter(left, right) ? 1 : -1))
      .slice(0, spec.pageRows)
    const last = page.at(-1)
    if (last === undefined) return
    from = { watermark: last.watermark, key: last.key }
    if (isAfter(from, high)) high = from
    yield handOver(poll, page, {
      ...contentsOf(poll, page),
      next: watermarkCursor.encode({ ...high, ...pageOf(poll) }),
    })
    if (page.length < spec.pageRows) return
  }
}

function isAfter(left: Place, right: Place): boolean {
  return left.watermark === right.watermark ? left.key > right.key : left.watermark > right.watermark
}

const passCursor = defineCursor({
  kind: 'toy-pass',
  version: 1,
  shape: z.strictObject({ pass: z.string().nullable(), after: z.string(), page: z.int().exactOptional() }),
})

/** The whole table in the order of its keys, each page in a snapshot of its own. */
async function* pollPass(poll: Poll, cursor: Cursor | null): AsyncGenerator<Batch> {
  const { erp, spec, context, signal } = poll
  const resumed = cursor === null ? null : passCursor.decode(cursor)
  const id = resumed?.pass ?? context.runtime.uuid()
  let begins = resumed === null || resumed.pass === null
  let after = resumed?.after ?? ''
  for (;;) {
    await trouble(erp, context, signal)
    const page = liveRows(erp.world, spec.table)
      .filter(({ key }) => key > after)
      .slice(0, spec.pageRows)
    const ends = page.length < spec.pageRows
    after = page.at(-1)?.key ?? after
    const next = passCursor.encode({ pass: ends ? null : id, after: ends ? '' : after, ...pageOf(poll) })
    yield handOver(poll, page, { ...contentsOf(poll, page), next, pass: { id, begins, ends } })
    if (ends) return
    begins = false
  }
}

export function liveRows(world: World, table: string): Change[] {
  return [...world.rows(table).values()]
    .filter(({ fields }) => fields !== null)
    .sort((left, right) => (left.key < right.key ? -1 : 1))
}

// ─── the queue ──────────────────────────────────────────────────────────────────────────────────

type Message = Readonly<{ place: number; id: string; change: Change }>

export type Queue = Readonly<{
  after(place: number): readonly Message[]
  settle(upTo: number): void
}>

const queueCursor = defineCursor({
  kind: 'toy-queue',
  version: 1,
  shape: z.strictObject({ upTo: z.int(), page: z.int().exactOptional() }),
})

const RESENDS_KEPT_MS = 7 * 86_400_000

/** Each commit is a message, and some are sent once more, under the same id; what is settled is gone. */
function queueOf(erp: Erp, table: string): Queue {
  const known = erp.queues.get(table)
  if (known !== undefined) return known
  let messages: Message[] = []
  let taken = 0
  let placed = 0
  const fill = () => {
    for (const change of erp.world.changes().slice(taken)) {
      if (change.table !== table) continue
      messages.push({ place: ++placed, id: `m${change.sequence}`, change })
      if (!erp.random.chance(erp.moods.resendChance)) continue
      const sent = erp.world.history(table, change.key).filter(({ sequence }) => sequence <= change.sequence)
      const again = erp.random.pick(sent)
      messages.push({ place: ++placed, id: `m${again.sequence}`, change: again })
    }
    taken = erp.world.changes().length
  }
  const queue: Queue = {
    after(place) {
      fill()
      return messages.filter((message) => message.place > place)
    },
    settle(upTo) {
      messages = messages.filter((message) => message.place > upTo)
    },
  }
  erp.queues.set(table, queue)
  return queue
}

async function* pollQueue(poll: Poll, cursor: Cursor | null): AsyncGenerator<Batch> {
  const { erp, name, spec, context, signal } = poll
  let upTo = cursor === null ? 0 : queueCursor.decode(cursor).upTo
  const known = new Set<string>()
  for (;;) {
    await trouble(erp, context, signal)
    const waiting = queueOf(erp, spec.table).after(upTo)
    const page: Message[] = []
    for (const message of waiting) {
      if (page.length === spec.pageRows) break
      upTo = message.place
      if (known.has(message.id) || context.marks.get(name, message.id) !== undefined) continue
      known.add(message.id)
      page.push(message)
    }
    if (page.length === 0) return
    const marks = page.map(({ id, place }): Mark => ({ key: id, value: place, keepMs: RESENDS_KEPT_MS }))
    const changes = page.map(({ change }) => change)
    const next = queueCursor.encode({ upTo, ...pageOf(poll) })
    yield handOver(poll, changes, { ...contentsOf(poll, changes), next, marks })
  }
}
