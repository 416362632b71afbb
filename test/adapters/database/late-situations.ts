import { expect } from 'vitest'
import { withClock } from './moved-clock.ts'
import type { Reader } from './reader.ts'
import { createReader, keysOf } from './reader.ts'
import type { Situation } from './situation.ts'
import type { TableSource } from './tables.ts'
import { insert } from './words.ts'

/** A table of local times under a clock that the test moves. */
type Late = Readonly<{
  reader: Reader
  /** Sets the database's clock (UTC), saves a row with this time, polls, and gives the keys that were read. */
  at(clock: string, row: readonly [no: number, changed: string] | null): Promise<readonly string[]>
}>

async function late(
  source: TableSource,
  table: string,
  of: Readonly<{ zone: string; overlap: string }>,
): Promise<Late> {
  const { types, local } = source.words
  await source.erp(`CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.local} NOT NULL)`)
  const clock = { now: '' }
  const { zone, overlap } = of
  const cursor = { strategy: 'watermark', columns: ['changed'], overlap }
  const transport = withClock(await source.transport(), clock)
  const reader = createReader(
    transport,
    { table, key: ['no'], cursor },
    { context: { zone }, remembers: true },
  )
  return {
    reader,
    async at(now, row) {
      clock.now = now
      if (row !== null) await source.erp(...insert(table, `${row[0]}, ${local(row[1])}`))
      return keysOf(await reader.poll())
    },
  }
}

/** What is committed late, or under a clock that goes back. */
export const LATE_SITUATIONS: readonly Situation[] = [
  {
    name: 'an overlap is looked over in tiers: near often, far when its turn comes, and nothing between two looks [F29]',
    async run(source, table) {
      const { at } = await late(source, table, { zone: 'UTC', overlap: '10m' })
      expect(await at('2026-03-02 12:00:00', [1, '2026-03-02 11:59:59'])).toEqual(['1'])
      expect(await at('2026-03-02 12:00:03', [2, '2026-03-02 11:59:58'])).toContain('2')
      expect(await at('2026-03-02 12:00:11', [3, '2026-03-02 11:59:41'])).toContain('3')
      expect(await at('2026-03-02 12:00:15', [4, '2026-03-02 11:50:10'])).not.toContain('4')
      expect(await at('2026-03-02 12:05:00', [5, '2026-03-02 12:04:59'])).toContain('4')
      // Within the width of the far tier when it was committed; its next look comes five minutes later.
      expect(await at('2026-03-02 12:06:00', [6, '2026-03-02 11:56:30'])).not.toContain('6')
      expect(await at('2026-03-02 12:10:01', null)).toContain('6')
    },
  },

  {
    name: 'rows of the hour that comes twice in autumn are read, whenever they are polled [F16]',
    async run(source, table) {
      const { at } = await late(source, table, { zone: 'Europe/Berlin', overlap: '2s' })
      expect(await at('2026-10-25 00:59:00', [1, '2026-10-25 02:58:59'])).toEqual(['1'])
      expect(await at('2026-10-25 01:01:00', [2, '2026-10-25 02:00:30'])).toContain('2')
      expect(await at('2026-10-25 01:02:00', [3, '2026-10-25 02:01:30'])).toContain('3')
      expect(await at('2026-10-25 01:02:01', [4, '2026-10-25 02:02:00'])).toContain('4')
      expect(await at('2026-10-25 02:30:00', [5, '2026-10-25 03:29:59'])).toContain('5')
    },
  },

  {
    name: 'a gateway that was away over the change of the clocks reads both hours [F16]',
    async run(source, table) {
      const { at } = await late(source, table, { zone: 'Europe/Berlin', overlap: '2s' })
      await at('2026-10-25 00:30:00', [1, '2026-10-25 02:29:59'])
      const { local } = source.words
      await source.erp(
        ...insert(table, `2, ${local('2026-10-25 02:05:00')}`, `3, ${local('2026-10-25 02:45:00')}`),
      )
      expect(new Set(await at('2026-10-25 09:00:00', [4, '2026-10-25 09:59:00']))).toEqual(
        new Set(['2', '3', '4']),
      )
    },
  },

  {
    name: 'the hour that is left out in spring hides nothing [F16]',
    async run(source, table) {
      const { at } = await late(source, table, { zone: 'Europe/Berlin', overlap: '2s' })
      expect(await at('2026-03-29 00:59:30', [1, '2026-03-29 01:59:29'])).toEqual(['1'])
      expect(await at('2026-03-29 01:00:10', [2, '2026-03-29 03:00:09'])).toContain('2')
      expect(await at('2026-03-29 01:00:11', [3, '2026-03-29 03:00:10'])).toContain('3')
    },
  },

  {
    name: 'a clock of the database that was set back hides nothing within the overlap [F15]',
    async run(source, table) {
      const { at } = await late(source, table, { zone: 'UTC', overlap: '10m' })
      expect(await at('2026-03-02 12:00:00', [1, '2026-03-02 11:59:59'])).toEqual(['1'])
      expect(await at('2026-03-02 11:30:05', [2, '2026-03-02 11:30:04'])).toContain('2')
      expect(await at('2026-03-02 11:30:06', [3, '2026-03-02 11:30:05'])).toContain('3')
    },
  },

  {
    name: 'what is only read again goes by its fingerprint, and whole where it differs',
    async run(source, table) {
      const { types, local } = source.words
      const changed = local('2026-03-02 12:00:00')
      await source.erp(
        `CREATE TABLE [${table}] ([no] int PRIMARY KEY, [changed] ${types.local} NOT NULL, [version] int)`,
        ...insert(table, `1, ${changed}, 1`, `2, ${changed}, 1`),
      )
      for (const cursor of [
        { strategy: 'watermark', columns: ['changed'], overlap: '2s' },
        { strategy: 'snapshot' },
      ]) {
        const reader = createReader(
          await source.transport(),
          { table, key: ['no'], cursor },
          { remembers: true },
        )
        expect(keysOf(await reader.poll())).toEqual(['1', '2'])
        await source.erp(`UPDATE [${table}] SET [version] = [version] + 1 WHERE [no] = 2`)
        const again = await reader.poll()
        expect(again.flatMap((batch) => batch.unchanged ?? [])).toEqual(['1'])
        expect(keysOf(again)).toEqual(['2'])
      }
    },
  },
]
