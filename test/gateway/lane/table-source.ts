import { z } from 'zod'
import type {
  Adapter,
  Batch,
  Context,
  Cursor,
  Json,
  Session,
  SourceRecord,
  Unreadable,
} from '../../../adapters/contract.ts'
import { AdapterError } from '../../../adapters/errors.ts'

/** A row of a table of an old ERP, as a test writes it. */
export type Row = { readonly [field: string]: Json }

export type Table = {
  /** By source key. */
  rows: Map<string, Row>
  /** What a `changes` feed delivers, in order; a `pass` feed reads `rows`. */
  changes: SourceRecord[]
  identity: string
  fields: Record<string, string>
  /** Records in one batch. */
  page: number
  canRead: boolean
  canSettle: boolean
}

export function newTable(): Table {
  return {
    rows: new Map(),
    changes: [],
    identity: 'toy/1',
    fields: { number: 'text', amount: 'numeric' },
    page: 4,
    canRead: true,
    canSettle: true,
  }
}

/** Changes the row and queues the change. */
export function put(table: Table, key: string, row: Row): void {
  table.rows.set(key, row)
  table.changes.push(record(key, row))
}

/** Rows k0, k1 … with the numbers P0, P1 … */
export function putMany(table: Table, count: number, amount = 'A'): void {
  for (let row = 0; row < count; row += 1) put(table, `k${row}`, { number: `P${row}`, amount })
}

export function record(key: string, data: Row, extra: Partial<SourceRecord> = {}): SourceRecord {
  return {
    type: 'toy',
    key,
    op: 'upsert',
    order: null,
    rowVersion: null,
    fingerprint: null,
    changedAt: null,
    data,
    ...extra,
  }
}

/** Something that the source said and nobody can read; another `byte`, another thing at the same place. */
export function torn(key: string | null, byte = 1): Unreadable {
  return { where: 'line 1', key, raw: new Uint8Array([byte]), reason: 'torn' }
}

/** What stands in the place of the session's own calls; asked anew for each session. */
export type SessionChange = (inner: Session, context: Context) => Partial<Session>

/** A poll that delivers these batches, whatever the table holds. */
export function delivers(batches: readonly Partial<Batch>[]): SessionChange {
  return () => ({
    async *poll(_feed, cursor) {
      let at = Number(cursor ?? 0)
      for (const batch of batches) {
        at += 1
        yield { records: [], unreadable: [], next: String(at) as Cursor, ...batch }
      }
    },
  })
}

/** Polls whose batches are altered on the way. */
export function alters(change: (batch: Batch) => Batch): SessionChange {
  return (inner) => ({
    async *poll(feed, cursor, signal) {
      for await (const batch of inner.poll(feed, cursor, signal)) yield change(batch)
    },
  })
}

/** Sessions that break when they have delivered so many batches, for good or so that a retry is worth it. */
export function breaksAfter(
  batches: number,
  code: 'ADAPTER_AUTH_FAILED' | 'ADAPTER_UNREACHABLE',
  meanwhile: () => void = () => undefined,
): SessionChange {
  return (inner) => {
    let delivered = 0
    return {
      async *poll(feed, cursor, signal) {
        for await (const batch of inner.poll(feed, cursor, signal)) {
          yield batch
          delivered += 1
          if (delivered < batches) continue
          meanwhile()
          throw new AdapterError(code, 'The session broke.')
        }
      },
    }
  }
}

/** How a lane reads the table. */
export type Reading = Readonly<{
  strategy?: 'changes' | 'pass'
  /** Says of itself that it hands over everything only once. */
  handsOverOnce?: boolean
  session?: SessionChange
}>

export function tableAdapter(table: Table, options: Reading): Adapter<z.ZodType, z.ZodObject, null> {
  return {
    kind: 'toy',
    summary: 'A table in memory.',
    connection: z.strictObject({}),
    feed: z.strictObject({}),
    example: { connection: {}, feeds: {} },
    traits: () => ({
      order: 'total',
      deletes: 'by-pass',
      replay: options.handsOverOnce === true ? 'until-settled' : 'from-any-cursor',
    }),
    hosts: () => [],
    connect: async () => null,
    session(_transport, _feeds, context) {
      const inner = tableSession(table, options.strategy ?? 'changes')
      return { ...inner, ...options.session?.(inner, context) }
    },
  }
}

function tableSession(table: Table, strategy: 'changes' | 'pass'): Session {
  return {
    check: async () => ({ ok: true }),
    identity: async () => table.identity,
    discover: async () => [{ name: 'payments', key: ['number'], fields: table.fields }],
    preview: async (_feed, limit) => [...table.rows].slice(0, limit).map(([key, row]) => record(key, row)),
    poll: (_feed, cursor) => (strategy === 'changes' ? pollChanges(table, cursor) : pollPass(table, cursor)),
    startAt: async () => String(table.changes.length) as Cursor,
    ...(table.canRead
      ? {
          read: async (_feed: string, keys: readonly string[]) =>
            keys.flatMap((key) => {
              const row = table.rows.get(key)
              return row === undefined ? [] : [record(key, row)]
            }),
        }
      : {}),
    ...(table.canSettle ? { settle: async () => undefined } : {}),
    close: async () => undefined,
  }
}

async function* pollChanges(table: Table, cursor: Cursor | null): AsyncGenerator<Batch> {
  for (let at = Number(cursor ?? 0); at < table.changes.length; at += table.page) {
    const records = table.changes.slice(at, at + table.page)
    yield {
      records,
      unreadable: [],
      next: String(Math.min(at + table.page, table.changes.length)) as Cursor,
      fields: { ...table.fields },
    }
  }
}

async function* pollPass(table: Table, cursor: Cursor | null): AsyncGenerator<Batch> {
  const [id = '0', from = ''] = (cursor ?? '0|').split('|')
  const isFresh = from === ''
  const pass = isFresh ? String(Number(id) + 1) : id
  let after = from
  let begins = isFresh
  while (true) {
    const keys = [...table.rows.keys()].sort().filter((key) => key > after)
    const some = keys.slice(0, table.page)
    const ends = keys.length <= table.page
    after = some.at(-1) ?? after
    yield {
      records: some.map((key) => record(key, table.rows.get(key) ?? {})),
      unreadable: [],
      next: (ends ? `${pass}|` : `${pass}|${after}`) as Cursor,
      pass: { id: pass, begins, ends },
      fields: { ...table.fields },
    }
    if (ends) return
    begins = false
  }
}
