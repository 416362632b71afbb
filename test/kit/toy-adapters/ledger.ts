import { z } from 'zod'
import type { Adapter, Batch, Context, Cursor, Session, SourceRecord } from '../../../adapters/contract.ts'
import { defineCursor } from '../../../adapters/cursor.ts'
import { AdapterError } from '../../../adapters/errors.ts'
import { text } from '../../../adapters/shared/settings.ts'
import { ledgerCommands } from './ledger-commands.ts'

/** Mistakes that can be planted in the toy. */
export const LEDGER_BUGS = [
  'pass without end',
  'pass that begins anew when resumed',
  'pass that skips a row between pages',
  'eleven versions backwards',
  'forgets where a pass was',
  'forgets the row version',
  'older row version called newer',
  'point reads from a cache',
  'point reads invent rows',
  'start now reads the past',
  'command without deduplication',
  'look-up that lies final',
  'look-up that forgets its tenant',
  'ignores what the person saw',
  'looks and acts in two steps',
  'ignores the deadline',
  'throws nonsense',
  'silence taken for a refusal',
  'silence taken for retry',
  'repeats a step that is done',
  'records a step of another name',
] as const
export type LedgerBug = (typeof LEDGER_BUGS)[number]

export type LedgerRow = Readonly<{ key: string; version: number }>

/** A table that can only be read whole, by pages, and a small ERP behind it that takes commands. */
export interface LedgerTransport {
  page(after: string | null, limit: number): Promise<readonly LedgerRow[]>
  row(key: string): Promise<LedgerRow | null>
  /** The ERP has a unique constraint on `key`. */
  post(
    key: string,
    note: string,
  ): Promise<Readonly<{ reference: string; isNew: boolean } | { refused: string }>>
  posted(key: string): Promise<string | null>
  document(): Promise<Readonly<{ version: number; isReleased: boolean }>>
  /** Compares and acts in one step; null acts without comparing. */
  release(ifVersion: number | null): Promise<'released' | 'was-released' | 'changed'>
  close(): Promise<void>
}

const connection = z.strictObject({ table: text().describe('What is read.') })
const feed = z.strictObject({ table: text().describe('What is read.') })

const codec = defineCursor({
  kind: 'toy-ledger',
  version: 1,
  shape: z.strictObject({ pass: z.string().nullable(), after: z.string().nullable(), from: z.number() }),
})

/** A table that is compared whole, with commands. */
export function toyLedger(bug: LedgerBug | null = null) {
  const has = (one: LedgerBug) => bug === one
  return {
    kind: 'toy-ledger',
    summary: 'Reads a table whole and carries out two commands.',
    connection,
    feed,
    example: { connection: { table: 'ledger' }, feeds: { ledger: { table: 'ledger' } } },
    traits: () => ({ order: 'per-key', deletes: 'by-pass', replay: 'from-any-cursor' }),
    hosts: () => [],
    async connect(): Promise<LedgerTransport> {
      throw new AdapterError('ADAPTER_UNREACHABLE', 'There is no ledger outside the kit.')
    },
    session: (transport, feeds, context) => createSession(transport, Object.keys(feeds), context, has),
  } as const satisfies Adapter<typeof connection, typeof feed, LedgerTransport>
}

function createSession(
  transport: LedgerTransport,
  feeds: readonly string[],
  context: Context,
  has: (bug: LedgerBug) => boolean,
): Session {
  const known = (name: string) => {
    if (feeds.includes(name)) return
    throw new AdapterError('ADAPTER_ENTITY_UNKNOWN', `There is no feed ${name}.`)
  }
  const recordOf = (row: LedgerRow) => makeRecord(row, has)
  return {
    async check() {
      try {
        await transport.page(null, 1)
        return { ok: true }
      } catch (error) {
        return { ok: false, reason: error instanceof Error ? error.message : 'no answer' }
      }
    },
    identity: async () => 'ledger',
    discover: async () => feeds.map((name) => ({ name, key: ['key'], fields: FIELDS })),
    async preview(name, limit) {
      known(name)
      return (await transport.page(null, limit)).map(recordOf)
    },
    poll(name, cursor, signal) {
      known(name)
      return poll(transport, cursor, context, has, signal)
    },
    async read(_name, keys) {
      const records: SourceRecord[] = []
      for (const key of keys) {
        const row = await transport.row(key)
        if (row === null && has('point reads invent rows')) records.push(recordOf({ key, version: 0 }))
        if (row !== null) records.push(recordOf(has('point reads from a cache') ? { key, version: 1 } : row))
      }
      return records
    },
    async startAt() {
      if (has('start now reads the past')) return codec.encode({ pass: null, after: null, from: 0 })
      throw new AdapterError('ADAPTER_CONFIG_INVALID', 'A table that is compared whole has no middle.')
    },
    commands: ledgerCommands(transport, context, has),
    close: () => transport.close(),
  }
}

const FIELDS = { key: 'text', version: 'number' }

async function* poll(
  transport: LedgerTransport,
  cursor: Cursor | null,
  context: Context,
  has: (bug: LedgerBug) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const stored = cursor === null ? null : codec.decode(cursor)
  let begins = stored === null || stored.pass === null
  let after = stored?.after ?? null
  if (has('forgets where a pass was') && stored?.pass) return
  const id = stored?.pass ?? context.runtime.uuid()
  for (let more = true; more; ) {
    signal.throwIfAborted()
    const rows = await transport.page(after, context.batchRecordsMax + 1)
    more = rows.length > context.batchRecordsMax
    const kept = rows.slice(0, context.batchRecordsMax)
    after = (has('pass that skips a row between pages') && more ? rows.at(-1) : kept.at(-1))?.key ?? after
    yield {
      records: kept.map((row) => makeRecord(row, has)),
      unreadable: [],
      next: codec.encode(more ? { pass: id, after, from: 0 } : { pass: null, after: null, from: 0 }),
      pass: {
        id,
        begins: begins || has('pass that begins anew when resumed'),
        ends: !more && !has('pass without end'),
      },
      fields: FIELDS,
    }
    begins = false
  }
  // What changed before the place of resuming shows in a whole pass only.
  if (stored?.pass !== undefined && stored.pass !== null) yield* poll(transport, null, context, has, signal)
}

function makeRecord(row: LedgerRow, has: (bug: LedgerBug) => boolean): SourceRecord {
  return {
    type: 'ledger',
    key: row.key,
    op: 'upsert',
    order: null,
    rowVersion: rowVersionOf(row, has),
    fingerprint: null,
    changedAt: null,
    data: { key: row.key, version: has('eleven versions backwards') ? '1' : String(row.version) },
  }
}

function rowVersionOf(row: LedgerRow, has: (bug: LedgerBug) => boolean): string | null {
  if (has('forgets the row version')) return null
  const order = has('older row version called newer') ? 1000 - row.version : row.version
  return String(order).padStart(6, '0')
}
