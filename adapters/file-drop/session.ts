import type { Batch, Check, Context, Cursor, FeedShape, Session } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import type { State } from './cursor.ts'
import { codec, START } from './cursor.ts'
import type { FileReading } from './file.ts'
import { hashOf, peekIntoFile, readFile } from './file.ts'
import type { FileMark } from './ledger.ts'
import { fileMark, isSameFile, ledgerOf } from './ledger.ts'
import type { Feed } from './settings.ts'
import { isWanted } from './settings.ts'
import { settleFiles } from './settle.ts'
import type { FileEntry, Transport } from './transport.ts'
import type { Waiting } from './waiting.ts'
import { byOrder, lookThrough } from './waiting.ts'

/** Feeds of one folder. */
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
  return {
    check: (signal) => check(transport, feeds, signal),
    // A folder has nothing by which it could be told from another one in its place.
    identity: async () => null,
    async discover(signal) {
      const shapes: FeedShape[] = []
      for (const [name, feed] of Object.entries(feeds)) {
        const fields = (await lookInto(transport, name, feed, 1, signal)).fields
        shapes.push({ name, key: feed.key ?? [], fields })
      }
      return shapes
    },
    preview: async (name, limit, signal) =>
      (await lookInto(transport, name, feedOf(name), limit, signal)).records,
    poll: (name, cursor, signal) => poll(transport, name, feedOf(name), cursor, context, signal),
    settle: (name, cursor, signal) =>
      settleFiles(transport, feedOf(name), codec.decode(cursor), ledgerOf(context, name), context, signal),
    close: () => transport.close(),
  }
}

async function* poll(
  transport: Transport,
  name: string,
  feed: Feed,
  cursor: Cursor | null,
  context: Context,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const ledger = ledgerOf(context, name)
  const readingOf = readings(transport, name, feed, context.batchRecordsMax)
  let state = cursor === null ? START : codec.decode(cursor)
  const waiting = await lookThrough(transport, feed, ledger, context, signal)
  yield* remarks(waiting, codec.encode(state), context.batchRecordsMax)
  let resumed: string | null = null
  if (state.file !== null) {
    const rest = await restOf(transport, name, state.file, state.delivered, readingOf, context, signal)
    if (rest !== null) {
      yield* readFile(rest, signal)
      resumed = rest.entry.name
    }
    state = { delivered: state.delivered + (rest === null ? 0 : 1), file: null }
  }
  for (const entry of waiting.finished) {
    signal.throwIfAborted()
    // From the beginning, whatever still lies here is read again: settled files are gone, these are not.
    const known = cursor === null ? null : ledger.file(entry.name)
    if (entry.name === resumed || isSameFile(entry, known)) continue
    const sha256 = await hashOf(transport, entry.name, signal)
    if (known?.sha256 === sha256) yield duplicate(entry, known, state)
    else yield* readFile(readingOf(entry, sha256, state.delivered), signal)
    state = { delivered: state.delivered + 1, file: null }
  }
}

type ReadingOf = (entry: FileEntry, sha256: string, delivered: number) => FileReading

function readings(transport: Transport, feedName: string, feed: Feed, recordsMax: number): ReadingOf {
  return (entry, sha256, delivered) => ({
    transport,
    feedName,
    feed,
    entry,
    sha256,
    delivered,
    skip: 0,
    broken: false,
    recordsMax,
  })
}

/** The rest of the file that was under way; null where another file has its name, which is read from its beginning. */
async function restOf(
  transport: Transport,
  feedName: string,
  file: NonNullable<State['file']>,
  delivered: number,
  readingOf: ReadingOf,
  context: Context,
  signal: AbortSignal,
): Promise<FileReading | null> {
  const [entry] = await transport.list((name) => name === file.name, signal)
  if (entry === undefined || !entry.isRegular)
    throw new AdapterError(
      'ADAPTER_CURSOR_STALE',
      `${file.name} was taken away when ${file.records} records of it had been read; put it back, or choose by \`erpgw resync\` where feed ${feedName} starts again.`,
      { details: { file: file.name, recordsRead: file.records } },
    )
  const sha256 = await hashOf(transport, file.name, signal)
  if (sha256 === file.sha256)
    return { ...readingOf(entry, sha256, delivered), skip: file.records, broken: file.broken }
  context.logger.warn(
    'A file was replaced while it was being read; the new one is read from its beginning.',
    {
      feed: feedName,
      file: file.name,
      recordsRead: file.records,
    },
  )
  return null
}

/** The very bytes that were delivered last under this name: nothing to say, but done, so that it is moved aside. */
function duplicate(entry: FileEntry, known: FileMark, state: State): Batch {
  const { size, stamp } = entry
  const mark = { size, stamp, sha256: known.sha256, sequence: state.delivered, fault: known.fault }
  return {
    records: [],
    unreadable: [],
    next: codec.encode({ delivered: state.delivered + 1, file: null }),
    marks: [fileMark(entry.name, mark)],
  }
}

/** What the look through the folder itself found, in batches that move no cursor. */
function* remarks(waiting: Waiting, here: Cursor, recordsMax: number): Generator<Batch> {
  const { refused, marks } = waiting
  for (let begin = 0; begin < refused.length || begin < marks.length; begin += recordsMax)
    yield {
      records: [],
      unreadable: refused.slice(begin, begin + recordsMax),
      next: here,
      marks: marks.slice(begin, begin + recordsMax),
    }
}

async function check(
  transport: Transport,
  feeds: Readonly<Record<string, Feed>>,
  signal: AbortSignal,
): Promise<Check> {
  try {
    const obstacle = await transport.obstacle(signal)
    if (obstacle !== null) return { ok: false, reason: obstacle }
    const notes: string[] = []
    for (const [name, feed] of Object.entries(feeds)) {
      const entries = await transport.list(isWanted(feed), signal)
      const refused = entries.filter((entry) => !entry.isRegular).length
      notes.push(`Feed ${name}: ${entries.length - refused} files wait in the folder.`)
      if (refused > 0) notes.push(`Feed ${name}: ${refused} links or folders fit the names and are refused.`)
    }
    return { ok: true, notes }
  } catch (error) {
    if (error instanceof AdapterError) return { ok: false, reason: error.message }
    throw error
  }
}

/** Into the newest file that lies here, whole or not. */
async function lookInto(
  transport: Transport,
  name: string,
  feed: Feed,
  limit: number,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof peekIntoFile>>> {
  const entries = (await transport.list(isWanted(feed), signal)).filter((entry) => entry.isRegular)
  const newest = [...entries].sort(byOrder(feed)).at(-1)
  if (newest === undefined) return { fields: {}, records: [] }
  const sha256 = await hashOf(transport, newest.name, signal)
  return peekIntoFile(readings(transport, name, feed, limit)(newest, sha256, 0), limit, signal)
}
