import { z } from 'zod'
import type { Adapter, Batch, Session, SourceRecord, Unreadable } from '../../../../adapters/contract.ts'
import { defineCursor } from '../../../../adapters/cursor.ts'
import { AdapterError } from '../../../../adapters/errors.ts'
import { path, text } from '../../../../adapters/shared/settings.ts'

/** All that the session asks of the source, and all that a test replaces. Throws AdapterErrors. */
export interface Transport {
  /** Lines that were appended, from this one on (0 is the first). */
  lines(from: number): AsyncIterable<string>
  close(): Promise<void>
}

const connection = z.strictObject({ path: path().describe('Path of the file that lines are appended to.') })
const feed = z.strictObject({ separator: text().describe('What stands between key and value of a line.') })
const codec = defineCursor({ kind: 'example', version: 1, shape: z.number() })
const fields = { key: 'text', value: 'text' }

/** A file that lines of a key and a value are appended to. */
export const adapter = {
  kind: 'example',
  summary: 'Reads lines that are appended to a file.',
  connection,
  feed,
  example: { connection: { path: '/var/log/erp.txt' }, feeds: { entries: { separator: '=' } } },
  traits: () => ({ order: 'total', deletes: 'invisible', replay: 'from-any-cursor' }),
  hosts: () => [],
  connect: async (settings) => (await import('./driver.ts')).openLines(settings.path),
  session(transport, feeds, context): Session {
    async function* poll(name: string, from: number, max: number, signal: AbortSignal) {
      const settings = feeds[name]
      if (settings === undefined)
        throw new AdapterError('ADAPTER_ENTITY_UNKNOWN', `There is no feed ${name}.`)
      const said: (SourceRecord | Unreadable)[] = []
      let line = from
      for await (const written of transport.lines(from)) {
        signal.throwIfAborted()
        said.push(read(name, written, settings.separator, ++line))
        if (said.length === max) yield batchOf(said.splice(0), line)
      }
      if (said.length > 0) yield batchOf(said, line)
    }
    return {
      async check() {
        const error = await first(transport.lines(0)).then(() => null, String)
        return error === null ? { ok: true } : { ok: false, reason: error }
      },
      identity: async () => null,
      discover: async () => Object.keys(feeds).map((name) => ({ name, key: ['key'], fields })),
      preview: async (name, limit, signal) => (await first(poll(name, 0, limit, signal)))?.records ?? [],
      poll: (name, cursor, signal) =>
        poll(name, cursor === null ? 0 : codec.decode(cursor), context.batchRecordsMax, signal),
      close: () => transport.close(),
    }
  },
} as const satisfies Adapter<typeof connection, typeof feed, Transport>

function read(type: string, written: string, separator: string, line: number): SourceRecord | Unreadable {
  const [key = '', value] = written.split(separator)
  if (value === undefined)
    return { where: `line ${line}`, key: null, raw: Buffer.from(written), reason: `has no ${separator}` }
  const unsaid = { order: null, rowVersion: null, fingerprint: null, changedAt: null }
  return { type, key, op: 'upsert', ...unsaid, data: { key, value } }
}

function batchOf(said: readonly (SourceRecord | Unreadable)[], next: number): Batch {
  const [records, unreadable] = [said.filter((one) => 'op' in one), said.filter((one) => 'reason' in one)]
  return { records, unreadable, next: codec.encode(next), fields }
}

async function first<Item>(items: AsyncIterable<Item>): Promise<Item | undefined> {
  for await (const item of items) return item
  return undefined
}
