import { describe, expect, test } from 'vitest'
import { createBench, events, rejects, runOnce, story, verb } from './lane-bench.ts'
import { delivers, put, record, torn } from './table-source.ts'

describe('what is more than one transaction takes', () => {
  test('goes in several, where it is rejects [P5 P9]', async () => {
    const bench = createBench()
    bench.table.page = 100
    for (let row = 0; row < 40; row += 1) {
      put(bench.table, `k${row}`, { number: `P${row}`, amount: 'poison', note: 'x'.repeat(700_000) })
    }
    put(bench.table, 'good', { number: 'P', amount: 'A' })
    expect((await runOnce(bench)).stopped).toBeNull()
    expect(await rejects(bench.log)).toHaveLength(40)
    expect(await story(bench.log, 'P')).toEqual(['created 1 A'])
  })

  test('goes in several, where it is versions of one record [P3 P9]', async () => {
    const bench = createBench()
    bench.table.page = 200
    for (let version = 0; version < 100; version += 1) {
      put(bench.table, 'k1', { number: 'P1', amount: `${version} ${'x'.repeat(280_000)}` })
    }
    expect((await runOnce(bench)).stopped).toBeNull()
    expect(await events(bench.log)).toHaveLength(100)
  })
})

describe('something unreadable without a key', () => {
  const two = [torn(null, 1), torn(null, 2)]

  test('is written once, also where another one stood at the same place', async () => {
    const bench = createBench()
    for (let read = 0; read < 3; read += 1) await runOnce(bench, { session: delivers([{ unreadable: two }]) })
    expect(await rejects(bench.log)).toHaveLength(2)
  })

  test('stays rejected when rejects are tried again', async () => {
    const bench = createBench()
    await runOnce(bench, { session: delivers([{ unreadable: two }]) })
    expect(await verb(bench, { verb: 'retry-rejects', feed: 'payments' })).toMatchObject({ rejectedAgain: 2 })
  })
})

describe('a deletion that the source reports', () => {
  test('is remembered of a record that was never published, so that an older version is not [P3]', async () => {
    const bench = createBench()
    bench.table.changes.push(record('k1', {}, { op: 'delete', rowVersion: '05' }))
    await runOnce(bench)
    bench.table.changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '04' }))
    await runOnce(bench)
    expect(await events(bench.log)).toEqual([])
  })

  test('lets go of its number for a new row that stands before it in the batch', async () => {
    const bench = createBench()
    put(bench.table, 'k2', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.rows.delete('k2')
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    bench.table.changes.push(record('k2', {}, { op: 'delete' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
    expect(await rejects(bench.log)).toEqual([])
  })

  test('is believed when it comes late and a fresh read finds nothing', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    bench.table.changes[0] = record('k1', { number: 'P1', amount: 'A' }, { order: '0009' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    bench.table.changes.push(record('k1', {}, { op: 'delete', order: '0005' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2'])
  })
})
