import { z } from 'zod'
import type {
  Adapter,
  Batch,
  Context,
  Cursor,
  Session,
  SourceRecord,
  Unreadable,
} from '../../../adapters/contract.ts'
import { defineCursor } from '../../../adapters/cursor.ts'
import { AdapterError } from '../../../adapters/errors.ts'
import { secretReference, text } from '../../../adapters/shared/settings.ts'

/** Mistakes that can be planted in the toy. Each is one that somebody has made in a real connector. */
export const JOURNAL_BUGS = [
  'skips the rest of a segment behind a bad line',
  'throws on a bad line',
  'loses bad lines silently',
  'settles one segment too many',
  'settles only once',
  'swallows read errors',
  'cursor off by one',
  'cursor before its records',
  'unstable key',
  'unstable content',
  'reads everything ahead',
  'deletions declared otherwise',
  'deletions forgotten',
  'ignores the signal',
  'batches over the limit',
  'empty batch at the end',
  'check throws',
  'check always passes',
  'secret in an error',
  'preview settles',
  'accepts any setting',
  'settings without description',
  'reads any cursor',
  'throws plain errors',
  'fields described wrongly',
  'another identity each time',
  'example with a slip',
  'reads a feed that is not there',
  'polls only once',
  'takes a changed record for known',
] as const
export type JournalBug = (typeof JOURNAL_BUGS)[number]

/** A source that appends lines to segments of three: `+ key version`, `- key`, or anything else. */
export interface JournalTransport {
  /** Names of the segments that are not archived, oldest first. */
  segments(): Promise<readonly string[]>
  lines(segment: string): AsyncIterable<string>
  archive(segment: string): Promise<void>
  close(): Promise<void>
}

export const SEGMENT_LINES = 3

const connection = z.strictObject({
  folder: text().describe('Where the segments lie.'),
  password: secretReference().describe('Opens them.'),
})
const feed = z.strictObject({ prefix: text().describe('How the names of the segments begin.') })

const codec = defineCursor({
  kind: 'toy-journal',
  version: 1,
  shape: z.strictObject({ segment: z.string(), line: z.number() }),
})

type Place = Readonly<{ segment: string; line: number }>

/** A journal that is read line by line: all changes in their order, deletions among them, gone once settled. */
export function toyJournal(bug: JournalBug | null = null) {
  const has = (one: JournalBug) => bug === one
  return {
    kind: 'toy-journal',
    summary: 'Reads the segments of a journal.',
    connection: has('accepts any setting') ? z.looseObject(connection.shape) : connection,
    feed: has('settings without description') ? z.strictObject({ prefix: z.string() }) : feed,
    example: {
      connection: { folder: '/journal', password: 'env:JOURNAL' },
      feeds: { entries: { prefix: has('example with a slip') ? '' : 's' } },
    },
    traits: () => ({
      order: 'total',
      deletes: has('deletions declared otherwise') ? 'invisible' : 'reported',
      replay: 'until-settled',
    }),
    hosts: () => [],
    async connect(settings, context): Promise<JournalTransport> {
      const secret = context.secret(settings.password)
      const shown = has('secret in an error') ? ` with ${secret}` : ''
      throw new AdapterError('ADAPTER_UNREACHABLE', `There is no journal in ${settings.folder}${shown}.`)
    },
    session: (transport, feeds, context) => createSession(transport, Object.keys(feeds), context, has),
  } as const satisfies Adapter<z.ZodObject<typeof connection.shape>, z.ZodObject, JournalTransport>
}

let identities = 0

function createSession(
  transport: JournalTransport,
  feeds: readonly string[],
  context: Context,
  has: (bug: JournalBug) => boolean,
): Session {
  const known = (name: string) => {
    if (feeds.includes(name) || has('reads a feed that is not there')) return
    throw new AdapterError('ADAPTER_ENTITY_UNKNOWN', `There is no feed ${name}.`)
  }
  const fields = { key: 'text', ...(has('fields described wrongly') ? {} : { version: 'text' }) }
  const seen = new Set<string>()
  const session: Session = {
    async check() {
      if (has('check throws')) await transport.segments()
      try {
        await transport.segments()
        return { ok: true }
      } catch (error) {
        if (has('check always passes')) return { ok: true }
        return { ok: false, reason: error instanceof Error ? error.message : 'no answer' }
      }
    },
    async identity() {
      identities += 1
      return has('another identity each time') ? `journal-${identities}` : 'journal'
    },
    discover: async () => feeds.map((name) => ({ name, key: ['key'], fields })),
    async preview(name, limit, signal) {
      known(name)
      const records: SourceRecord[] = []
      for await (const batch of poll(transport, null, context, has, signal)) {
        records.push(...batch.records)
        if (has('preview settles')) await session.settle?.(name, batch.next, signal)
        if (records.length >= limit) break
      }
      return records.slice(0, limit)
    },
    async *poll(name, cursor, signal) {
      known(name)
      if (has('polls only once') && seen.size > 0) return
      for await (const batch of poll(transport, cursor, context, has, signal)) {
        const isKnown = (key: string) => has('takes a changed record for known') && seen.has(key)
        const records = batch.records.filter(({ key }) => !isKnown(key))
        for (const { key } of batch.records) seen.add(key)
        yield { ...batch, records, fields }
      }
    },
    async settle(_name, cursor) {
      const at = codec.decode(cursor)
      const open = await transport.segments()
      const isDone = (segment: string) =>
        segment < at.segment || (segment === at.segment && at.line >= SEGMENT_LINES)
      const done = open.filter((segment, index) =>
        has('settles one segment too many') ? index === 0 || isDone(segment) : isDone(segment),
      )
      if (done.length === 0 && has('settles only once')) throw new Error('Nothing to settle.')
      for (const segment of done) await transport.archive(segment)
    },
    close: () => transport.close(),
  }
  return session
}

type Said = Readonly<{ at: Place; record: SourceRecord } | { at: Place; unreadable: Unreadable }>

async function* poll(
  transport: JournalTransport,
  cursor: Cursor | null,
  context: Context,
  has: (bug: JournalBug) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let pending: Said[] = []
  let at = startOf(cursor, has)
  const portion = (): Batch => {
    const last = pending.at(-1)?.at ?? at
    at = last
    const ahead = has('cursor off by one')
      ? 1
      : has('cursor before its records')
        ? context.batchRecordsMax
        : 0
    const batch = batchOf(pending, { segment: last.segment, line: last.line + ahead })
    pending = []
    return batch
  }
  const limit = has('batches over the limit') ? context.batchRecordsMax + 1 : context.batchRecordsMax
  for await (const said of everything(transport, at, has, signal)) {
    pending.push(said)
    if (pending.length >= limit) yield portion()
  }
  if (pending.length > 0 || has('empty batch at the end')) yield portion()
}

function startOf(cursor: Cursor | null, has: (bug: JournalBug) => boolean): Place {
  if (cursor === null) return { segment: '', line: 0 }
  if (!has('reads any cursor')) return codec.decode(cursor)
  try {
    return codec.decode(cursor)
  } catch {
    return { segment: '', line: 0 }
  }
}

async function* everything(
  transport: JournalTransport,
  from: Place,
  has: (bug: JournalBug) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Said> {
  const lines = linesFrom(transport, from, has, signal)
  const said = has('reads everything ahead') ? await Array.fromAsync(lines) : lines
  yield* said
}

async function* linesFrom(
  transport: JournalTransport,
  from: Place,
  has: (bug: JournalBug) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Said> {
  for (const segment of await transport.segments()) {
    if (segment < from.segment) continue
    let line = 0
    try {
      for await (const written of transport.lines(segment)) {
        if (!has('ignores the signal')) signal.throwIfAborted()
        line += 1
        if (segment === from.segment && line <= from.line) continue
        const said = read(written, { segment, line }, has)
        if (said === 'skip') break
        if (said !== 'lose') yield said
      }
    } catch (error) {
      if (has('throws plain errors')) throw new Error('read failed', { cause: error })
      if (!has('swallows read errors') || signal.aborted) throw error
    }
  }
}

let reads = 0

function read(written: string, at: Place, has: (bug: JournalBug) => boolean): Said | 'skip' | 'lose' {
  const match = /^([+-]) (\S+)(?: (\d+))?$/.exec(written)
  if (match === null) {
    if (has('throws on a bad line')) throw new AdapterError('ADAPTER_UNREACHABLE', 'A line is bad.')
    if (has('skips the rest of a segment behind a bad line')) return 'skip'
    if (has('loses bad lines silently')) return 'lose'
    const raw = new TextEncoder().encode(written)
    return { at, unreadable: { where: `${at.segment}:${at.line}`, key: null, raw, reason: 'is no entry' } }
  }
  reads += 1
  const [, sign, key = '', version = '0'] = match
  if (sign === '-' && has('deletions forgotten')) return 'lose'
  const data = { key, version, ...(has('unstable content') ? { read: String(reads) } : {}) }
  return {
    at,
    record: {
      type: 'entry',
      key: has('unstable key') ? `${key}-${reads}` : key,
      op: sign === '-' ? 'delete' : 'upsert',
      order: null,
      rowVersion: null,
      fingerprint: null,
      changedAt: null,
      data,
    },
  }
}

function batchOf(said: readonly Said[], next: Place): Batch {
  return {
    records: said.flatMap((one) => ('record' in one ? [one.record] : [])),
    unreadable: said.flatMap((one) => ('unreadable' in one ? [one.unreadable] : [])),
    next: codec.encode(next),
  }
}
