import { z } from 'zod'
import type { Batch, Context, Cursor, Known } from '../contract.ts'
import { defineCursor } from '../cursor.ts'
import { AdapterError } from '../errors.ts'
import { batchesOf } from './batches.ts'
import { readChanged } from './changed-pages.ts'
import type { Horizon } from './horizon.ts'
import { horizon, readHorizon } from './horizon.ts'
import { readRecords } from './keyset.ts'
import type { Plan } from './plan.ts'
import { inSnapshot, planFeed } from './plan.ts'
import type { Feed } from './settings.ts'
import { usualOverlap } from './settings.ts'
import type { StagePage } from './stage-pages.ts'
import { EVERYTHING, flat, readStage } from './stage-pages.ts'
import { keyless, present } from './stages.ts'
import type { Row, Snapshot, Transport } from './transport.ts'
import { asMoved } from './watermark.ts'

const values = z.array(z.string()).readonly()

/**
 * `pass`: the one under way and the key of the last row read in it; null between two passes. `horizon`: how far the
 * server had come when the last pass was begun, or gone on with.
 */
const shape = z
  .strictObject({
    key: values,
    horizon,
    pass: z.nullable(z.strictObject({ id: z.string(), after: z.nullable(values) }).readonly()),
  })
  .readonly()

const codec = defineCursor({ kind: 'database-snapshot', version: 1, shape })

type Reading = Readonly<{ transport: Transport; name: string; feed: Feed; context: Context }>

/**
 * Reads everything once, in the order of the key as the database itself compares it, page by page, each in a snapshot
 * of its own. A pass that was broken off goes on behind the last key; then a whole new one shows what changed before
 * that place meanwhile.
 */
export async function* pollPass(
  reading: Reading,
  cursor: Cursor | null,
  signal: AbortSignal,
  known?: Known,
): AsyncGenerator<Batch> {
  const stored = cursor === null ? { horizon: null, pass: null } : storedState(reading, cursor)
  let seen: Horizon = stored.horizon
  if (stored.pass !== null) seen = yield* readPass(reading, stored, known, signal)
  yield* readPass(reading, { horizon: seen, pass: null }, known, signal)
}

type Standing = Readonly<Pick<z.output<typeof shape>, 'horizon' | 'pass'>>

/** Reads a pass, from its beginning or on, and gives the horizon that it saw. */
async function* readPass(
  reading: Reading,
  stored: Standing,
  known: Known | undefined,
  signal: AbortSignal,
): AsyncGenerator<Batch, Horizon> {
  const { transport, name, feed, context } = reading
  const id = stored.pass?.id ?? context.runtime.uuid()
  const { seen, plan } = await inSnapshot(transport, signal, async (snapshot) => {
    const known = { feed: name, stored: stored.horizon }
    const now = await readHorizon(transport.dialect, snapshot, known, signal)
    return { seen: now, plan: await planFeed(transport.dialect, snapshot, name, feed, signal) }
  })
  const cursorAt = (after: Row | null) =>
    codec.encode({
      key: feed.key,
      horizon: seen,
      pass: { id, after: after === null ? null : present(after) },
    })
  const between = codec.encode({ key: feed.key, horizon: seen, pass: null })
  let begins = stored.pass === null
  let after: Row | null = stored.pass?.after ?? null
  let wide = 0
  for (let more = true; more; ) {
    signal.throwIfAborted()
    const asked = wide > 0 ? undefined : known
    const page = await readPassPage(reading, plan, { begins, after, known: asked }, signal)
    wide = asked === undefined || page.unchanged.length >= page.records.length ? wide - 1 : WIDE_PAGES
    more = page.more
    yield* batchesOf(page, {
      from: begins ? between : cursorAt(after),
      next: more ? cursorAt(page.last) : between,
      recordsMax: context.batchRecordsMax,
      fields: plan.fields,
      pass: { id, begins, ends: !more },
    })
    begins = false
    after = page.last
  }
  return seen
}

/** Where most rows are new, so many pages are read whole at once before fingerprints are asked for again. */
const WIDE_PAGES = 8

async function readPassPage(
  reading: Reading,
  plan: Plan,
  { begins, after, known }: Readonly<{ begins: boolean; after: Row | null; known: Known | undefined }>,
  signal: AbortSignal,
): Promise<StagePage> {
  const limit = reading.context.batchRecordsMax
  const keyset = { relation: plan.header, order: plan.key, after, where: () => [] }
  const paging = { overlap: usualOverlap(false), limit, known: undefined }
  const read = async (snapshot: Snapshot): Promise<StagePage> => {
    const page = flat(
      known === undefined
        ? { ...(await readRecords(plan, snapshot, keyset, limit, signal)), unchanged: [] }
        : await readChanged(plan, snapshot, keyset, limit, known, signal),
    )
    const isKeyed = reading.feed.key.every((column) => plan.header.neverNull.has(column))
    if (!begins || isKeyed) return page
    const without = await readStage(plan, keyless(plan), snapshot, EVERYTHING, paging, signal)
    return { ...page, unreadable: [...page.unreadable, ...without.unreadable] }
  }
  try {
    return await inSnapshot(reading.transport, signal, read)
  } catch (error) {
    throw asMoved(reading.name, error)
  }
}

function storedState(reading: Reading, cursor: Cursor): Standing {
  const { key, ...standing } = codec.decode(cursor)
  if (JSON.stringify(key) === JSON.stringify(reading.feed.key)) return standing
  throw new AdapterError(
    'ADAPTER_CURSOR_STALE',
    `The stored cursor of feed ${reading.name} goes by the key ${key.join(', ')}, its settings by ${reading.feed.key.join(', ')}; choose by \`erpgw resync\` where it starts again.`,
  )
}
