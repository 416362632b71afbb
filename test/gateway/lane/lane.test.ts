import { describe, expect, test } from 'vitest'
import { createBench, events, rejects, runOnce, story } from './lane-bench.ts'
import { put, record } from './table-source.ts'

describe('record keys', () => {
  test('a row that goes A→B→A gives three events with three ids [P2]', async () => {
    const bench = createBench()
    for (const amount of ['A', 'B', 'A']) {
      put(bench.table, 'k1', { number: 'P1', amount })
      await runOnce(bench)
    }
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B', 'changed 3 A'])
    expect(new Set((await events(bench.log)).map((event) => event.id)).size).toBe(3)
  })

  test('a row that is deleted and inserted again gives three events with three ids', async () => {
    const bench = createBench()
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.delete('k1')
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 A'])
    const all = await events(bench.log)
    expect(new Set(all.map((event) => event.id)).size).toBe(3)
    expect(all.find((event) => event.revision === 2)?.data).toEqual({ number: 'P1' })
  })

  test('two companies with the same document numbers stay apart', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A', company: '001' })
    put(bench.table, 'k2', { number: 'P1', amount: 'B', company: '002' })
    await runOnce(bench)
    const all = await events(bench.log)
    expect(all.map((event) => event.source).sort()).toEqual(['/erp/toy/001', '/erp/toy/002'])
    expect(all.map((event) => event.revision)).toEqual([1, 1])
  })

  test('a second source key with the same record key is a reject, and the first goes on', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'C' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 C'])
    expect((await rejects(bench.log)).map((reject) => reject['code'])).toEqual(['KEY_COLLISION'])
  })

  test('a record key that went over to another source key goes on counting', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    put(bench.table, 'k2', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('a record key is taken over in one batch, though its new owner comes first', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'B' })
    await runOnce(bench)
    bench.table.rows.set('k1', { number: 'P3', amount: 'A' })
    put(bench.table, 'k2', { number: 'P1', amount: 'B' })
    put(bench.table, 'k1', { number: 'P3', amount: 'A' })
    await runOnce(bench)
    expect(await rejects(bench.log)).toEqual([])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 B', 'deleted 2'])
    expect(await story(bench.log, 'P3')).toEqual(['created 1 A'])
  })

  test('a changed record key ends the old record and begins the new one in one transaction', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 A'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('a lane that finds another lane under one of its record keys stops', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { source: 'one' })
    const status = await runOnce(bench, { source: 'two' })
    expect(status.hold?.code).toBe('KEY_OWNED_ELSEWHERE')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })
})

describe('what is new', () => {
  test('a touched row and a re-read publish nothing', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: '1' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: '2' })
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: '2' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('eleven versions of one key in one batch give eleven events in order [P3]', async () => {
    const bench = createBench()
    bench.table.page = 20
    for (let version = 0; version < 11; version += 1) {
      put(bench.table, 'k1', { number: 'P1', amount: `v${version}` })
    }
    await runOnce(bench)
    const told = await story(bench.log, 'P1')
    expect(told).toHaveLength(11)
    expect(told.at(-1)).toBe('changed 11 v10')
  })

  test('an older row version delivered second is read again and never published [P3]', async () => {
    const bench = createBench()
    const { table } = bench
    table.rows.set('k1', { number: 'P1', amount: 'new' })
    table.changes.push(record('k1', { number: 'P1', amount: 'new' }, { rowVersion: '02' }))
    await runOnce(bench)
    table.changes.push(record('k1', { number: 'P1', amount: 'old' }, { rowVersion: '01' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 new'])
  })

  test('events say which fields changed', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    const all = await events(bench.log)
    expect(all.find((event) => event.revision === 2)?.changedfields).toBe('amount')
  })

  test('a text that is no Unicode is published as it is [P4]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'a\ud800z' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 a\ud800z'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
  })

  test('a local date-time is not taken for an instant: the event has the time of its reading [P4]', async () => {
    const bench = createBench()
    const ports = { ...bench.ports, runtime: { ...bench.runtime, wall: () => Date.UTC(2026, 10, 24) } }
    const { changes } = bench.table
    changes.push(record('k1', { number: 'P1', amount: 'A' }, { changedAt: '2026-01-01T10:00:00' }))
    changes.push(record('k2', { number: 'P2', amount: 'A' }, { changedAt: '2026-01-01T10:00:00+08:00' }))
    await runOnce(bench, { ports })
    const times = Object.fromEntries((await events(bench.log)).map(({ subject, time }) => [subject, time]))
    expect(times).toEqual({ P1: '2026-11-24T00:00:00.000Z', P2: '2026-01-01T10:00:00+08:00' })
  })
})

describe('the projection', () => {
  test('a deleted projection is rebuilt from the log with 0 events [P2]', async () => {
    const bench = createBench()
    for (let row = 0; row < 50; row += 1) put(bench.table, `k${row}`, { number: `P${row}`, amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P99', amount: 'A' })
    await runOnce(bench)
    const before = (await events(bench.log)).length
    bench.projections.clear()
    bench.table.changes.push(...[...bench.table.rows].map(([key, row]) => record(key, row)))
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(before)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
  })

  test('a projection ahead of the log is discarded and rebuilt', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    const projection = bench.projections.get('erp.payments')
    const applied = projection?.applied()
    if (projection === undefined || applied === null || applied === undefined) throw new Error('none')
    projection.apply({ rows: [], applied: { ...applied, positions: { 'erp.payment.v1/0': 1_000 } } })
    bench.table.changes.push(record('k1', { number: 'P1', amount: 'A' }))
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })
})
