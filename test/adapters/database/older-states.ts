import { expect } from 'vitest'
import type { Cursor } from '../../../adapters/contract.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import type { Reader } from './reader.ts'
import { byTime, createReader, keysOf } from './reader.ts'
import type { Situation } from './situation.ts'
import type { TableSource } from './tables.ts'
import { insert } from './words.ts'

const NEVER = new AbortController().signal

/** A source that is an older state of itself, and what only looks like it. */
export const OLDER_STATES: readonly Situation[] = [
  {
    name: 'the newest row of a quiet table may be deleted, and what comes later is found [F32]',
    async run(source, table) {
      await createDocuments(source, table)
      const reader = createReader(await withHorizon(source), byTime(table))
      await reader.poll()
      await source.erp(`DELETE FROM [${table}] WHERE [no] = 2`)
      for (let polls = 0; polls < 2; polls += 1) expect(await reader.poll()).toEqual([])
      const { instant } = source.words
      await source.erp(
        ...insert(table, `3, ${instant('2026-03-01 11:55:00')}`, `4, ${instant('2026-03-02 08:00:00')}`),
      )
      expect(keysOf(await reader.poll())).toEqual(['3', '4'])
    },
  },
  {
    name: 'a server without a horizon is taken for restored when its newest row lies far below the cursor [F32]',
    async run(source, table) {
      await createDocuments(source, table)
      const transport = await standingAt(source, () => null)
      const reader = createReader(transport, byTime(table))
      await reader.poll()
      await source.erp(`DELETE FROM [${table}] WHERE [no] = 2`)
      await expect(reader.poll()).rejects.toMatchObject({
        code: 'ADAPTER_CURSOR_STALE',
        details: {
          readUpTo: expect.stringMatching(/^2026-03-01.12:00:00/),
          highestNow: expect.stringMatching(/^2026-03-01.10:00:00/),
        },
      })
    },
  },
  {
    name: 'a sequence that began anew stops the feed [F32]',
    async run(source, table) {
      await source.erp(
        `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [seq] ${source.words.types.bigint})`,
        ...insert(table, '1, 1000'),
      )
      const cursor = { strategy: 'watermark', columns: ['seq'], overlap: '100' }
      const reader = createReader(await source.transport(), { table, key: ['no'], cursor })
      await reader.poll()
      await source.erp(`DELETE FROM [${table}]`, ...insert(table, '1, 1'))
      await expect(reader.poll()).rejects.toMatchObject({
        code: 'ADAPTER_CURSOR_STALE',
        details: { readUpTo: '1000', highestNow: '1' },
      })
    },
  },
  ...(['watermark', 'snapshot'] as const).map((strategy) => ({
    name: `a restored backup stops a feed by ${strategy}, however alike its rows are [F32]`,
    async run(source: TableSource, table: string) {
      await createDocuments(source, table)
      // Next to the newest row, so that each round has two pages and can be broken off.
      await source.erp(...insert(table, `3, ${source.words.instant('2026-03-01 12:01:00')}`))
      const server = { horizon: '9007199254740993' }
      const transport = await standingAt(source, () => server.horizon)
      const feed = { table, key: ['no'], cursor: { strategy: 'snapshot' } }
      const reader = createReader(transport, strategy === 'snapshot' ? feed : byTime(table), {
        batchRecordsMax: 1,
      })
      await reader.poll()
      await refusesOlder(reader, server, '9007199254740993', '9007199254740992')
      // It rises with each poll, between two digits as well.
      server.horizon = '10000000000000000'
      await reader.poll()
      await refusesOlder(reader, server, '10000000000000000', '9999999999999999')
      // A round or pass that was broken off is as old as it was when it was begun.
      server.horizon = '20000000000000000'
      await reader.poll(1)
      await refusesOlder(reader, server, '20000000000000000', '10000000000000000')
      // And when it is gone on with, it is as old as it was then.
      server.horizon = '30000000000000000'
      await reader.poll(1)
      await refusesOlder(reader, server, '30000000000000000', '20000000000000000')
      server.horizon = '30000000000000000'
      expect(new Set(keysOf(await reader.poll()))).toContain('2')
    },
  })),
  {
    name: 'a feed that starts from now is stopped by a restored backup from its first poll on [F32]',
    async run(source, table) {
      await createDocuments(source, table)
      const server = { horizon: '800' }
      const reader = createReader(await standingAt(source, () => server.horizon), byTime(table))
      reader.resumeAt((await reader.session.startAt?.('docs', 'now', NEVER)) ?? null)
      await refusesOlder(reader, server, '800', '799')
    },
  },
  {
    name: 'a cursor from before horizons were kept is gone on from',
    async run(source, table) {
      await createDocuments(source, table)
      for (const feed of [byTime(table), { table, key: ['no'], cursor: { strategy: 'snapshot' } }]) {
        const reader = createReader(await withHorizon(source), feed)
        await reader.poll()
        const kept = reader.cursor() ?? ''
        const older = kept.replace(/"horizon":"\d+",/, '')
        expect(older).not.toBe(kept)
        reader.resumeAt(older as Cursor)
        expect(keysOf(await reader.poll())).toContain('2')
        expect(reader.cursor()).toContain('"horizon":"')
      }
    },
  },
]

/** Two rows, further apart than the overlap. */
async function createDocuments({ words, erp }: TableSource, table: string): Promise<void> {
  await erp(
    `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${words.types.instant} NOT NULL)`,
    ...insert(
      table,
      `1, ${words.instant('2026-03-01 10:00:00')}`,
      `2, ${words.instant('2026-03-01 12:00:00')}`,
    ),
  )
}

/** A connection to a server that tells its horizon: its own, or where its engine has none, one that stands. */
async function withHorizon(source: TableSource): Promise<Transport> {
  const transport = await source.transport()
  return transport.dialect.horizon === null ? standingAt(source, () => '1') : transport
}

/** The same server at the transaction that the test says; null: it is of an engine that cannot tell. */
async function standingAt(source: TableSource, horizon: () => string | null): Promise<Transport> {
  const transport = await source.transport()
  const dialect = {
    ...transport.dialect,
    get horizon() {
      const at = horizon()
      return at === null ? null : source.words.one(at)
    },
  }
  return { dialect, snapshot: transport.snapshot, close: transport.close }
}

async function refusesOlder(reader: Reader, server: { horizon: string }, stored: string, now: string) {
  server.horizon = now
  const failure: unknown = await reader.poll().catch((error: unknown) => error)
  expect(failure).toMatchObject({
    code: 'ADAPTER_CURSOR_STALE',
    details: { horizon: stored, horizonNow: now },
    message: expect.stringMatching(`${now}.*${stored}.*older state of itself`),
  })
}
