import { expect, test } from 'vitest'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createReader, keysOf, recordsOf } from '../../adapters/database/reader.ts'
import { fill, insert } from '../../adapters/database/words.ts'
import type { Engine } from './engine.ts'

const NEVER = new AbortController().signal

/** What must be true while others write. */
export function testOthersAtWork(engine: Engine): void {
  const { words } = engine
  const { now, later } = words
  const cursor = { strategy: 'watermark', columns: ['changed'], overlap: [{ reach: '10m' }] }
  const feed = { table: 'doc', key: ['no'], cursor }
  const documents = (more = '') =>
    `CREATE TABLE [doc] ([no] int PRIMARY KEY, ${more}[changed] ${words.types.instant} NOT NULL)`

  test('delivers what is committed below the highest value already read [F29]', async () => {
    await using database = await engine.database()
    const [slow, fast] = [await database.erp(), await database.erp()]
    await fast.run(documents())
    await slow.begin()
    await slow.run(...insert('doc', `10, ${now.instant}`))
    await fast.run(...insert('doc', `11, ${now.instant}`))
    const reader = createReader(await database.connect(), feed)
    expect(keysOf(await reader.poll())).toEqual(['11'])
    await slow.commit()
    expect(keysOf(await reader.poll())).toEqual(['10', '11'])
    await Promise.all([slow.end(), fast.end(), reader.session.close()])
  })

  test('delivers what is committed late while a broken-off round waits [F29]', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    await erp.run(documents(), fill(words, 'doc', 1, 9, `n, ${later(now.instant, -7200)}`))
    const reader = createReader(await database.connect(), feed, { batchRecordsMax: 3 })
    await reader.poll(2)
    // Behind the place where the round was broken off, and then an hour of newer rows.
    await erp.run(...insert('doc', `0, ${later(now.instant, -7500)}`))
    await erp.run(fill(words, 'doc', 20, 29, `n, ${now.instant}`))
    expect(new Set(keysOf(await reader.poll()))).toContain('0')
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('ends at the true versions while rows change under its pages [F31]', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    await erp.run(documents('[version] int NOT NULL, '), fill(words, 'doc', 1, 500, `n, 1, ${now.instant}`))
    const reader = createReader(await database.connect(), feed, { batchRecordsMax: 20 })
    const seen = new Map<string, number>()
    const takeAll = (batches: Awaited<ReturnType<typeof reader.poll>>) => {
      for (const { key, data } of recordsOf(batches)) {
        expect(Number(data['version'])).toBeGreaterThanOrEqual(seen.get(key) ?? 0)
        seen.set(key, Number(data['version']))
      }
    }
    for (let round = 0; round < 15; round += 1) {
      const numbers = Array.from({ length: 500 }, (_, index) => index + 1)
      const these = numbers.filter((no) => no % 15 === round)
      const changing = erp.run(
        `UPDATE [doc] SET [version] = [version] + 1, [changed] = ${now.instant} WHERE [no] IN (${these.join(', ')})`,
      )
      takeAll(await reader.poll(4))
      await changing
    }
    takeAll(await reader.poll())
    for (const [no = '', version] of await erp.rows('SELECT [no], [version] FROM [doc]'))
      expect(seen.get(no ?? ''), no ?? '').toBe(Number(version))
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('reads header and lines as they were at one moment', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    await erp.run(
      documents('[version] int NOT NULL, '),
      'CREATE TABLE [line] ([no] int, [pos] int, [version] int NOT NULL, PRIMARY KEY ([no], [pos]))',
      ...insert('doc', `1, 0, ${now.instant}`),
      fill(words, 'line', 1, 5, '1, n, 0'),
    )
    const lines = [{ name: 'lines', table: 'line', key: ['pos'], on: { no: 'no' } }]
    const reader = createReader(await database.connect(), { ...feed, lines })
    const changing = (async () => {
      for (let version = 1; version <= 200; version += 1) {
        await erp.begin()
        await erp.run(
          `UPDATE [doc] SET [version] = ${version}, [changed] = ${now.instant}`,
          `UPDATE [line] SET [version] = ${version}`,
        )
        await erp.commit()
      }
    })()
    for (let polls = 0; polls < 60; polls += 1) {
      for (const { data } of recordsOf(await reader.poll())) {
        const rows = data['lines'] as readonly Readonly<Record<string, string>>[]
        expect(new Set(rows.map((row) => row['version']))).toEqual(new Set([data['version']]))
      }
    }
    await changing
    await Promise.all([erp.end(), reader.session.close()])
  })

  test('reads pages of a large table by its index, never sorting it', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    await erp.run(
      documents(`[text] ${words.types.text(50)}, `),
      fill(
        words,
        'doc',
        1,
        100_000,
        `n, '${'x'.repeat(50)}', ${later(words.instant('2026-01-01 00:00:00'), 'n')}`,
      ),
      'CREATE INDEX [doc_by_changed] ON [doc] ([changed], [no])',
      engine.analyze('doc'),
    )
    const asked: Asked[] = []
    const transport = await database.connect()
    const reader = createReader(recording(transport, asked), feed)
    await reader.poll(3)
    await reader.poll(3)
    const pages = asked.filter(({ text }) => text.includes('ORDER BY'))
    expect(pages.length).toBeGreaterThan(5)
    const snapshot = await transport.snapshot(NEVER)
    for (const { text, parameters } of pages) {
      const plan = await engine.plan(snapshot, text, parameters)
      expect(plan, text).toMatch(engine.byIndex)
      expect(plan, text).not.toMatch(engine.sorts)
    }
    await snapshot.end()
    await Promise.all([erp.end(), reader.session.close()])
  })
}

type Asked = Readonly<{ text: string; parameters: readonly (string | null)[] }>

/** Notes what is asked. */
function recording(transport: Transport, asked: Asked[]): Transport {
  return {
    ...transport,
    async snapshot(signal) {
      const snapshot = await transport.snapshot(signal)
      return {
        ...snapshot,
        query(text, parameters, aborts) {
          asked.push({ text, parameters })
          return snapshot.query(text, parameters, aborts)
        },
      }
    },
  }
}
