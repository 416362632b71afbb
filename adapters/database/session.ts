import type { Context, FeedShape, Session, SourceRecord } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import { makeAll } from './changed-pages.ts'
import { checkFeeds, identityOf } from './check.ts'
import { readNewest } from './heights.ts'
import { pollPass } from './pass.ts'
import type { Plan } from './plan.ts'
import { inSnapshot, planFeed, wholeRow } from './plan.ts'
import { keyTuples, rowsOfKeys } from './rows-of-keys.ts'
import type { Feed } from './settings.ts'
import { risingCursor } from './settings.ts'
import { stagesOf } from './stages.ts'
import { createSweep } from './sweep.ts'
import type { Row, Snapshot, Transport } from './transport.ts'
import type { Reading } from './watermark.ts'
import { pollWatermark, startWatermark } from './watermark.ts'

/** Feeds of one database over one connection. */
export function createSession(
  transport: Transport,
  feeds: Readonly<Record<string, Feed>>,
  context: Context,
): Session {
  const feedOf = (name: string): Feed => {
    const feed = Object.hasOwn(feeds, name) ? feeds[name] : undefined
    if (feed !== undefined) return feed
    throw new AdapterError('ADAPTER_ENTITY_UNKNOWN', `There is no feed ${name}.`)
  }
  const held: Reading['held'] = new Map()
  const watermarkOf = (name: string, feed: Feed): Reading | null => {
    const cursor = risingCursor(feed)
    return cursor === null ? null : { transport, name, feed, cursor, context, held }
  }

  return {
    check: (signal) => checkFeeds(transport, feeds, context.zone, signal),
    identity: (signal) => identityOf(transport, signal),
    discover: (signal) =>
      inSnapshot(transport, signal, async (snapshot) => {
        const shapes: FeedShape[] = []
        for (const [name, feed] of Object.entries(feeds)) {
          const { fields } = await planFeed(transport.dialect, snapshot, name, feed, signal)
          shapes.push({ name, key: feed.key, fields })
        }
        return shapes
      }),
    preview: (name, limit, signal) =>
      inSnapshot(transport, signal, async (snapshot) => {
        const feed = feedOf(name)
        const plan = await planFeed(transport.dialect, snapshot, name, feed, signal)
        const rows = await someRows(plan, feed, snapshot, limit, signal)
        return (await makeAll(plan, snapshot, rows, signal)).records.slice(0, limit)
      }),
    poll(name, cursor, signal, known) {
      const feed = feedOf(name)
      const usable = transport.dialect.checksums === null ? undefined : known
      const reading = watermarkOf(name, feed)
      return reading === null
        ? pollPass({ transport, name, feed, context }, cursor, signal, usable)
        : pollWatermark(reading, cursor, signal, usable)
    },
    async startAt(name, from, signal) {
      const reading = watermarkOf(name, feedOf(name))
      if (reading !== null) return startWatermark(reading, from, signal)
      throw new AdapterError(
        'ADAPTER_CONFIG_INVALID',
        `Feed ${name} is compared whole and cannot start in the middle; use \`start: all\`.`,
      )
    },
    ...(transport.dialect.checksums === null
      ? {}
      : { sweep: createSweep(transport, transport.dialect.checksums, feedOf) }),
    read: (name, keys, signal) => readKeys(transport, name, feedOf(name), keys, signal),
    close: () => transport.close(),
  }
}

async function someRows(
  plan: Plan,
  feed: Feed,
  snapshot: Snapshot,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const cursor = risingCursor(feed)
  const [changed] = cursor === null ? [] : stagesOf(plan, feed, cursor)
  if (changed !== undefined) return readNewest(plan, changed, snapshot, limit, signal)
  const { dialect, header } = plan
  const columns = wholeRow(dialect, header).join(', ')
  return (await snapshot.query(dialect.limited(`SELECT ${columns} FROM ${header.from}`, limit), [], signal))
    .rows
}

async function readKeys(
  transport: Transport,
  name: string,
  feed: Feed,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<readonly SourceRecord[]> {
  const tuples = keyTuples(keys, feed.key)
  if (tuples.length === 0) return []
  try {
    return await inSnapshot(transport, signal, async (snapshot) => {
      const plan = await planFeed(transport.dialect, snapshot, name, feed, signal)
      const rows = await rowsOfKeys(plan, snapshot, tuples, signal)
      return (await makeAll(plan, snapshot, rows, signal)).records
    })
  } catch (error) {
    if (!(error instanceof AdapterError) || error.details['badValue'] !== true) throw error
    // A text that cannot be a value of the key column is a key that is not there. Halving finds which it is.
    if (keys.length === 1) return []
    const half = Math.ceil(keys.length / 2)
    const first = await readKeys(transport, name, feed, keys.slice(0, half), signal)
    return [...first, ...(await readKeys(transport, name, feed, keys.slice(half), signal))]
  }
}
